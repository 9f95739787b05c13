use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A plugin whose options have two mistakes of each kind that there is: types that are no options, and attributes.
const WRONG: &str = r#"
    use kapacitor_guest::prelude::*;

    struct Other;

    #[derive(Options)]
    struct Types {
        field: Other,
        #[option(default = Other)]
        other: Other,
    }

    #[derive(Options)]
    struct Attributes {
        #[option(nme = "x")]
        number: i64,
        #[option(default)]
        text: String,
    }

    impl Stream for Attributes {
        type Group = ();

        fn point(&self, _: &mut (), point: Point<'_>, out: &mut Output) -> Result<()> {
            out.send(point)
        }
    }

    register!(Attributes);
"#;

/// The newest file in the folder of this test whose name begins with `name` and has this extension.
fn built(name: &str, extension: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let files = fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let wanted = files.filter(|path| {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        path.extension().is_some_and(|found| found == extension) && stem.starts_with(name)
    });
    wanted.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap()
}

#[test]
fn compiler_tells_of_each_mistake_once() {
    let sdk = built("libkapacitor_guest-", "rlib");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("derive_errors");
    fs::create_dir_all(&folder).unwrap();
    let source = folder.join("wrong.rs");
    fs::write(&source, WRONG).unwrap();
    let output = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--edition", "2024", "--crate-type", "lib", "--emit", "metadata", "--out-dir"])
        .args([&folder, &source])
        .arg("--extern")
        .arg(format!("kapacitor_guest={}", sdk.display()))
        .arg("-L")
        .arg(format!("dependency={}", sdk.parent().unwrap().display()))
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<_> = messages.lines().filter(|line| line.starts_with("error")).collect();
    let expected = [
        "error: expected `name = \"…\"` or `default = …`",
        "error: expected `=`",
        "error[E0277]: the trait bound `Other: OptionType` is not satisfied",
        "error[E0277]: the trait bound `Other: OptionType` is not satisfied",
        "error: aborting due to 4 previous errors",
    ];
    assert_eq!(errors, expected, "{messages}");
}
