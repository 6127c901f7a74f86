// SPDX-License-Identifier: Apache-2.0
//! Images out of the store: as an OCI layout or archive, as `docker load` wants them, as a tree.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use crate::bail;
use crate::error::{Context, Result};
use crate::image::{Descriptor, OCI_INDEX, REF_NAME};
use crate::reference::Reference;
use crate::store::{Image, Store, open_dir};
use crate::tar::Writer;
use crate::unpack::Decompress;
use crate::view;

const LAYOUT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

fn index(images: &[Image]) -> Result<Vec<u8>> {
    let entry = |image: &Image| {
        let mut descriptor = Descriptor::new(
            &image.descriptor.media_type,
            image.descriptor.digest.clone(),
            image.descriptor.size,
        );
        if let Some(name) = image.name() {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
        descriptor
    };
    let manifests: Vec<Descriptor> = images.iter().map(entry).collect();
    serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}))
        .context(|| "unable to write an index")
}

/// Every blob of the images, each once.
fn blobs(images: &[Image]) -> Vec<Descriptor> {
    let mut all: Vec<Descriptor> = Vec::new();
    for image in images {
        let own = [&image.descriptor, &image.manifest.config];
        for blob in own.into_iter().chain(&image.manifest.layers) {
            if !all.iter().any(|b| b.digest == blob.digest) {
                all.push(blob.clone());
            }
        }
    }
    all
}

/// `oci:DIR`: adds to a layout that is there.
pub fn layout(store: &Store, images: &[Image], dir: &Path) -> Result<()> {
    let what = || format!("unable to write the layout {}", dir.display());
    for blob in blobs(images) {
        let parent = dir.join("blobs").join(blob.digest.algorithm());
        fs::create_dir_all(&parent).context(what)?;
        let target = parent.join(blob.digest.hex());
        if fs::metadata(&target).is_ok_and(|m| m.len() == blob.size) {
            continue;
        }
        let temporary = parent.join(format!(".{}", blob.digest.hex()));
        let mut file = File::create(&temporary).context(what)?;
        std::io::copy(&mut store.open_blob(&blob.digest)?, &mut file).context(what)?;
        fs::rename(&temporary, &target).context(what)?;
    }
    fs::write(dir.join("oci-layout"), LAYOUT).context(what)?;
    let mut merged: Value = serde_json::from_slice(&index(images)?).context(what)?;
    if let Ok(old) = fs::read(dir.join("index.json")) {
        let old: Value =
            serde_json::from_slice(&old).context(|| "unable to parse the layout's index.json")?;
        let names: Vec<Option<&str>> = images.iter().map(Image::name).collect();
        let kept = old["manifests"].as_array().into_iter().flatten();
        let kept = kept.filter(|m| !names.contains(&m["annotations"][REF_NAME].as_str())).cloned();
        let kept: Vec<Value> = kept.collect();
        if let Some(manifests) = merged["manifests"].as_array_mut() {
            manifests.splice(0..0, kept);
        }
    }
    let temporary = dir.join(".index.json");
    fs::write(&temporary, merged.to_string()).context(what)?;
    fs::rename(&temporary, dir.join("index.json")).context(what)
}

/// `oci-archive:`
pub fn oci_archive(store: &Store, images: &[Image], out: impl Write) -> Result<()> {
    let mut tar = Writer::new(BufWriter::with_capacity(128 << 10, out));
    tar.file("oci-layout", LAYOUT.as_bytes())?;
    tar.file("index.json", &index(images)?)?;
    for blob in blobs(images) {
        let name = format!("blobs/{}/{}", blob.digest.algorithm(), blob.digest.hex());
        tar.stream(&name, blob.size, store.open_blob(&blob.digest)?)?;
    }
    tar.finish().map(drop)
}

/// `docker-archive:`, whose layers are not compressed.
pub fn docker_archive(store: &Store, images: &[Image], out: impl Write) -> Result<()> {
    let mut tar = Writer::new(BufWriter::with_capacity(128 << 10, out));
    let mut items: Vec<Value> = Vec::new();
    let mut written: Vec<String> = Vec::new();
    for image in images {
        let config = format!("{}.json", image.id().hex());
        if !written.contains(&config) {
            tar.file(&config, &store.document(&image.manifest.config)?)?;
            written.push(config.clone());
        }
        let mut names = Vec::new();
        for (blob, layer) in image.manifest.layers.iter().zip(store.layers_of(image)?) {
            let name = format!("{}.tar", layer.record.diff_id.hex());
            if !written.contains(&name) {
                tar.stream(&name, layer.record.bytes, Decompress::new(store.open_blob(&blob.digest)?)?)?;
                written.push(name.clone());
            }
            names.push(name);
        }
        let tag = image.name().and_then(|n| Reference::parse(n).ok());
        let tag = tag.map(|r| format!("{}:{}", r.familiar_name(), r.tag().unwrap_or("latest")));
        match items.iter_mut().find(|i| i["Config"] == json!(config)) {
            Some(item) => item["RepoTags"]
                .as_array_mut()
                .into_iter()
                .for_each(|t| t.extend(tag.clone().map(Value::from))),
            None => items.push(json!({"Config": config, "RepoTags": Vec::from_iter(tag), "Layers": names})),
        }
    }
    tar.file("manifest.json", Value::from(items).to_string().as_bytes())?;
    tar.finish().map(drop)
}

/// `tar:`, one flat root filesystem.
pub fn rootfs_tar(store: &Store, image: &Image, out: impl Write) -> Result<()> {
    let mut tar = Writer::new(BufWriter::with_capacity(128 << 10, out));
    view::export(&store.view(&store.layers_of(image)?)?, &mut tar)?;
    tar.finish().map(drop)
}

/// `dir:`, the same as a directory.
pub fn rootfs_dir(store: &Store, image: &Image, dir: &Path) -> Result<()> {
    let what = || format!("unable to create {}", dir.display());
    fs::create_dir_all(dir).context(what)?;
    if fs::read_dir(dir).context(what)?.next().is_some() {
        bail!("{}: the directory is not empty", what());
    }
    view::copy(&store.view(&store.layers_of(image)?)?, &open_dir(dir)?)
}
