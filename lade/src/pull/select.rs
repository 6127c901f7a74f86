// SPDX-License-Identifier: Apache-2.0
//! From what a name stands for to one image: down through indexes, by platform, each document checked against the
//! descriptor that led to it.

use super::check_layer_types;
use crate::error::{Error, Result};
use crate::image::{
    CHOSEN_FROM, Descriptor, Document, ImageConfig, Index, Manifest, Platform, parse_document,
};
use crate::source::{Root, Source};
use crate::store::Store;
use crate::{bail, corrupt};

const DEPTH_MAX: usize = 3;

pub(super) struct Chosen {
    pub descriptor: Descriptor,
    pub manifest: Manifest,
    pub config: ImageConfig,
    /// Raw documents with the descriptors they were checked against.
    documents: Vec<(Descriptor, Vec<u8>)>,
}

pub(super) fn choose(store: &Store, source: &dyn Source, root: Root, platform: &Platform) -> Result<Chosen> {
    let outermost = root.descriptor.digest.clone();
    let (mut descriptor, mut bytes) = (root.descriptor, root.bytes);
    let mut documents = Vec::new();
    for _ in 0..=DEPTH_MAX {
        check(&descriptor, &bytes)?;
        let document = parse_document(&bytes, &descriptor.media_type)?;
        documents.push((descriptor.clone(), bytes));
        match document {
            Document::Index(index) => {
                descriptor = pick(&index, platform)?;
                bytes = document_of(store, source, &descriptor)?;
            }
            Document::Manifest(manifest) => {
                manifest.require_image()?;
                check_layer_types(&manifest)?;
                descriptor.media_type = manifest.media_type.clone();
                let config_bytes = document_of(store, source, &manifest.config)?;
                check(&manifest.config, &config_bytes)?;
                let config = ImageConfig::parse(&config_bytes, manifest.layers.len())?;
                documents.push((manifest.config.clone(), config_bytes));
                descriptor.annotations.clear();
                if outermost != descriptor.digest {
                    descriptor.annotations.insert(CHOSEN_FROM.to_owned(), outermost.to_string());
                }
                return Ok(Chosen { descriptor, manifest: *manifest, config, documents });
            }
        }
    }
    corrupt!("the index refers to indexes more than {DEPTH_MAX} deep")
}

fn pick(index: &Index, platform: &Platform) -> Result<Descriptor> {
    let Some(found) = platform.choose(&index.manifests) else {
        let offered: Vec<String> =
            index.manifests.iter().filter_map(|m| m.platform.as_ref()).map(ToString::to_string).collect();
        let text = format!("the image is not made for {platform}");
        return Err(Error::not_found(text)
            .hint(format!("it is there for {}: choose with --platform", offered.join(", "))));
    };
    if !found.is_index() && !found.is_manifest() {
        bail!("the index refers to something of the type {:?}", found.media_type);
    }
    Ok(found.clone())
}

fn document_of(store: &Store, source: &dyn Source, descriptor: &Descriptor) -> Result<Vec<u8>> {
    if store.has_blob(descriptor)
        && let Ok(bytes) = store.document(descriptor)
    {
        return Ok(bytes);
    }
    source.document(descriptor)
}

fn check(descriptor: &Descriptor, bytes: &[u8]) -> Result<()> {
    if bytes.len() as u64 != descriptor.size {
        corrupt!(
            "{} is {} bytes long, its descriptor says {}",
            descriptor.digest,
            bytes.len(),
            descriptor.size
        );
    }
    descriptor.digest.check(bytes, "the document")
}

impl Chosen {
    pub(super) fn store_documents(&self, store: &Store) -> Result<()> {
        self.documents
            .iter()
            .try_for_each(|(descriptor, bytes)| store.put_document(&descriptor.digest, bytes))
    }
}
