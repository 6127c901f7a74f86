// SPDX-License-Identifier: Apache-2.0
//! An image of the store becomes a bundle: a directory with `rootfs` (an overlay mount of the layers, or a copy of
//! them) and `config.json`. `.lade/` beside them holds the writable layer and what `--remove` needs to know.

mod annotations;
mod convert;
mod spec;
mod user;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

pub use convert::{Network, Overrides};

use crate::bail;
use crate::error::{Context, Error, Result};
use crate::store::{self, Image, Layer, Store, open_dir};
use crate::sys::mount::Overlay;
use crate::unpack::{OverlayXattr, remove_tree, stat_at};
use crate::view::{clone_meta, copy};

/// `.lade/bundle.json`
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    image: String,
    mounted: bool,
    made_dir: bool,
}

/// Makes a bundle of `image` in `dir`, which must not exist or be empty. Returns what the user should know.
pub fn make(
    store: &Store,
    image: &Image,
    dir: &Path,
    copy_all: bool,
    with: &Overrides,
) -> Result<Vec<String>> {
    let _use = store.in_use()?;
    let layers = store.layers_of(image)?;
    let made_dir = prepare_dir(dir)?;
    let dir = dir.canonicalize().context(|| format!("unable to resolve {}", dir.display()))?;
    let name = image.name().unwrap_or(image.id().as_str()).to_owned();
    let mut record = Record { image: name.clone(), mounted: false, made_dir };
    let result = fill(store, image, &layers, &dir, copy_all, with, &mut record);
    let made = match result {
        Ok(made) => made,
        Err(e) => {
            // The first error is the one to tell.
            let _ = take_away(&dir, &record);
            return Err(e);
        }
    };
    store.add_bundle(&store::Bundle {
        path: dir,
        image: name,
        manifest: image.descriptor.digest.clone(),
        layers: layers.iter().map(|l| l.name.clone()).collect(),
    })?;
    Ok(made)
}

fn prepare_dir(dir: &Path) -> Result<bool> {
    let what = || format!("unable to create the bundle {}", dir.display());
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                bail!("{}: the directory is not empty", what());
            }
            Ok(false)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            // CVE-2021-41091: the image's set-id programs are not for every user of the host.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).context(what)?;
            Ok(true)
        }
        Err(e) => Err(e).context(what),
    }
}

fn fill(
    store: &Store,
    image: &Image,
    layers: &[Layer],
    dir: &Path,
    copy_all: bool,
    with: &Overrides,
    record: &mut Record,
) -> Result<Vec<String>> {
    let what = || format!("unable to write the bundle {}", dir.display());
    let mut notes = Vec::new();
    fs::create_dir(dir.join("rootfs")).context(what)?;
    fs::create_dir(dir.join(".lade")).context(what)?;
    write_record(dir, record)?;
    if !copy_all {
        match mount(store, layers, dir) {
            Ok(()) => record.mounted = true,
            Err(e) => notes.push(format!("{e}; the layers are copied instead")),
        }
        write_record(dir, record)?;
    }
    let rootfs = open_dir(&dir.join("rootfs"))?;
    if !record.mounted {
        copy(&store.view(layers)?, &rootfs).context(|| "unable to copy the layers")?;
    }
    let (spec, more) = convert::convert(image, &rootfs, with)?;
    notes.extend(more);
    let mut text = serde_json::to_vec_pretty(&spec).context(what)?;
    text.push(b'\n');
    fs::write(dir.join("config.json"), text).context(what)?;
    Ok(notes)
}

fn write_record(dir: &Path, record: &Record) -> Result<()> {
    let text = serde_json::to_vec(record).context(|| "unable to record the bundle")?;
    fs::write(dir.join(".lade/bundle.json"), text).context(|| "unable to record the bundle")
}

fn mount(store: &Store, layers: &[Layer], dir: &Path) -> Result<()> {
    let what = || "unable to mount an overlay";
    let (upper, work) = (dir.join(".lade/upper"), dir.join(".lade/work"));
    fs::create_dir(&upper).context(what)?;
    fs::create_dir(&work).context(what)?;
    // The upper directory is the root that shows.
    if let Some(top) = store.view(layers)?.top() {
        let stat = stat_at(top, b".")?.ok_or_else(|| Error::new("a layer of the store has no root"))?;
        clone_meta(top, b".", &stat, &open_dir(&upper)?, b".")?;
    }
    // The kernel refuses one directory twice; a repeated layer shows only where it is topmost anyway.
    let mut lower: Vec<&Path> = Vec::new();
    for layer in layers.iter().rev() {
        if !lower.contains(&layer.fs.as_path()) {
            lower.push(&layer.fs);
        }
    }
    let empty = dir.join(".lade/empty");
    if lower.is_empty() {
        fs::create_dir(&empty).context(what)?;
        lower.push(&empty);
    }
    let userxattr = store.marks() == OverlayXattr::User;
    Overlay { lower, upper: &upper, work: &work, userxattr }.mount(&dir.join("rootfs")).context(what)
}

/// Undoes `make`.
pub fn remove(store: &Store, dir: &Path) -> Result<()> {
    let dir = dir.canonicalize().context(|| format!("unable to remove the bundle {}", dir.display()))?;
    let path = dir.join(".lade/bundle.json");
    let bytes = fs::read(&path).context(|| format!("{} is not a bundle made by lade", dir.display()))?;
    let record: Record =
        serde_json::from_slice(&bytes).context(|| format!("unable to parse {}", path.display()))?;
    take_away(&dir, &record)?;
    store.remove_bundle(&dir);
    Ok(())
}

fn take_away(dir: &Path, record: &Record) -> Result<()> {
    let what = || format!("unable to remove the bundle {}", dir.display());
    let rootfs = dir.join("rootfs");
    // Mounted by us, and still the top of what is there.
    while record.mounted && is_mount_point(dir, &rootfs) {
        umount2(&rootfs, MntFlags::UMOUNT_NOFOLLOW).map_err(|e| match e {
            nix::errno::Errno::EBUSY => Error::new(format!("{}: rootfs is in use", what())),
            e => Error::new(format!("{}: unable to unmount rootfs: {}", what(), e.desc())),
        })?;
    }
    let fd = open_dir(dir)?;
    for name in ["config.json", "rootfs", ".lade"] {
        remove_tree(&fd, name.as_bytes()).context(what)?;
    }
    if record.made_dir {
        // Files of others may have come since; then the directory is theirs.
        let _ = fs::remove_dir(dir);
    }
    Ok(())
}

fn is_mount_point(dir: &Path, rootfs: &PathBuf) -> bool {
    match (fs::metadata(dir), fs::symlink_metadata(rootfs)) {
        (Ok(a), Ok(b)) => a.dev() != b.dev(),
        _ => false,
    }
}
