// SPDX-License-Identifier: Apache-2.0
//! Manifests and indexes. One document is one of the two, and says which: CVE-2021-41190 was a document that was both.

use serde::{Deserialize, Serialize};

use super::{
    DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, DOCUMENT_MAX, Descriptor, OCI_CONFIG, OCI_INDEX,
    OCI_MANIFEST, null_default,
};
use crate::error::{Context, Error, Result};
use crate::{bail, corrupt};

/// More layers than overlayfs can stack (500) is no image anyone can run.
const LAYERS_MAX: usize = 500;
const MANIFESTS_MAX: usize = 4096;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    pub schema_version: u32,
    #[serde(default)]
    pub media_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    pub schema_version: u32,
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub media_type: String,
    pub manifests: Vec<Descriptor>,
}

pub enum Document {
    Manifest(Box<Manifest>),
    Index(Index),
}

impl Manifest {
    /// Whether this is an image that can be unpacked, and not some other artifact.
    pub fn require_image(&self) -> Result<()> {
        if !matches!(self.config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
            let kind = self.artifact_type.as_deref().unwrap_or(&self.config.media_type);
            return Err(Error::new(format!(
                "this is not a container image but an artifact of type {kind:?}"
            )));
        }
        Ok(())
    }
}

/// What decides the kind of a document, before any of it is believed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    schema_version: Option<u32>,
    #[serde(default)]
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    fs_layers: Option<serde::de::IgnoredAny>,
}

/// The media type a document gives itself, or the one its shape implies.
fn media_type_of(bytes: &[u8]) -> Result<String> {
    let shape: Shape = serde_json::from_slice(bytes).context(|| "unable to parse the manifest")?;
    if shape.fs_layers.is_some() || shape.schema_version == Some(1) {
        bail!(
            "Docker schema 1 manifests are not supported: the image must be pushed anew by a tool of this decade"
        );
    }
    if shape.schema_version != Some(2) {
        corrupt!("the manifest's schemaVersion is not 2");
    }
    let is_index = shape.manifests.is_some();
    let is_manifest = shape.layers.is_some() || shape.config.is_some();
    if is_index == is_manifest {
        corrupt!("a manifest has layers and an index has manifests; this document has both or neither");
    }
    let implied = if is_index { OCI_INDEX } else { OCI_MANIFEST };
    let said = shape.media_type.filter(|m| !m.is_empty()).unwrap_or_else(|| implied.to_owned());
    match (said.as_str(), is_index) {
        (OCI_INDEX | DOCKER_LIST, true) | (OCI_MANIFEST | DOCKER_MANIFEST, false) => Ok(said),
        _ => corrupt!("the document calls itself {said:?} and is not of that shape"),
    }
}

/// Parses a document that a descriptor or a Content-Type called `expected` (empty: unknown).
pub fn parse_document(bytes: &[u8], expected: &str) -> Result<Document> {
    if bytes.len() as u64 > DOCUMENT_MAX {
        corrupt!("the manifest is larger than {DOCUMENT_MAX} bytes");
    }
    let media_type = media_type_of(bytes)?;
    if !expected.is_empty() && expected != media_type {
        corrupt!("the manifest was announced as {expected:?} and calls itself {media_type:?}");
    }
    if matches!(media_type.as_str(), OCI_INDEX | DOCKER_LIST) {
        let mut index: Index = serde_json::from_slice(bytes).context(|| "unable to parse the index")?;
        if index.manifests.len() > MANIFESTS_MAX {
            corrupt!("the index lists more than {MANIFESTS_MAX} manifests");
        }
        index.media_type = media_type;
        return Ok(Document::Index(index));
    }
    let mut manifest: Manifest = serde_json::from_slice(bytes).context(|| "unable to parse the manifest")?;
    if manifest.layers.len() > LAYERS_MAX {
        corrupt!("the manifest has more than {LAYERS_MAX} layers");
    }
    if manifest.config.size > DOCUMENT_MAX {
        corrupt!("the image config is larger than {DOCUMENT_MAX} bytes");
    }
    manifest.media_type = media_type;
    Ok(Document::Manifest(Box::new(manifest)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn descriptor(media_type: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":1}}"#, "0".repeat(64))
    }

    #[test]
    fn one_document_is_of_one_kind() {
        let c = descriptor(OCI_CONFIG);
        let manifest = format!(r#"{{"schemaVersion":2,"config":{c},"layers":[]}}"#);
        assert!(matches!(parse_document(manifest.as_bytes(), OCI_MANIFEST), Ok(Document::Manifest(_))));
        assert!(parse_document(manifest.as_bytes(), OCI_INDEX).is_err());
        assert!(parse_document(manifest.as_bytes(), DOCKER_MANIFEST).is_err());
        for bad in [
            format!(r#"{{"schemaVersion":2,"config":{c},"layers":[],"manifests":[]}}"#),
            format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{c},"layers":[]}}"#),
            format!(r#"{{"schemaVersion":1,"config":{c},"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{c},"layers":[],"layers":[]}}"#),
            format!(r#"{{"schemaVersion":2,"config":{c}}}"#),
            r#"{"schemaVersion":2}"#.to_owned(),
            r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(),
            manifest.clone() + "{}",
        ] {
            assert!(parse_document(bad.as_bytes(), "").is_err(), "{bad} passed");
        }
    }
}
