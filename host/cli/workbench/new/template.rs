//! The files of new projects, which are compiled into the program.

/// A file of a template: its path in a project, and its text.
///
/// Both have [`NAME`], [`TYPE`] and [`SDK`] where a project has its own.
pub type File = (&'static str, &'static str);

/// Name of the plugin in the files of a template.
pub const NAME: &str = "plugin_name";

/// Name of the plugin's type in the files of a template.
pub const TYPE: &str = "PluginName";

/// What a template's manifest depends on.
pub const SDK: &str = "\"sdk-dependency\"";

/// The files of a folder of `workbench/templates/`.
macro_rules! files {
    ($folder:literal: $($path:literal),* $(,)?) => {
        files!($folder: $($path = $path),*)
    };
    ($folder:literal: $($path:literal = $file:literal),* $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../workbench/templates/", $folder, "/", $file)))),*]
    };
}

/// What all projects in Rust have. Files that Cargo and git would take for their own have another name in the
/// repository.
const RUST: &[File] = files!("rust":
    "Cargo.toml" = "Cargo.toml.in",
    ".cargo/config.toml" = "cargo-config.toml",
    ".gitignore" = "gitignore.in",
    "recording.lp" = "recording.lp",
    "rust-toolchain.toml" = "rust-toolchain.toml",
);

/// A plugin in Rust that takes a stream.
const RUST_STREAM: &[File] = files!("rust-stream":
    "README.md",
    "plugin_name.tick",
    "src/lib.rs",
    "cases/adds_the_expected_range/case.toml",
    "cases/adds_the_expected_range/input.lp",
    "cases/adds_the_expected_range/expected.lp",
    "cases/refuses_a_negative_factor/case.toml",
    "cases/refuses_a_negative_factor/input.lp",
    "cases/skips_points_without_the_field/case.toml",
    "cases/skips_points_without_the_field/input.lp",
    "cases/skips_points_without_the_field/expected.lp",
);

/// A plugin in Rust that takes batches.
const RUST_BATCH: &[File] = files!("rust-batch":
    "README.md",
    "plugin_name.tick",
    "src/lib.rs",
    "cases/refuses_an_unknown_option/case.toml",
    "cases/refuses_an_unknown_option/input.lp",
    "cases/skips_windows_with_few_points/case.toml",
    "cases/skips_windows_with_few_points/input.lp",
    "cases/skips_windows_with_few_points/expected.lp",
    "cases/sums_up_each_window/case.toml",
    "cases/sums_up_each_window/input.lp",
    "cases/sums_up_each_window/expected.lp",
);

/// Language of a plugin.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Language {
    /// Rust, with the SDK `kapacitor-guest`.
    Rust,
}

/// What a plugin takes from Kapacitor.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Single points.
    Stream,
    /// Whole batches.
    Batch,
}

/// The files of a project.
pub fn files(language: Language, kind: Kind) -> impl Iterator<Item = &'static File> {
    let (shared, own) = match (language, kind) {
        (Language::Rust, Kind::Stream) => (RUST, RUST_STREAM),
        (Language::Rust, Kind::Batch) => (RUST, RUST_BATCH),
    };
    shared.iter().chain(own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    /// All files below a folder.
    fn all_in(folder: &Path, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                all_in(&path, found);
            } else {
                found.insert(path);
            }
        }
    }

    #[test]
    fn every_file_of_the_repository_is_in_its_template() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("workbench/templates");
        for (folder, files) in [("rust", RUST), ("rust-stream", RUST_STREAM), ("rust-batch", RUST_BATCH)] {
            let mut found = BTreeSet::new();
            all_in(&root.join(folder), &mut found);
            let texts: BTreeSet<&str> = files.iter().map(|(_, text)| *text).collect();
            for file in &found {
                assert!(texts.contains(fs::read_to_string(file).unwrap().as_str()), "{}", file.display());
            }
            assert_eq!(found.len(), files.len(), "{folder}");
        }
    }
}
