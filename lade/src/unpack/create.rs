// SPDX-License-Identifier: Apache-2.0
//! What an entry becomes: files (with their holes), directories, symlinks, devices and pipes.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, makedev, mkdirat, mknodat};
use nix::unistd::{ftruncate, symlinkat};

use super::apply::{Layer, PATH_MAX};
use super::meta::Meta;
use super::tree::{Place, is_dir, stat_at};
use crate::corrupt;
use crate::error::{Context, Error, Result};
use crate::tar::{Entry, Kind, Reader};

impl Layer<'_> {
    pub(super) fn file<R: Read>(
        &mut self,
        entry: &Entry,
        place: &Place,
        name: &[u8],
        data: &mut Reader<R>,
    ) -> Result<()> {
        if entry.size > self.limits.file_bytes {
            let text = format!("the file is larger than {} bytes", self.limits.file_bytes);
            return Err(Error::corrupt(text).hint("--max-file-size raises the limit"));
        }
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mode = Mode::from_bits_truncate(entry.mode & 0o777);
        let fd = self
            .create(place, name, || openat(&*place.fd, name, flags, mode))
            .context(|| "unable to create")?;
        let file = File::from(fd);
        let mut at = 0u64;
        match &entry.sparse {
            None => loop {
                let chunk = data.data()?;
                if chunk.is_empty() {
                    break;
                }
                file.write_all_at(chunk, at).context(|| "unable to write")?;
                at += chunk.len() as u64;
            },
            Some(map) => write_sparse(&file, map, entry.size, data)?,
        }
        Meta::of(entry, self.can)?.set_file(&OwnedFd::from(file), self.can)
    }

    pub(super) fn dir(&mut self, entry: &Entry, place: &Place, name: &[u8]) -> Result<()> {
        let path = place.join(name);
        match mkdirat(&*place.fd, name, Mode::S_IRWXU) {
            Ok(()) => {}
            Err(Errno::EEXIST) => {
                if !stat_at(&place.fd, name)?.is_some_and(|s| is_dir(&s)) {
                    self.clear(place, name)?;
                    mkdirat(&*place.fd, name, Mode::S_IRWXU).context(|| "unable to create")?;
                    self.make_opaque(&path)?;
                }
            }
            Err(e) => return Err(e).context(|| "unable to create"),
        }
        self.remember_dir(path, entry)
    }

    pub(super) fn symlink(&mut self, entry: &Entry, place: &Place, name: &[u8]) -> Result<()> {
        if entry.link.is_empty() || entry.link.len() >= PATH_MAX || entry.link.contains(&0) {
            corrupt!("the symlink's target is empty or too long");
        }
        self.create(place, name, || symlinkat(entry.link.as_slice(), &*place.fd, name))
            .context(|| "unable to create")?;
        Meta::of(entry, self.can)?.set_special(&place.fd, name, self.can)
    }

    pub(super) fn node(&mut self, entry: &Entry, place: &Place, name: &[u8]) -> Result<()> {
        // The ranges of the kernel's own dev_t; a larger number would silently become another device.
        if entry.major > 0xfff || entry.minor > 0xf_ffff {
            corrupt!("the device number {}:{} is out of range", entry.major, entry.minor);
        }
        let (kind, device) = match entry.kind {
            Kind::Fifo => (SFlag::S_IFIFO, 0),
            Kind::Char if (entry.major, entry.minor) == (0, 0) => {
                corrupt!("the character device 0:0 is overlayfs's whiteout and has no place in a layer")
            }
            Kind::Char => (SFlag::S_IFCHR, makedev(entry.major, entry.minor)),
            _ => (SFlag::S_IFBLK, makedev(entry.major, entry.minor)),
        };
        let mode = Mode::from_bits_truncate(entry.mode);
        match self.create(place, name, || mknodat(&*place.fd, name, kind, mode, device)) {
            Ok(()) => Meta::of(entry, self.can)?.set_special(&place.fd, name, self.can),
            // Rootless, or root of a user namespace: the runtime makes the devices a container needs.
            Err(Errno::EPERM) => {
                self.warn(format!(
                    "skipped the device {}: not permitted",
                    String::from_utf8_lossy(&entry.path)
                ));
                Ok(())
            }
            Err(e) => Err(e).context(|| "unable to create"),
        }
    }
}

fn write_sparse<R: Read>(file: &File, map: &[(u64, u64)], size: u64, data: &mut Reader<R>) -> Result<()> {
    let len = i64::try_from(size).map_err(|_| Error::corrupt("the file is too long"))?;
    ftruncate(file, len).context(|| "unable to set a length")?;
    let mut pieces = map.iter().copied().filter(|(_, len)| *len > 0);
    let (mut at, mut left) = pieces.next().unwrap_or((0, 0));
    loop {
        let mut chunk = data.data()?;
        if chunk.is_empty() {
            return Ok(());
        }
        while !chunk.is_empty() {
            if left == 0 {
                (at, left) = pieces
                    .next()
                    .ok_or_else(|| Error::corrupt("a sparse file has more data than its map"))?;
            }
            let n = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            file.write_all_at(&chunk[..n], at).context(|| "unable to write")?;
            chunk = &chunk[n..];
            (at, left) = (at + n as u64, left - n as u64);
        }
    }
}
