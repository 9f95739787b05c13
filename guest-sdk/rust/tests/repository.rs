use std::fs;
use std::path::Path;

/// A file of the repository, by its path from the folder of the SDK.
fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn documents_name_the_current_version() {
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').unwrap().0;
    for document in ["README.md", "../../docs/plugins.md"] {
        let dependency = format!("kapacitor-guest = \"{minor}\"");
        assert!(read(document).contains(&dependency), "{document} does not say: {dependency}");
    }
    for (manifest, dependency) in [
        ("Cargo.toml", "kapacitor-guest-derive = { path = \"derive\""),
        ("../../Cargo.toml", "kapacitor-guest = { path = \"guest-sdk/rust\""),
    ] {
        let dependency = format!("{dependency}, version = \"={version}\"");
        assert!(read(manifest).contains(&dependency), "{manifest} does not say: {dependency}");
    }
}

#[test]
fn license_is_in_each_package() {
    let license = read("../../LICENSE");
    assert_eq!(read("LICENSE"), license);
    assert_eq!(read("derive/LICENSE"), license);
}
