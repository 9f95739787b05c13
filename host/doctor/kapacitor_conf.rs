//! `kapacitor.conf`, as far as UDFs are concerned.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::regular_file::{self, FileError};
use crate::units::Bytes;

/// Maximum size of a kapacitor.conf. A thousand functions take a tenth of it.
const MAX_SIZE: Bytes = Bytes::mib(4);

/// What a kapacitor.conf says of UDFs and of Kapacitor's own address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KapacitorConf {
    /// `[udf.functions.NAME]`; `None` if there is no such section at all.
    pub functions: Option<BTreeMap<String, ConfFunction>>,
    /// `[http] bind-address`
    pub bind_address: Option<String>,
    /// `[http] https-enabled`
    pub https: bool,
}

/// One `[udf.functions.NAME]`. A key that is not text is as one that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfFunction {
    /// `socket`
    pub socket: Option<PathBuf>,
    /// `prog`
    pub prog: Option<PathBuf>,
    /// `args`
    pub args: Vec<String>,
    /// `timeout`
    pub timeout: Option<String>,
}

/// Why a kapacitor.conf can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfError {
    /// It can't be looked at.
    Unread(String),
    /// Kapacitor does not start with it.
    Wrong(String),
}

impl KapacitorConf {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// Says why it can't be used.
    pub fn read(path: &Path) -> Result<Self, ConfError> {
        let shown = path.display();
        let bytes = regular_file::read(path, MAX_SIZE).map_err(|e| {
            ConfError::Unread(match e {
                FileError::Io(e) => {
                    format!("{shown} can't be read ({e}): name Kapacitor's file with --kapacitor-conf")
                }
                e => format!("{shown} {e}: name Kapacitor's file with --kapacitor-conf"),
            })
        })?;
        let text = String::from_utf8_lossy(&bytes);
        let table = text.parse::<Table>().map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = e.message();
            let twice = if message.contains("duplicate") {
                let what = text.lines().nth(line - 1).unwrap_or_default().trim();
                format!("{what} is there twice, and Kapacitor does not start")
            } else {
                format!("this is not TOML, and Kapacitor does not start: {}", message.replace('\n', " "))
            };
            ConfError::Wrong(format!("{shown}: line {line}: {twice}"))
        })?;
        Ok(Self::of(&table))
    }

    fn of(table: &Table) -> Self {
        let functions = table.get("udf").and_then(|udf| udf.get("functions")).and_then(Value::as_table);
        let functions = functions.map(|functions| {
            let function = |(name, value): (&String, &Value)| (name.clone(), ConfFunction::of(value));
            functions.iter().map(function).collect()
        });
        let http = table.get("http");
        Self {
            functions,
            bind_address: text(http, "bind-address"),
            https: http.and_then(|http| http.get("https-enabled")?.as_bool()).unwrap_or_default(),
        }
    }
}

impl ConfFunction {
    fn of(value: &Value) -> Self {
        let given = |key| text(Some(value), key).filter(|text| !text.is_empty());
        let args = value.get("args").and_then(Value::as_array).into_iter().flatten();
        Self {
            socket: given("socket").map(PathBuf::from),
            prog: given("prog").map(PathBuf::from),
            args: args.filter_map(|arg| arg.as_str().map(str::to_owned)).collect(),
            timeout: given("timeout"),
        }
    }
}

fn text(value: Option<&Value>, key: &str) -> Option<String> {
    value?.get(key)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<KapacitorConf, ConfError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        KapacitorConf::read(file.path())
    }

    #[test]
    fn functions_and_address_are_read() {
        let conf = read(
            "[http]\nbind-address = \":9092\"\nhttps-enabled = true\n[udf.functions.f]\nsocket = \"/run/f.sock\"\n\
             timeout = \"10s\"\n[udf.functions.g]\nprog = \"/bin/x\"\nargs = [\"stdio\", \"g\"]\n",
        )
        .unwrap();
        let functions = conf.functions.unwrap();
        assert_eq!(functions["f"].socket.as_deref(), Some(Path::new("/run/f.sock")));
        assert_eq!((functions["f"].prog.clone(), functions["f"].timeout.as_deref()), (None, Some("10s")));
        assert_eq!(functions["g"].args, ["stdio", "g"]);
        assert_eq!((conf.bind_address.as_deref(), conf.https), (Some(":9092"), true));
        assert_eq!(read("[udf]\n").unwrap().functions, None);
    }

    #[test]
    fn function_that_is_there_twice_is_named_with_its_line() {
        let Err(ConfError::Wrong(error)) =
            read("[udf.functions.f]\nsocket = \"a\"\n[udf.functions.f]\nprog = \"b\"\n")
        else {
            panic!("it is accepted")
        };
        assert!(error.contains("line 3: [udf.functions.f] is there twice"), "{error}");
        assert!(
            matches!(read("[http\n"), Err(ConfError::Wrong(error)) if error.contains("line 1: this is not TOML"))
        );
        assert!(matches!(KapacitorConf::read(Path::new("/nowhere")), Err(ConfError::Unread(_))));
    }
}
