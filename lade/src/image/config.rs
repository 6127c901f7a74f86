// SPDX-License-Identifier: Apache-2.0
//! The image config: what to run, and the digests of the unpacked layers.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Platform, null_default};
use crate::corrupt;
use crate::digest::Digest;
use crate::error::{Context, Result};

#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    pub author: Option<String>,
    #[serde(flatten)]
    pub platform: Platform,
    #[serde(default, deserialize_with = "null_default")]
    pub config: ContainerConfig,
    pub rootfs: RootFs,
    #[serde(default, deserialize_with = "null_default")]
    pub history: Vec<History>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerConfig {
    #[serde(default, deserialize_with = "null_default")]
    pub user: String,
    #[serde(default, deserialize_with = "null_default")]
    pub env: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub cmd: Vec<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub working_dir: String,
    #[serde(default, deserialize_with = "null_default")]
    pub stop_signal: String,
    #[serde(default, deserialize_with = "null_default")]
    pub labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_default")]
    pub volumes: BTreeMap<String, IgnoredAny>,
    #[serde(default, deserialize_with = "null_default")]
    pub exposed_ports: BTreeMap<String, IgnoredAny>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RootFs {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, deserialize_with = "null_default")]
    pub diff_ids: Vec<Digest>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct History {
    #[serde(default)]
    pub created: Option<String>,
    #[serde(default)]
    pub created_by: Option<String>,
    #[serde(default)]
    pub comment: Option<String>,
    #[serde(default, deserialize_with = "null_default")]
    pub empty_layer: bool,
}

impl ImageConfig {
    /// `layers` is the number of layers in the manifest: each has its diffID here, or nothing could be verified.
    pub fn parse(bytes: &[u8], layers: usize) -> Result<Self> {
        let config: ImageConfig =
            serde_json::from_slice(bytes).context(|| "unable to parse the image config")?;
        if config.rootfs.kind != "layers" {
            corrupt!("the image config's rootfs is of type {:?}, not \"layers\"", config.rootfs.kind);
        }
        if config.rootfs.diff_ids.len() != layers {
            corrupt!(
                "the manifest has {layers} layers and the image config {} diff_ids",
                config.rootfs.diff_ids.len()
            );
        }
        Ok(config)
    }

    /// The digest of each stack of layers, bottom up (image-spec: Layer ChainID).
    pub fn chain_ids(&self) -> Vec<Digest> {
        let mut chain: Vec<Digest> = Vec::new();
        for diff_id in &self.rootfs.diff_ids {
            let id = match chain.last() {
                None => diff_id.clone(),
                Some(below) => Digest::of(format!("{below} {diff_id}").as_bytes()),
            };
            chain.push(id);
        }
        chain
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn nulls_of_docker_are_nothing() {
        let diff_id = format!("sha256:{}", "1".repeat(64));
        let text = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":null,"Env":null,"Volumes":null,"Labels":null,
            "Entrypoint":["/x"],"ArgsEscaped":true}},"rootfs":{{"type":"layers","diff_ids":["{diff_id}","{diff_id}"]}}}}"#
        );
        let config = ImageConfig::parse(text.as_bytes(), 2).unwrap();
        assert!(config.config.cmd.is_empty() && config.config.entrypoint == ["/x"]);
        let chain = config.chain_ids();
        assert_eq!(chain[0].as_str(), diff_id);
        assert_eq!(chain[1], Digest::of(format!("{diff_id} {diff_id}").as_bytes()));
        assert!(ImageConfig::parse(text.as_bytes(), 1).is_err());
    }
}
