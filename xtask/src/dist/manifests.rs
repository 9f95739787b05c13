//! Checks of packaging/compose.yaml and packaging/kubernetes.yaml, with the programs that the Go module in
//! packaging/validate pins: the loader of `docker compose`, and the schemas of Kubernetes.

use super::{output, skipped, text, tools};
use crate::{root, run, say};

const MODULE: &str = "packaging/validate";
const COMPOSE: &str = "packaging/compose.yaml";
const KUBERNETES: &str = "packaging/kubernetes.yaml";

pub fn manifests() -> Result<(), String> {
    let image = format!("image: kapacitor-wasm:{}\n", env!("CARGO_PKG_VERSION"));
    for file in [COMPOSE, KUBERNETES] {
        if !text(file)?.contains(&image) {
            return Err(format!("{file}: has no `{}`, which is the version of Cargo.toml", image.trim_end()));
        }
    }
    if !tools::is_there("go") {
        skipped("compose.yaml and kubernetes.yaml: Go is not installed, with which their checkers are built");
        return Ok(());
    }
    say("building the checkers of the manifests; the first time this takes some minutes");
    let compose = tools::go(MODULE, &["."])?.join("validate");
    // It prints the file as it understands it, which nobody wants to read here.
    output(std::process::Command::new(compose).arg(COMPOSE).current_dir(root()))?;
    let kubectl = tools::go(MODULE, &["sigs.k8s.io/kubectl-validate"])?.join("kubectl-validate");
    run(std::process::Command::new(kubectl).args([KUBERNETES]).current_dir(root()))
}
