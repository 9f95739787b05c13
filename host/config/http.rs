//! `[http]`: where the host answers over HTTP.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `[http]`: what the host tells of itself, and where.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Http {
    /// Addresses to listen on; none turns it off.
    #[serde(deserialize_with = "one_or_more")]
    pub listen: Vec<ListenAddress>,
    /// Maximum number of UDF nodes that have metrics of their own.
    pub tasks: usize,
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: Vec::new(), tasks: 1000 }
    }
}

/// An address of `http.listen`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// `IP:PORT`
    Tcp(SocketAddr),
    /// `unix:PATH`
    Unix(PathBuf),
}

impl ListenAddress {
    /// What others than this machine's users can read here, as a sentence; `None` if nobody else reaches it.
    pub fn exposed(&self) -> Option<String> {
        let Self::Tcp(address) = self else { return None };
        (!address.ip().is_loopback()).then(|| {
            format!(
                "http.listen has {address}: everybody who reaches it can read the names of tasks, their errors and the last skipped points, without a password"
            )
        })
    }

    /// The same, with a path that is relative to `folder`.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        if let Self::Unix(path) = self {
            *path = folder.join(&*path);
        }
    }
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err(format!("`{text}` names no file: write `unix:PATH`")),
            Some(path) => Ok(Self::Unix(path.into())),
            None => match text.parse() {
                Ok(address) => Ok(Self::Tcp(address)),
                Err(_) => Err(format!(
                    "`{text}` is no address: write `IP:PORT`, such as `127.0.0.1:9275`, or `unix:PATH`"
                )),
            },
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for ListenAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for ListenAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One address, or a list of them.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ListenAddress>, D::Error> {
    struct Addresses;

    impl<'de> Visitor<'de> for Addresses {
        type Value = Vec<ListenAddress>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an address in quotes, or a list of them")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.parse().map_err(E::custom)?])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut addresses = Vec::new();
            while let Some(address) = list.next_element()? {
                addresses.push(address);
            }
            Ok(addresses)
        }
    }

    deserializer.deserialize_any(Addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_is_that_of_a_port_or_of_a_socket() {
        let parsed = |text: &str| text.parse::<ListenAddress>().map(|address| address.to_string());
        for text in ["127.0.0.1:9275", "[::1]:80", "unix:/run/x.sock", "unix:x.sock"] {
            assert_eq!(parsed(text).as_deref(), Ok(text));
        }
        for text in ["localhost:9275", "9275", "127.0.0.1", "/run/x.sock", ""] {
            assert!(parsed(text).unwrap_err().contains("is no address: write"), "{text}");
        }
        assert!(parsed("unix:").unwrap_err().contains("names no file"));
    }
}
