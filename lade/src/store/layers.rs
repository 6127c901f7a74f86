// SPDX-License-Identifier: Apache-2.0
//! Unpacked layers. One that depends on nothing is `layers/<diffID>` and serves every image; one that had to be
//! settled on those below it is `layers/<chainID>`. Both are made in `tmp/` under the layer's lock and renamed.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Store, open_dir};
use crate::digest::Digest;
use crate::error::{Context, Result};
use crate::unpack::{LayerContext, remove_tree, settle};
use crate::view::{Dir, Root};

/// What is known of an unpacked layer; `layer.json` beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LayerRecord {
    pub diff_id: Digest,
    pub bytes: u64,
    pub entries: u64,
    pub context: LayerContext,
}

#[derive(Debug, Clone)]
pub struct Layer {
    /// The directory's name in `layers/`.
    pub name: String,
    pub fs: PathBuf,
    pub record: LayerRecord,
}

/// A layer being unpacked; it goes away with this unless it was committed.
pub struct Staged<'a> {
    store: &'a Store,
    dir: PathBuf,
    pub fd: OwnedFd,
}

impl Drop for Staged<'_> {
    fn drop(&mut self) {
        // What stays is removed by the next who stages this layer.
        let _ = self.store.remove_dir(&self.dir);
    }
}

fn name_of(id: &Digest) -> String {
    format!("{}-{}", id.algorithm(), id.hex())
}

impl Store {
    /// The layer, ready to be stacked on the chain it belongs to.
    pub fn layer(&self, diff_id: &Digest, chain_id: &Digest) -> Option<Layer> {
        let settled = |l: &Layer| &l.record.diff_id == diff_id && l.record.context.is_free();
        [chain_id, diff_id].iter().find_map(|id| self.read_layer(&name_of(id)).filter(settled))
    }

    /// The layer as it was unpacked, which may still have to be settled.
    pub fn raw_layer(&self, diff_id: &Digest) -> Option<Layer> {
        self.read_layer(&name_of(diff_id)).filter(|l| &l.record.diff_id == diff_id)
    }

    fn read_layer(&self, name: &str) -> Option<Layer> {
        let dir = self.path("layers").join(name);
        let record = serde_json::from_slice(&fs::read(dir.join("layer.json")).ok()?).ok()?;
        Some(Layer { name: name.to_owned(), fs: dir.join("fs"), record })
    }

    /// An empty directory to unpack into. The caller holds the layer's lock, so what is there is from the dead.
    pub fn stage_layer(&self, diff_id: &Digest) -> Result<Staged<'_>> {
        let dir = self.path("tmp").join(name_of(diff_id));
        self.remove_dir(&dir)?;
        fs::create_dir_all(dir.join("fs")).context(|| format!("unable to create {}", dir.display()))?;
        let fd = open_dir(&dir.join("fs"))?;
        Ok(Staged { store: self, dir, fd })
    }

    /// The layer's directory gets its name; of a `named` image only when it is on the disk.
    pub fn commit_layer(&self, staged: &Staged, record: &LayerRecord, named: bool) -> Result<()> {
        self.commit_dir(&staged.dir, &record.diff_id, record, named)
            .context(|| format!("unable to store the layer {}", record.diff_id))
    }

    fn commit_dir(&self, dir: &Path, id: &Digest, record: &LayerRecord, named: bool) -> Result<()> {
        let text = serde_json::to_vec(record).context(|| "unable to write its record")?;
        fs::write(dir.join("layer.json"), text).context(|| "unable to write its record")?;
        if named {
            self.sync()?;
        }
        let target = self.path("layers").join(name_of(id));
        self.remove_dir(&target)?;
        fs::rename(dir, &target).context(|| "unable to give it its name")
    }

    /// Settles the raw layer on `below` and says what the user should know. None: another chain took it first, and it
    /// must be unpacked again.
    pub fn settle_layer(
        &self,
        diff_id: &Digest,
        chain_id: &Digest,
        below: &Dir,
        named: bool,
    ) -> Result<Option<Vec<String>>> {
        let _lock = self.lock(&name_of(diff_id))?;
        if self.layer(diff_id, chain_id).is_some() {
            return Ok(Some(Vec::new()));
        }
        let Some(raw) = self.raw_layer(diff_id) else { return Ok(None) };
        let dir = self.path("tmp").join(name_of(diff_id));
        self.remove_dir(&dir)?;
        fs::rename(self.path("layers").join(&raw.name), &dir).context(|| "unable to settle a layer")?;
        let what = || format!("unable to settle the layer {diff_id}");
        let warnings = settle(&open_dir(&dir.join("fs"))?, &raw.record.context, below).context(what)?;
        let context = LayerContext { root: raw.record.context.root, ..LayerContext::default() };
        let record = LayerRecord { context, ..raw.record };
        self.commit_dir(&dir, chain_id, &record, named).context(what)?;
        Ok(Some(warnings))
    }

    /// The view of a stack of layers, given bottom up.
    pub fn view(&self, layers: &[Layer]) -> Result<Dir> {
        let root = |l: &Layer| Ok(Root { fd: open_dir(&l.fs)?, mentioned: l.record.context.root });
        Dir::root(layers.iter().rev().map(root).collect::<Result<Vec<_>>>()?, self.marks)
    }

    pub fn lock_layer(&self, diff_id: &Digest) -> Result<super::Lock> {
        self.lock(&name_of(diff_id))
    }

    pub fn lock_blob(&self, digest: &Digest) -> Result<super::Lock> {
        self.lock(&format!("blob-{}", name_of(digest)))
    }

    /// Removes a directory of the store with everything a layer may have put into it.
    pub(super) fn remove_dir(&self, dir: &Path) -> Result<()> {
        let (Some(parent), Some(name)) = (dir.parent(), dir.file_name()) else { return Ok(()) };
        remove_tree(&open_dir(parent)?, name.as_encoded_bytes())
    }
}
