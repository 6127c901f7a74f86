// SPDX-License-Identifier: Apache-2.0
//! `lade inspect`

use clap::Args;
use serde_json::{Value, json};

use super::ls::parts;
use super::output;
use crate::error::{Context, Result};
use crate::reference::Reference;
use crate::store::{Image, Store};

#[derive(Args)]
pub(super) struct Inspect {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
}

impl Inspect {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let all = self.images.iter().map(|text| inspect(store, text)).collect::<Result<Vec<_>>>()?;
        output::json(&all)
    }
}

fn inspect(store: &Store, text: &str) -> Result<Value> {
    let image: Image = store.find(text)?;
    let same = |other: &Image| other.descriptor.digest == image.descriptor.digest;
    let names: Vec<Image> = store.images()?.into_iter().filter(same).collect();
    let tags: Vec<&str> = names.iter().filter_map(Image::name).collect();
    let repository = |name: &str| Reference::parse(name).ok().map(|r| r.repository());
    let mut digests: Vec<String> = names
        .iter()
        .filter_map(|i| Some(format!("{}@{}", repository(i.name()?)?, i.repo_digest())))
        .collect();
    digests.dedup();
    // The config as it is: an image may say more than this program knows of.
    let raw: Value = serde_json::from_slice(&store.document(&image.manifest.config)?)
        .context(|| "unable to parse the image config")?;
    let layers: Vec<Value> = image
        .manifest
        .layers
        .iter()
        .zip(&image.config.rootfs.diff_ids)
        .map(|(layer, diff_id)| {
            json!({"MediaType": layer.media_type, "Digest": layer.digest, "Size": layer.size, "DiffID": diff_id})
        })
        .collect();
    Ok(json!({
        "Id": image.id(), "Name": parts(&image).0, "RepoTags": tags, "RepoDigests": digests,
        "Manifest": image.descriptor.digest, "MediaType": image.descriptor.media_type,
        "Created": image.config.created, "Author": image.config.author,
        "Os": image.config.platform.os, "Architecture": image.config.platform.architecture,
        "Variant": image.config.platform.variant, "Size": image.stored_size(),
        "Config": raw["config"], "RootFS": {"Type": "layers", "Layers": image.config.rootfs.diff_ids},
        "Layers": layers, "History": raw["history"],
    }))
}
