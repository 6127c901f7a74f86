// SPDX-License-Identifier: Apache-2.0
//! Is what is stored still what was pulled? Shallow: everything is there and of its size. Deep: every blob is digested
//! and unpacked once more, and the tree that gives is compared with the one in use.

use std::io::Read;
use std::os::fd::OwnedFd;

use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag};

use super::{Image, Layer, Store, open_dir};
use crate::digest::Digest;
use crate::error::{Context, Error, Result};
use crate::image::Descriptor;
use crate::sys::xattr;
use crate::unpack::{Limits, is_dir, is_whiteout, names, settle, stat_at, unpack};

/// Something that is not as it should be.
#[derive(Debug, Clone)]
pub enum Damage {
    Blob {
        digest: Digest,
        why: String,
    },
    /// The position of the layer in its image.
    Layer {
        index: usize,
        why: String,
    },
}

impl Store {
    pub fn check(&self, image: &Image, deep: bool) -> Result<Vec<Damage>> {
        let mut damage = Vec::new();
        let documents = [&image.descriptor, &image.manifest.config];
        for blob in documents.into_iter().chain(&image.manifest.layers) {
            if let Err(e) = self.check_blob(blob, deep) {
                damage.push(Damage::Blob { digest: blob.digest.clone(), why: e.to_string() });
            }
        }
        let mut below: Vec<Layer> = Vec::new();
        let chain = image.config.chain_ids();
        for (index, (diff_id, chain_id)) in image.config.rootfs.diff_ids.iter().zip(&chain).enumerate() {
            let Some(layer) = self.layer(diff_id, chain_id) else {
                damage.push(Damage::Layer { index, why: "it is not unpacked".to_owned() });
                break;
            };
            if deep
                && damage.is_empty()
                && let Err(e) = self.check_layer(&image.manifest.layers[index], &layer, &below)
            {
                damage.push(Damage::Layer { index, why: e.to_string() });
            }
            below.push(layer);
        }
        Ok(damage)
    }

    fn check_blob(&self, blob: &Descriptor, deep: bool) -> Result<()> {
        if !self.has_blob(blob) {
            return Err(Error::corrupt("it is missing or of the wrong size"));
        }
        if !deep {
            return Ok(());
        }
        let mut file = self.open_blob(&blob.digest)?;
        let (mut hasher, mut buf) = (blob.digest.hasher(), vec![0; 128 << 10]);
        loop {
            let n = file.read(&mut buf).context(|| "unable to read it")?;
            if n == 0 {
                return blob.digest.expect(&hasher.finish(), "it");
            }
            hasher.update(&buf[..n]);
        }
    }

    fn check_layer(&self, blob: &Descriptor, layer: &Layer, below: &[Layer]) -> Result<()> {
        let _lock = self.lock_layer(&layer.record.diff_id)?;
        let staged = self.stage_layer(&layer.record.diff_id)?;
        let file = self.open_blob(&blob.digest)?;
        let (fd, limits) = (&staged.fd, Limits::of_the_store());
        let unpacked = std::thread::scope(|scope| {
            let unpacker = scope.spawn(|| unpack(file, fd, blob.size, &limits, self.marks()));
            unpacker.join().unwrap_or_else(|_| Err(Error::new("the unpacker panicked")))
        })?;
        layer.record.diff_id.expect(&unpacked.diff_id, "it")?;
        if !unpacked.context.is_free() {
            settle(fd, &unpacked.context, &self.view(below)?)?;
        }
        same_dir(fd, &open_dir(&layer.fs)?, b"")
    }

    /// Takes away what is damaged, so that the next pull brings it anew.
    pub fn discard(&self, image: &Image, damage: &[Damage]) -> Result<()> {
        let chain = image.config.chain_ids();
        for one in damage {
            match one {
                Damage::Blob { digest, .. } => {
                    let path = self.blob_path(digest);
                    if path.exists() {
                        std::fs::remove_file(&path)
                            .context(|| format!("unable to remove the blob {digest}"))?;
                    }
                }
                Damage::Layer { index, .. } => {
                    if let Some(layer) = self.layer(&image.config.rootfs.diff_ids[*index], &chain[*index]) {
                        self.remove_dir(layer.fs.parent().unwrap_or(&layer.fs))?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn differs(path: &[u8], what: &str) -> Error {
    Error::corrupt(format!("/{} has another {what}", String::from_utf8_lossy(path)))
}

/// Compares two directories of layers, whiteouts and opaque marks included. Recursive: depth was bounded.
fn same_dir(a: &OwnedFd, b: &OwnedFd, path: &[u8]) -> Result<()> {
    same_node((a, b), b".", path)?;
    let list = |dir: &OwnedFd| -> Result<Vec<Vec<u8>>> {
        let mut all = names(dir).context(|| "unable to list a layer's directory")?;
        all.sort();
        Ok(all)
    };
    let all = list(a)?;
    if all != list(b)? {
        return Err(differs(path, "set of entries"));
    }
    for name in all {
        let here = if path.is_empty() { name.clone() } else { [path, b"/", name.as_slice()].concat() };
        let stat = same_node((a, b), &name, &here)?;
        if is_dir(&stat) {
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let open = |dir: &OwnedFd| {
                openat(dir, name.as_slice(), flags, Mode::empty())
                    .context(|| "unable to open a layer's directory")
            };
            same_dir(&open(a)?, &open(b)?, &here)?;
        }
    }
    Ok(())
}

fn same_node((a, b): (&OwnedFd, &OwnedFd), name: &[u8], path: &[u8]) -> Result<FileStat> {
    let stat = |dir: &OwnedFd| stat_at(dir, name)?.ok_or_else(|| Error::corrupt("an entry vanished"));
    let (x, y) = (stat(a)?, stat(b)?);
    let checks = [
        (x.st_mode == y.st_mode, "type or mode"),
        ((x.st_uid, x.st_gid) == (y.st_uid, y.st_gid), "owner"),
        (x.st_rdev == y.st_rdev, "device number"),
        (is_dir(&x) || x.st_nlink == y.st_nlink, "number of links"),
        (is_dir(&x) || x.st_size == y.st_size, "size"),
        // Whiteouts carry the time at which they were made.
        (is_whiteout(&x) || (x.st_mtime, x.st_mtime_nsec) == (y.st_mtime, y.st_mtime_nsec), "time"),
    ];
    if let Some((_, what)) = checks.iter().find(|(same, _)| !same) {
        return Err(differs(path, what));
    }
    let attributes = |dir: &OwnedFd| -> std::io::Result<Vec<_>> {
        let mut keys = xattr::list_at(dir, name)?;
        keys.sort();
        keys.into_iter().map(|k| Ok((xattr::get_at(dir, name, &k)?, k))).collect()
    };
    if attributes(a).context(|| "unable to read attributes")?
        != attributes(b).context(|| "unable to read attributes")?
    {
        return Err(differs(path, "set of attributes"));
    }
    let same = match SFlag::from_bits_truncate(x.st_mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => same_data(a, b, name)?,
        SFlag::S_IFLNK => readlinkat(a, name) == readlinkat(b, name),
        _ => true,
    };
    if same { Ok(x) } else { Err(differs(path, "content")) }
}

fn same_data(a: &OwnedFd, b: &OwnedFd, name: &[u8]) -> Result<bool> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let open =
        |dir: &OwnedFd| openat(dir, name, flags, Mode::empty()).context(|| "unable to open a layer's file");
    let (mut x, mut y) = (std::fs::File::from(open(a)?), std::fs::File::from(open(b)?));
    let (mut p, mut q) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let n = x.read(&mut p).context(|| "unable to read a layer's file")?;
        if n == 0 {
            return Ok(true);
        }
        if y.read_exact(&mut q[..n]).is_err() || p[..n] != q[..n] {
            return Ok(false);
        }
    }
}
