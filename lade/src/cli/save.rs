// SPDX-License-Identifier: Apache-2.0
//! `lade save`

use std::fs::{self, File};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::bail;
use crate::error::{Context, Result};
use crate::save;
use crate::store::{Image, Store};

#[derive(Args)]
pub(super) struct Save {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// oci-archive:FILE (or just FILE), docker-archive:FILE, oci:DIR, or the flat root filesystem as tar:FILE or
    /// dir:DIR [default: an OCI archive on standard output]
    #[arg(long, short, value_name = "TARGET")]
    output: Option<String>,
}

impl Save {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let _use = store.in_use()?;
        let images = self.images.iter().map(|i| store.find(i)).collect::<Result<Vec<_>>>()?;
        let Some(target) = &self.output else {
            let out = std::io::stdout();
            if out.is_terminal() {
                bail!("an archive is nothing for a terminal: name a file with --output");
            }
            return save::oci_archive(store, &images, out.lock());
        };
        let (kind, path) = match target.split_once(':') {
            Some((kind @ ("oci" | "oci-archive" | "docker-archive" | "tar" | "dir"), path)) => (kind, path),
            _ => ("oci-archive", target.as_str()),
        };
        let path = Path::new(path);
        match kind {
            "oci" => save::layout(store, &images, path),
            "oci-archive" => to_file(path, |out| save::oci_archive(store, &images, out)),
            "docker-archive" => to_file(path, |out| save::docker_archive(store, &images, out)),
            "tar" => to_file(path, |out| save::rootfs_tar(store, one(&images)?, out)),
            _ => save::rootfs_dir(store, one(&images)?, path),
        }
    }
}

fn one(images: &[Image]) -> Result<&Image> {
    match images {
        [image] => Ok(image),
        _ => bail!("a root filesystem is of one image"),
    }
}

/// The file is there whole or not at all.
fn to_file(path: &Path, write: impl FnOnce(File) -> Result<()>) -> Result<()> {
    let what = || format!("unable to write {}", path.display());
    // A device or a pipe is written to as it is.
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return write(File::create(path).context(what)?);
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let result = File::create(&temporary)
        .context(what)
        .and_then(write)
        .and_then(|()| fs::rename(&temporary, path).context(what));
    if result.is_err() {
        // The error is what matters.
        let _ = fs::remove_file(&temporary);
    }
    result
}
