//! A project: a template in which the plugin has its name.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use heck::ToUpperCamelCase as _;

use super::template::{File, NAME, SDK, TYPE};
use crate::config::is_identifier;

/// The SDK that a project depends on.
const SDK_CRATE: &str = "kapacitor-guest";

/// What a template's own words stand for.
pub struct Words {
    /// Name of the plugin: of its function, its package and its `.wasm` file.
    name: String,
    /// The SDK, as a value of TOML.
    sdk: String,
}

impl Words {
    /// The words for the plugin `name`, with the SDK in the folder `sdk`, or the published one.
    ///
    /// # Errors
    ///
    /// When a TICKscript could not call the plugin, or the SDK is not in the folder.
    pub fn new(name: &str, sdk: Option<&Path>) -> Result<Self> {
        if !is_identifier(name) {
            bail!(
                "`{name}`: a TICKscript could not call it: a name consists of letters (a to z), digits and `_`, begins \
                 with no digit, and is no word of TICKscript such as `var`"
            );
        }
        let sdk = match sdk {
            None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
            Some(folder) => format!("{{ path = {} }}", toml::Value::from(path_of_sdk(folder)?)),
        };
        Ok(Self { name: name.to_owned(), sdk })
    }

    /// A text of the template as it is in the project.
    fn replace(&self, text: &str, type_name: &str) -> String {
        // In this order no word is replaced in what another one was replaced with.
        text.replace(TYPE, type_name).replace(NAME, &self.name).replace(SDK, &self.sdk)
    }

    /// Writes a project into `folder`, which is made.
    ///
    /// # Errors
    ///
    /// When the folder is there already, or can't be written. Then nothing is left of it.
    pub fn write(&self, folder: &Path, files: &[&File]) -> Result<()> {
        if let Some(parent) = folder.parent() {
            fs::create_dir_all(parent).with_context(|| format!("{}: can't be made", parent.display()))?;
        }
        match fs::create_dir(folder) {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                bail!("{}: it is there already: choose another folder with --dir", folder.display())
            }
            Err(e) => return Err(e).with_context(|| format!("{}: can't be made", folder.display())),
        }
        let type_name = type_name(&self.name, files);
        let written = files.iter().try_for_each(|(path, text)| {
            let path = folder.join(self.replace(path, &type_name));
            write(&path, &self.replace(text, &type_name))
                .with_context(|| format!("{}: can't be written", path.display()))
        });
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_dir_all(folder);
        }
        written
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

/// The type of the plugin `name`: another one than those that the files name.
fn type_name(name: &str, files: &[&File]) -> String {
    let camel = name.to_upper_camel_case();
    let is_word = |(path, text): &&File| {
        let mut words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        Path::new(path).extension().is_some_and(|extension| extension == "rs")
            && words.any(|word| word == camel)
    };
    let begins_well = camel.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins_well && camel != "Self" && !files.iter().any(is_word) {
        camel
    } else {
        format!("Plugin{camel}")
    }
}

/// The absolute path of the SDK in `folder`.
fn path_of_sdk(folder: &Path) -> Result<String> {
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("--sdk {}: {} can't be read", folder.display(), manifest.display()))?;
    let package = text.parse::<toml::Table>().ok();
    let name = package.as_ref().and_then(|table| table.get("package")?.get("name")?.as_str());
    if name != Some(SDK_CRATE) {
        bail!(
            "--sdk {}: it is not the SDK {SDK_CRATE}: name the folder guest-sdk/rust of the repository",
            folder.display()
        );
    }
    let path: PathBuf =
        fs::canonicalize(folder).with_context(|| format!("--sdk {}: can't be found", folder.display()))?;
    match path.into_os_string().into_string() {
        Ok(path) => Ok(path),
        Err(path) => bail!("--sdk {}: Cargo takes only paths in UTF-8", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::workbench::new::template::{Kind, Language, files};

    fn type_of(name: &str) -> String {
        type_name(name, &files(Language::Rust, Kind::Stream).collect::<Vec<_>>())
    }

    #[test]
    fn types_have_names_of_their_own() {
        assert_eq!(type_of("moving_avg"), "MovingAvg");
        assert_eq!(type_of("x2"), "X2");
        for (name, expected) in [
            ("point", "PluginPoint"),
            ("_", "Plugin"),
            ("__1", "Plugin1"),
            ("self_", "PluginSelf"),
            ("usual", "PluginUsual"),
        ] {
            assert_eq!(type_of(name), expected);
        }
    }

    #[test]
    fn words_are_replaced_once() {
        let words = Words { name: "PluginName".to_owned(), sdk: "{ path = \"/plugin_name\" }".to_owned() };
        let text = format!("{TYPE} {NAME} {SDK}");
        assert_eq!(words.replace(&text, "Other"), "Other PluginName { path = \"/plugin_name\" }");
    }

    #[test]
    fn names_that_a_script_can_not_call_are_refused() {
        for name in ["", "1a", "a-b", "a b", "../a", "ä", "var", "lambda"] {
            assert!(Words::new(name, None).is_err(), "{name}");
        }
    }
}
