//! Manifests of plugins, as the layout of the CNCF for WebAssembly in registries has them.

use std::collections::HashMap;

use oci_spec::image::{
    Descriptor, DescriptorBuilder, Digest as SpecDigest, ImageManifest, ImageManifestBuilder, MediaType,
};
use serde_json::json;

use crate::digest::Digest;
use crate::error::Error;
use crate::text::shown;

/// Media type of a manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of the config of a WebAssembly artifact.
pub const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";
/// Media type of a WebAssembly module.
pub const WASM: &str = "application/wasm";
/// Annotation with the name of a file.
const TITLE: &str = "org.opencontainers.image.title";

/// The largest manifest that is read, in bytes. Those of plugins have less than a thousand.
pub const MOST_MANIFEST: u64 = 256 * 1024;

/// Media types of lists of manifests, in which a registry has several artifacts.
const INDEXES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];

/// A part of an artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// Reads the manifest of a plugin; returns the plugin's module. `what` is the artifact, for messages.
///
/// # Errors
///
/// When the manifest is not that of a WebAssembly module, or the module is larger than `most` bytes.
pub fn module_of(manifest: &[u8], what: &str, most: u64) -> Result<Blob, Error> {
    let wrong = |problem: String| Error::NotAPlugin { what: what.to_owned(), problem };
    let manifest = read(manifest).map_err(wrong)?;
    let config = manifest.config().media_type().to_string();
    if config != WASM_CONFIG {
        return Err(wrong(format!(
            "its config is `{}` and not `{WASM_CONFIG}`; container images are no plugins",
            shown(&config)
        )));
    }
    let [layer] = &manifest.layers()[..] else {
        return Err(wrong(format!("it has {} layers and not one", manifest.layers().len())));
    };
    let kind = layer.media_type().to_string();
    if kind != WASM {
        return Err(wrong(format!("its layer is `{}` and not `{WASM}`", shown(&kind))));
    }
    if layer.size() > most {
        return Err(Error::TooLarge { what: what.to_owned(), most });
    }
    if layer.size() == 0 {
        return Err(wrong("its layer is empty".to_owned()));
    }
    Ok(Blob { digest: layer.digest().to_string().parse()?, size: layer.size() })
}

/// Reads any manifest; an error is the end of a sentence.
pub(crate) fn read(manifest: &[u8]) -> Result<ImageManifest, String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Kind {
        #[serde(default)]
        media_type: Option<String>,
    }
    let kind: Kind = serde_json::from_slice(manifest)
        .map_err(|_| "its manifest is not JSON as it should be".to_owned())?;
    match kind.media_type {
        Some(kind) if INDEXES.contains(&kind.as_str()) => {
            Err("it is a list of artifacts: name one of them by its digest".to_owned())
        }
        Some(kind) if kind != MANIFEST => {
            Err(format!("its manifest is `{}` and not `{MANIFEST}`", shown(&kind)))
        }
        _ => serde_json::from_slice(manifest)
            .map_err(|_| "its manifest lacks something, or has it in the wrong place".to_owned()),
    }
}

/// An artifact of one plugin. The same module and name always make the same bytes.
pub struct Artifact {
    /// The config.
    pub config: Vec<u8>,
    /// The manifest.
    pub manifest: Vec<u8>,
}

impl Artifact {
    /// The artifact of `module`, whose file is called `title`.
    ///
    /// # Errors
    ///
    /// Never for a digest and a name: the result is that of the library that builds the manifest.
    pub fn of(module: &[u8], title: &str) -> Result<Self, Error> {
        let digest = Digest::of(module);
        // A time would give the same plugin another digest each time. Readers expect one, so it is always the same.
        let config = json!({
            "created": "1970-01-01T00:00:00Z",
            "architecture": "wasm",
            "os": "wasip1",
            "layerDigests": [digest.to_string()],
        });
        let config = config.to_string().into_bytes();
        let layer = Part { media_type: WASM, bytes: module, annotations: &[(TITLE, title)] };
        let config_part = Part { media_type: WASM_CONFIG, bytes: &config, annotations: &[] };
        let manifest = build(&config_part, vec![layer.descriptor()?])?;
        Ok(Self { config, manifest })
    }
}

/// A part of a manifest that is built.
pub(crate) struct Part<'a> {
    pub media_type: &'a str,
    pub bytes: &'a [u8],
    pub annotations: &'a [(&'a str, &'a str)],
}

impl Part<'_> {
    /// How a manifest names it.
    pub(crate) fn descriptor(&self) -> Result<Descriptor, Error> {
        let digest = Digest::of(self.bytes).to_string().parse::<SpecDigest>().map_err(unbuilt)?;
        let mut builder = DescriptorBuilder::default()
            .media_type(MediaType::from(self.media_type))
            .digest(digest)
            .size(self.bytes.len() as u64);
        if !self.annotations.is_empty() {
            let pairs = self.annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
            builder = builder.annotations(pairs.collect::<HashMap<_, _>>());
        }
        builder.build().map_err(unbuilt)
    }
}

/// Builds a manifest.
pub(crate) fn build(config: &Part<'_>, layers: Vec<Descriptor>) -> Result<Vec<u8>, Error> {
    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(config.descriptor()?)
        .layers(layers)
        .build()
        .map_err(unbuilt)?;
    serde_json::to_vec(&manifest).map_err(unbuilt)
}

fn unbuilt(error: impl std::fmt::Display) -> Error {
    Error::NotAPlugin { what: "this file".to_owned(), problem: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(manifest: &str) -> String {
        module_of(manifest.as_bytes(), "x", 1000).unwrap_err().to_string()
    }

    #[test]
    fn what_is_built_is_read() {
        let artifact = Artifact::of(b"\0asm", "a.wasm").unwrap();
        let module = module_of(&artifact.manifest, "x", 4).unwrap();
        assert_eq!(module, Blob { digest: Digest::of(b"\0asm"), size: 4 });
        assert_eq!(Artifact::of(b"\0asm", "a.wasm").unwrap().manifest, artifact.manifest);
        assert!(module_of(&artifact.manifest, "x", 3).unwrap_err().to_string().contains("larger than"));
    }

    #[test]
    fn other_artifacts_are_refused() {
        let good = String::from_utf8(Artifact::of(b"\0asm", "a.wasm").unwrap().manifest).unwrap();
        for (from, to, expected) in [
            (WASM_CONFIG, "application/vnd.oci.image.config.v1+json", "container images are no plugins"),
            ("\"application/wasm\"", "\"application/octet-stream\"", "its layer is"),
            ("\"layers\":[", "\"layers\":[],\"x\":[", "0 layers"),
            (MANIFEST, "application/vnd.oci.image.index.v1+json", "a list of artifacts"),
            (MANIFEST, "text/html", "`text/html`"),
            ("sha256:", "sha256:../", "lacks something"),
            ("sha256:", "md5:", "is no digest"),
            ("\"size\":4", "\"size\":-4", "lacks something"),
            ("\"size\":4", "\"size\":0", "empty"),
            ("\"size\":4", "\"size\":18446744073709551615", "larger than"),
        ] {
            let changed = good.replace(from, to);
            assert_ne!(changed, good, "{from}");
            assert!(problem(&changed).contains(expected), "{from} -> {to}: {}", problem(&changed));
        }
        for text in ["", "<html>", "{}", "[]", "{\"schemaVersion\":1}"] {
            assert!(problem(text).contains("manifest"), "{text}: {}", problem(text));
        }
    }
}
