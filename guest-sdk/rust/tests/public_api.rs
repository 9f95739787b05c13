use std::collections::BTreeSet;
use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An environment variable that, when set, makes the test write the listing.
const UPDATE: &str = "UPDATE_PUBLIC_API";

/// The JSON that rustdoc writes for the SDK.
///
/// Its format is unstable, so the compiler is told to accept unstable options. Nothing that is built like
/// this is used for anything else.
fn rustdoc_json() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("public-api");
    let output = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "rustdoc",
            "--package",
            "kapacitor-guest",
            "--lib",
            "--locked",
            "--offline",
            "--all-features",
            "--target-dir",
        ])
        .arg(&target)
        .args(["--", "-Z", "unstable-options", "--output-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env_remove("CARGO_BUILD_TARGET")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target.join("doc/kapacitor_guest.json")
}

/// All public items, one a line. Items that are hidden in the documentation are no part of the API.
fn public_items() -> String {
    let api = public_api::Builder::from_rustdoc_json(rustdoc_json())
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .unwrap_or_else(|e| panic!("the listing is made with the Rust version of rust-version: {e}"));
    let mut listing = String::new();
    for item in api.items() {
        writeln!(listing, "{item}").unwrap();
    }
    listing
}

#[test]
fn public_api_is_as_listed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("public-api.txt");
    let found = public_items();
    if env::var_os(UPDATE).is_some() {
        fs::write(&path, found).unwrap();
        return;
    }
    let listed = fs::read_to_string(&path).unwrap();
    if found == listed {
        return;
    }
    let [before, after] = [&listed, &found].map(|listing| listing.lines().collect::<BTreeSet<_>>());
    let mut difference = String::new();
    for line in before.difference(&after) {
        writeln!(difference, "- {line}").unwrap();
    }
    for line in after.difference(&before) {
        writeln!(difference, "+ {line}").unwrap();
    }
    panic!(
        "the public API differs from {}:\n{difference}\n\
         A line with `-` breaks plugins: it needs a new minor version while the version is 0.x, and a new \
         major version later. If the change is intended, update the listing:\n\n    \
         {UPDATE}=1 cargo test -p kapacitor-guest-tests public_api\n",
        path.display(),
    );
}
