// SPDX-License-Identifier: Apache-2.0
//! The index: which image has which name. One file, replaced whole under a lock.

use std::fs::File;

use super::{Layer, Store, blobs::read_bounded};
use crate::bail;
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::image::{
    CHOSEN_FROM, Descriptor, Document, ImageConfig, Index, Manifest, REF_NAME, parse_document,
};
use crate::reference::Reference;
use crate::source::Root;

const INDEX_MAX: u64 = 64 << 20;

/// What a user calls an image by.
pub enum Name {
    Reference(Reference),
    /// The beginning of an image id (the digest of its config).
    Id(String),
}

impl Name {
    pub fn parse(text: &str) -> Result<Self> {
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        let is_hex = hex.len() <= 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && (text.starts_with("sha256:") || hex.len() == 64) {
            return Ok(Name::Id(hex.to_owned()));
        }
        Reference::parse(text).map(Name::Reference)
    }
}

/// An image of the store, with its documents read and checked.
pub struct Image {
    pub descriptor: Descriptor,
    pub manifest: Manifest,
    pub config: ImageConfig,
}

impl Image {
    /// Docker's image id.
    pub fn id(&self) -> &Digest {
        &self.manifest.config.digest
    }

    pub fn name(&self) -> Option<&str> {
        self.descriptor.ref_name()
    }

    /// The digest a registry knows the image by: of the index it was chosen from, if there was one.
    pub fn repo_digest(&self) -> &str {
        let chosen = self.descriptor.annotations.get(CHOSEN_FROM);
        chosen.map_or(self.descriptor.digest.as_str(), String::as_str)
    }

    pub fn stored_size(&self) -> u64 {
        self.manifest.layers.iter().map(|l| l.size).sum()
    }
}

impl Store {
    pub fn index(&self) -> Result<Index> {
        let file = File::open(self.path("index.json")).context(|| "unable to open the store's index")?;
        let bytes = read_bounded(file, INDEX_MAX, "the store's index")?;
        serde_json::from_slice(&bytes).context(|| "unable to parse the store's index")
    }

    /// Reads, changes and replaces the index, with nobody else in between.
    pub fn change_index<T>(&self, change: impl FnOnce(&mut Index) -> Result<T>) -> Result<T> {
        let _lock = self.lock("index")?;
        let mut index = self.index()?;
        let result = change(&mut index)?;
        let bytes = serde_json::to_vec(&index).context(|| "unable to write the store's index")?;
        self.write_atomic("index.json", &bytes)?;
        Ok(result)
    }

    /// Names an image. An older image of that name stays, without a name, until it is pruned.
    pub fn name_image(&self, mut descriptor: Descriptor, name: Option<&str>) -> Result<()> {
        descriptor.annotations.remove(REF_NAME);
        if let Some(name) = name {
            descriptor.annotations.insert(REF_NAME.to_owned(), name.to_owned());
        }
        self.change_index(|index| {
            for old in &mut index.manifests {
                if name.is_some() && old.ref_name() == name {
                    old.annotations.remove(REF_NAME);
                }
            }
            // A nameless entry of the same image has nothing left to say.
            index.manifests.retain(|old| old.digest != descriptor.digest || old.ref_name().is_some());
            let known = index.manifests.iter().any(|old| old.digest == descriptor.digest);
            if name.is_some() || !known {
                index.manifests.push(descriptor);
            }
            Ok(())
        })
    }

    pub fn load(&self, descriptor: &Descriptor) -> Result<Image> {
        let what = || {
            format!(
                "unable to read the image {}",
                descriptor.ref_name().unwrap_or(descriptor.digest.as_str())
            )
        };
        let bytes = self.document(descriptor).context(what)?;
        let Document::Manifest(manifest) = parse_document(&bytes, &descriptor.media_type).context(what)?
        else {
            bail!("{}: it is an index", what());
        };
        let config = self.document(&manifest.config).context(what)?;
        let config = ImageConfig::parse(&config, manifest.layers.len()).context(what)?;
        Ok(Image { descriptor: descriptor.clone(), manifest: *manifest, config })
    }

    /// The image as a source would offer it, with the index it came from forgotten.
    pub fn root_of(&self, image: &Image) -> Result<Root> {
        let bytes = self.document(&image.descriptor)?;
        let mut descriptor = image.descriptor.clone();
        descriptor.annotations.clear();
        Ok(Root { descriptor, bytes })
    }

    /// Every image, in the order in which they came.
    pub fn images(&self) -> Result<Vec<Image>> {
        self.index()?.manifests.iter().map(|d| self.load(d)).collect()
    }

    pub fn find(&self, text: &str) -> Result<Image> {
        let name = Name::parse(text)?;
        if let Name::Reference(reference) = &name {
            let index = self.index()?;
            // A short name may be of this machine's own images too.
            let own = Reference::parse(&format!("localhost/{text}")).ok();
            for wanted in [Some(reference), own.as_ref()].into_iter().flatten() {
                if let Some(found) = index.manifests.iter().find(|d| matches(d, wanted)) {
                    return self.load(found);
                }
            }
        }
        // A short name of hexadecimal digits may also be the beginning of an id, as for Docker.
        let prefix = match &name {
            Name::Id(hex) => hex.clone(),
            Name::Reference(_) => text.to_owned(),
        };
        let missing = || {
            Error::not_found(format!("no image {text} in the store"))
                .hint(format!("lade pull {text} fetches it, lade ls shows what is there"))
        };
        if prefix.len() < 2 || !prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(missing());
        }
        let mut found = self.images()?.into_iter().filter(|i| i.id().hex().starts_with(&prefix));
        let first = found.next().ok_or_else(missing)?;
        if found.any(|other| other.id() != first.id()) {
            bail!("the id {text} is ambiguous");
        }
        Ok(first)
    }

    /// The image's unpacked layers, bottom up.
    pub fn layers_of(&self, image: &Image) -> Result<Vec<Layer>> {
        let chain = image.config.chain_ids();
        let ids = image.config.rootfs.diff_ids.iter().zip(&chain);
        ids.map(|(diff, chain)| {
            self.layer(diff, chain).ok_or_else(|| {
                Error::corrupt(format!("the layer {diff} is missing from the store"))
                    .hint("lade verify --repair brings it back")
            })
        })
        .collect()
    }
}

fn matches(descriptor: &Descriptor, reference: &Reference) -> bool {
    let Some(name) = descriptor.ref_name() else { return false };
    match reference.digest() {
        None => name == reference.to_string(),
        Some(digest) => {
            let known = Reference::parse(name).ok();
            known.is_some_and(|k| k.repository() == reference.repository())
                && (&descriptor.digest == digest
                    || descriptor.annotations.get(CHOSEN_FROM).is_some_and(|c| c == digest.as_str()))
        }
    }
}
