// SPDX-License-Identifier: Apache-2.0
//! What `docker save` writes: `manifest.json`, a config and a tar for each layer. There is no OCI manifest in it, so
//! one is made: its layers are the tars as they are, under the digests they turn out to have.

use std::collections::BTreeMap;
use std::io::Read;

use serde::Deserialize;

use super::archive::Archive;
use super::{Offer, Root, Source};
use crate::corrupt;
use crate::digest::{Digest, Hashed, Hasher};
use crate::error::{Context, Error, Result};
use crate::image::{DOCUMENT_MAX, Descriptor, Manifest, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_MANIFEST};
use crate::reference::Reference;
use crate::store::read_bounded;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

pub struct DockerArchive {
    archive: Archive,
    items: Vec<Item>,
    /// Which member a digest was found to be.
    blobs: BTreeMap<Digest, String>,
}

impl DockerArchive {
    pub fn open(archive: Archive) -> Result<Self> {
        let bytes = read_bounded(archive.open_at("manifest.json", 0)?, DOCUMENT_MAX, "manifest.json")?;
        let items = serde_json::from_slice(&bytes).context(|| "unable to parse manifest.json")?;
        Ok(DockerArchive { archive, items, blobs: BTreeMap::new() })
    }

    /// Every image under each of its names, as far as `wanted` says so.
    pub fn offers(&mut self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Offer>> {
        let mut offers = Vec::new();
        for item in std::mem::take(&mut self.items) {
            let tags = item.repo_tags.clone().unwrap_or_default();
            let names: Vec<Option<String>> = match tags.is_empty() {
                true => vec![None],
                // docker save writes `busybox:latest` for Docker Hub's.
                false => {
                    let wanted = tags.into_iter().filter(|t| wanted(t));
                    wanted
                        .map(|t| Reference::parse(&t).map(|r| Some(r.to_string())))
                        .collect::<Result<_>>()?
                }
            };
            if names.is_empty() {
                continue;
            }
            let bytes = self.manifest(&item)?;
            offers.extend(
                names.into_iter().map(|name| Offer { name, root: Root::new(OCI_MANIFEST, bytes.clone()) }),
            );
        }
        if offers.is_empty() {
            return Err(Error::not_found("the archive has no such image"));
        }
        Ok(offers)
    }

    fn manifest(&mut self, item: &Item) -> Result<Vec<u8>> {
        let config = self.describe(&item.config, |_| OCI_CONFIG)?;
        if config.size > DOCUMENT_MAX {
            corrupt!("the image config is larger than {DOCUMENT_MAX} bytes");
        }
        let layer_type =
            |head: &[u8]| if head.starts_with(&[0x1f, 0x8b]) { OCI_LAYER_GZIP } else { OCI_LAYER };
        let layers =
            item.layers.iter().map(|name| self.describe(name, layer_type)).collect::<Result<Vec<_>>>()?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            artifact_type: None,
            config,
            layers,
        };
        serde_json::to_vec(&manifest).context(|| "unable to make a manifest")
    }

    fn describe(&mut self, name: &str, media_type: impl Fn(&[u8]) -> &'static str) -> Result<Descriptor> {
        let mut reader = Hashed::new(self.archive.open_at(name, 0)?, Hasher::sha256());
        let mut buf = vec![0; 128 << 10];
        let mut kind = None;
        loop {
            let n = reader.read(&mut buf).context(|| format!("unable to read {name}"))?;
            kind.get_or_insert_with(|| media_type(&buf[..n]));
            if n == 0 {
                break;
            }
        }
        let (_, digest, size) = reader.finish();
        if size != self.archive.size(name)? {
            corrupt!("the archive is cut short in {name}");
        }
        self.blobs.insert(digest.clone(), name.to_owned());
        Ok(Descriptor::new(kind.unwrap_or(OCI_LAYER), digest, size))
    }

    fn name_of(&self, digest: &Digest) -> Result<&str> {
        let name = self.blobs.get(digest).map(String::as_str);
        name.ok_or_else(|| Error::not_found(format!("the archive has no blob {digest}")))
    }
}

impl Source for DockerArchive {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let member = self.archive.open_at(self.name_of(&descriptor.digest)?, 0)?;
        read_bounded(member, DOCUMENT_MAX, "the image config")
    }

    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Box<dyn Read + Send + '_>, u64)> {
        Ok((Box::new(self.archive.open_at(self.name_of(&descriptor.digest)?, from)?), from))
    }
}
