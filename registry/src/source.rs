//! Where a plugin is: `oci://HOST/REPOSITORY:TAG@DIGEST`.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use oci_spec::distribution::Reference;

use crate::digest::Digest;
use crate::error::Error;
use crate::text::shown;

/// Docker Hub as it is written, and the hosts that it is.
const DOCKER_HUB: &str = "docker.io";
const DOCKER_HUB_REGISTRY: &str = "registry-1.docker.io";

/// Where a plugin is in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Host with its port, such as `registry.example.com:5000`.
    pub host: String,
    /// Name of the repository, such as `plugins/moving_avg`.
    pub repository: String,
    /// The tag, if the source has one.
    pub tag: Option<String>,
    /// The digest of the manifest, if the source has one. It counts more than the tag.
    pub digest: Option<Digest>,
}

impl Source {
    /// The host and the repository, as a signature names them.
    pub fn identity(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The host that requests go to.
    pub(crate) fn server(&self) -> &str {
        if self.host == DOCKER_HUB { DOCKER_HUB_REGISTRY } else { &self.host }
    }

    /// The same repository, and this version.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |reason| Error::Source { source_text: shown(text), reason };
        let name = text.strip_prefix("oci://").ok_or_else(|| wrong("does not begin with oci://"))?;
        let (host, _) = name.split_once('/').ok_or_else(|| wrong("has no repository"))?;
        if host.contains('@') {
            return Err(wrong("has a user in it: passwords belong into the configuration of Docker"));
        }
        let reference: Reference =
            name.parse().map_err(|_| wrong("is not written as a registry wants it"))?;
        // Names without a host would be taken for those of Docker Hub.
        if reference.registry() != host {
            return Err(wrong("names no host: write docker.io for Docker Hub"));
        }
        let digest = reference.digest().map(str::parse).transpose()?;
        // Without a tag, the one called `latest` would be meant, and nobody would know which version that was.
        let tagged = digest.is_some() || name.rsplit('/').next().is_some_and(|last| last.contains(':'));
        if !tagged {
            return Err(wrong("has neither a tag nor a digest: add one, such as :1.0"));
        }
        Ok(Self {
            host: host.to_owned(),
            repository: reference.repository().to_owned(),
            tag: reference.tag().map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "oci://{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether `host`, with or without a port, is this machine.
pub fn is_loopback(host: &str) -> bool {
    let name = host.split(':').next().unwrap_or_default();
    name == "localhost" || name.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_shown() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for text in [
            "oci://registry.example.com/plugins/moving_avg:1.2".to_owned(),
            "oci://localhost:5000/a:b".to_owned(),
            format!("oci://registry.example.com:5000/a/b/c@{digest}"),
            format!("oci://docker.io/user/plugin:v1@{digest}"),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn a_source_that_means_something_else_is_refused() {
        let long = format!("oci://h.example/{}:1", "a".repeat(300));
        for (text, reason) in [
            ("registry.example.com/a:1", "does not begin with oci://"),
            ("oci://plugin:1", "has no repository"),
            ("oci://plugins/moving_avg:1", "names no host"),
            ("oci://h.example/a", "neither a tag nor a digest"),
            ("oci://h.example:5000/a", "neither a tag nor a digest"),
            ("oci://user:secret@h.example/a:1", "a user in it"),
            ("oci://h.example/../../v2/other:1", "is not written"),
            ("oci://h.example/a/../b:1", "is not written"),
            ("oci://h.example/a?x=y:1", "is not written"),
            ("oci://h.example/A:1", "is not written"),
            ("oci://h.example/a:1@sha256:00", "is not written"),
            ("oci://h.example/a:1\r\nx", "is not written"),
            (&long, "is not written"),
        ] {
            let error = text.parse::<Source>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (host, loopback) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.1.2.3", true),
            ("localhost.example.com", false),
            ("127.0.0.1.example.com", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(host), loopback, "{host}");
        }
    }
}
