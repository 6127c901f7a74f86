// SPDX-License-Identifier: Apache-2.0
//! An OCI layout, in a directory or in a tar file (`oci-archive`): `index.json` and `blobs/`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use super::archive::Archive;
use super::{Offer, Root, Source};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::image::{DOCUMENT_MAX, Descriptor, Index, REF_NAME};
use crate::reference::Reference;
use crate::store::{open_dir, read_bounded};
use crate::{bail, corrupt};

const INDEX_MAX: u64 = 16 << 20;

pub enum Files {
    Dir(OwnedFd),
    Archive(Archive),
}

pub struct Layout {
    files: Files,
}

impl Layout {
    pub fn open_dir(path: &Path) -> Result<Self> {
        let layout = Layout { files: Files::Dir(open_dir(path)?) };
        layout.check(path)
    }

    pub fn in_archive(archive: Archive, path: &Path) -> Result<Self> {
        Layout { files: Files::Archive(archive) }.check(path)
    }

    fn check(self, path: &Path) -> Result<Self> {
        self.open("oci-layout").context(|| format!("{} is not an OCI layout", path.display()))?;
        Ok(self)
    }

    fn open(&self, name: &str) -> Result<Box<dyn Read + Send + '_>> {
        self.open_at(name, 0)
    }

    fn open_at(&self, name: &str, from: u64) -> Result<Box<dyn Read + Send + '_>> {
        match &self.files {
            Files::Archive(archive) => Ok(Box::new(archive.open_at(name, from)?)),
            Files::Dir(dir) => {
                let what = || format!("unable to open {name}");
                // A layout from a stranger may hold symlinks and pipes.
                let how = OpenHow::new()
                    .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY)
                    .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
                let fd = openat2(dir, name, how).context(what)?;
                let stat = fstat(&fd).context(what)?;
                if stat.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
                    bail!("{}: not a regular file", what());
                }
                let mut file = File::from(fd);
                file.seek(SeekFrom::Start(from)).context(what)?;
                Ok(Box::new(file))
            }
        }
    }

    fn blob_name(digest: &Digest) -> String {
        format!("blobs/{}/{}", digest.algorithm(), digest.hex())
    }

    fn index(&self) -> Result<Index> {
        let bytes = read_bounded(self.open("index.json")?, INDEX_MAX, "index.json")?;
        let index: Index = serde_json::from_slice(&bytes).context(|| "unable to parse index.json")?;
        if index.schema_version != 2 {
            corrupt!("index.json: the schemaVersion is not 2");
        }
        Ok(index)
    }

    /// Every image of the layout.
    pub fn offers(&self) -> Result<Vec<Offer>> {
        self.index()?.manifests.into_iter().map(|d| self.offer(d)).collect()
    }

    /// The image `tag` (or `@digest`) names; without one, the only image there is.
    pub fn offer_named(&self, tag: Option<&str>) -> Result<Offer> {
        let manifests = self.index()?.manifests;
        let names: Vec<String> = manifests.iter().filter_map(|d| d.ref_name().map(str::to_owned)).collect();
        // By the name as it is written, else by what it means: app:1 is docker.io/library/app:1.
        let written = tag.is_some_and(|tag| names.iter().any(|name| name == tag));
        let means = |name: &str, tag| {
            !written && Reference::parse(name).is_ok_and(|n| Reference::parse(tag).is_ok_and(|t| t == n))
        };
        let is = |d: &Descriptor| match tag {
            None => true,
            Some(tag) => match tag.strip_prefix('@') {
                Some(digest) => d.digest.as_str() == digest,
                None => d.ref_name().is_some_and(|name| name == tag || means(name, tag)),
            },
        };
        let mut found = manifests.into_iter().filter(is);
        match (found.next(), found.next()) {
            (Some(one), None) => self.offer(one),
            (None, _) => {
                Err(Error::not_found(format!("the layout has no image {}", tag.unwrap_or("at all")))
                    .hint(format!("it has {}", names.join(", "))))
            }
            (Some(_), Some(_)) => Err(Error::new("the layout has more than one image")
                .hint(format!("choose: {}", names.join(", ")))),
        }
    }

    fn offer(&self, mut descriptor: Descriptor) -> Result<Offer> {
        let bytes = self.document(&descriptor)?;
        let containerd = descriptor.annotations.get("io.containerd.image.name").cloned();
        let name = containerd.or_else(|| descriptor.annotations.get(REF_NAME).cloned());
        descriptor.annotations.clear();
        Ok(Offer { name, root: Root { descriptor, bytes } })
    }
}

impl Source for Layout {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let max = descriptor.size.min(DOCUMENT_MAX);
        read_bounded(self.open(&Layout::blob_name(&descriptor.digest))?, max, descriptor.digest.as_str())
    }

    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Box<dyn Read + Send + '_>, u64)> {
        Ok((self.open_at(&Layout::blob_name(&descriptor.digest), from)?, from))
    }
}
