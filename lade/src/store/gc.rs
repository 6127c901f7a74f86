// SPDX-License-Identifier: Apache-2.0
//! What nothing names any more, removed. Roots are the index and the bundles that still exist.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Image, Lock, Store};
use crate::digest::Digest;
use crate::error::{Context, Result};

/// A bundle made from this store: its layers are in use as long as its directory is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Bundle {
    pub path: PathBuf,
    pub image: String,
    pub manifest: Digest,
    pub layers: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
pub struct Freed {
    pub blobs: u64,
    pub layers: u64,
    pub bytes: u64,
}

impl Store {
    fn bundle_record(&self, path: &std::path::Path) -> PathBuf {
        self.path("bundles").join(Digest::of(path.as_os_str().as_encoded_bytes()).hex())
    }

    pub fn add_bundle(&self, bundle: &Bundle) -> Result<()> {
        let bytes = serde_json::to_vec(bundle).context(|| "unable to record the bundle")?;
        let name = self.bundle_record(&bundle.path);
        self.write_atomic(
            &format!("bundles/{}", name.file_name().unwrap_or_default().to_string_lossy()),
            &bytes,
        )
    }

    pub fn remove_bundle(&self, path: &std::path::Path) {
        // A record without a bundle is dropped by the next collection anyway.
        let _ = fs::remove_file(self.bundle_record(path));
    }

    pub fn bundles(&self) -> Result<Vec<Bundle>> {
        let mut bundles = Vec::new();
        for entry in fs::read_dir(self.path("bundles")).context(|| "unable to list the bundles")? {
            let entry = entry.context(|| "unable to list the bundles")?;
            let Ok(bytes) = fs::read(entry.path()) else { continue };
            let Ok(bundle) = serde_json::from_slice::<Bundle>(&bytes) else { continue };
            if bundle.path.join(".lade").is_dir() {
                bundles.push(bundle);
            } else {
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(bundles)
    }

    /// Removes what nothing names; None if somebody is adding to the store right now.
    pub fn collect(&self, parts_too: bool) -> Result<Option<Freed>> {
        match self.alone()? {
            Some(alone) => self.sweep(&alone, parts_too).map(Some),
            None => Ok(None),
        }
    }

    pub(super) fn sweep(&self, _alone: &Lock, parts_too: bool) -> Result<Freed> {
        let mut blobs = HashSet::new();
        let mut layers = HashSet::new();
        for descriptor in self.index()?.manifests {
            blobs.insert(descriptor.digest.clone());
            if let Some(index) = descriptor.annotations.get(crate::image::CHOSEN_FROM) {
                blobs.extend(Digest::parse(index));
            }
            // An image that cannot be read keeps what can be known of it, for a repair.
            let Ok(image) = self.load(&descriptor) else { continue };
            mark(&image, &mut blobs, &mut layers);
        }
        for bundle in self.bundles()? {
            layers.extend(bundle.layers);
        }
        let mut freed = Freed::default();
        for algorithm in ["sha256", "sha512"] {
            for (name, path) in self.list(&format!("blobs/{algorithm}"))? {
                if !Digest::parse(&format!("{algorithm}:{name}")).is_ok_and(|d| blobs.contains(&d)) {
                    freed.bytes += fs::metadata(&path).map_or(0, |m| m.len());
                    freed.blobs += 1;
                    fs::remove_file(&path).context(|| format!("unable to remove {}", path.display()))?;
                }
            }
        }
        for (name, path) in self.list("layers")? {
            if !layers.contains(&name) {
                freed.bytes += fs::read(path.join("layer.json"))
                    .ok()
                    .and_then(|b| serde_json::from_slice::<super::LayerRecord>(&b).ok())
                    .map_or(0, |r| r.bytes);
                freed.layers += 1;
                self.remove_dir(&path)?;
            }
        }
        for (name, path) in self.list("tmp")? {
            // Other files are about to replace the index or a record, by someone who needs no `use` lock.
            let stale = if name.ends_with(".part") { parts_too } else { path.is_dir() || !has_writer(&name) };
            if stale {
                self.remove_dir(&path)?;
            }
        }
        for (name, path) in self.list("locks")? {
            if name != "use" && name != "index" {
                let _ = fs::remove_file(path);
            }
        }
        Ok(freed)
    }

    fn list(&self, dir: &str) -> Result<Vec<(String, PathBuf)>> {
        let what = || format!("unable to list {dir} in the store");
        let mut all = Vec::new();
        for entry in fs::read_dir(self.path(dir)).context(what)? {
            let entry = entry.context(what)?;
            all.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
        Ok(all)
    }
}

/// Temporary files end in the id of the process that writes them.
fn has_writer(name: &str) -> bool {
    let pid = name.rsplit('-').next().and_then(|p| p.parse::<u32>().ok());
    pid.is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
}

fn mark(image: &Image, blobs: &mut HashSet<Digest>, layers: &mut HashSet<String>) {
    blobs.insert(image.manifest.config.digest.clone());
    blobs.extend(image.manifest.layers.iter().map(|l| l.digest.clone()));
    for id in image.config.rootfs.diff_ids.iter().chain(&image.config.chain_ids()) {
        layers.insert(format!("{}-{}", id.algorithm(), id.hex()));
    }
}
