// SPDX-License-Identifier: Apache-2.0
//! Blobs, named by their digest. A blob on its way in is a part file, which survives a broken pull.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::PathBuf;

use super::Store;
use crate::corrupt;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};
use crate::image::{DOCUMENT_MAX, Descriptor};

/// An unfinished blob. Whoever holds one holds the blob's lock.
pub struct Part {
    pub file: File,
    pub path: PathBuf,
    digest: Digest,
}

impl Store {
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path("blobs").join(digest.algorithm()).join(digest.hex())
    }

    pub fn has_blob(&self, blob: &Descriptor) -> bool {
        fs::metadata(self.blob_path(&blob.digest)).is_ok_and(|m| m.is_file() && m.len() == blob.size)
    }

    pub fn open_blob(&self, digest: &Digest) -> Result<File> {
        File::open(self.blob_path(digest)).context(|| format!("unable to open the blob {digest}"))
    }

    /// A manifest, an index or a config: small, and checked each time it is read.
    pub fn document(&self, blob: &Descriptor) -> Result<Vec<u8>> {
        if blob.size > DOCUMENT_MAX {
            corrupt!("the document {} is larger than {DOCUMENT_MAX} bytes", blob.digest);
        }
        let mut bytes = Vec::new();
        let file = self.open_blob(&blob.digest)?;
        file.take(DOCUMENT_MAX + 1)
            .read_to_end(&mut bytes)
            .context(|| format!("unable to read {}", blob.digest))?;
        blob.digest.check(&bytes, "a document of the store")?;
        Ok(bytes)
    }

    /// Stores small bytes that the caller has checked against `digest`. An image that names them comes after a sync.
    pub fn put_document(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.blob_path(digest);
        if fs::metadata(&path).is_ok_and(|m| m.len() == bytes.len() as u64) {
            return Ok(());
        }
        self.write_unsynced(&format!("blobs/{}/{}", digest.algorithm(), digest.hex()), bytes)
    }

    /// Opens the part file, keeping what an earlier pull left.
    pub fn part(&self, blob: &Descriptor) -> Result<Part> {
        let path = self.path("tmp").join(format!("{}-{}.part", blob.digest.algorithm(), blob.digest.hex()));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .context(|| format!("unable to create {}", path.display()))?;
        Ok(Part { file, path, digest: blob.digest.clone() })
    }

    /// The part has been verified: it becomes the blob; of a `named` image only when it is on the disk.
    pub fn commit_part(&self, part: &Part, named: bool) -> Result<()> {
        if named {
            part.file.sync_data().context(|| format!("unable to store {}", part.digest))?;
        }
        fs::rename(&part.path, self.blob_path(&part.digest))
            .context(|| format!("unable to store {}", part.digest))
    }
}

impl Part {
    pub fn size(&self) -> Result<u64> {
        Ok(self.file.metadata().context(|| "unable to stat a part file")?.len())
    }

    pub fn discard(&self) {
        // A part that stays is only found wanting again.
        let _ = fs::remove_file(&self.path);
    }
}

/// Reads at most `max` bytes of a small thing.
pub fn read_bounded(from: impl Read, max: u64, what: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(max + 1).read_to_end(&mut bytes).context(|| format!("unable to read {what}"))?;
    if bytes.len() as u64 > max {
        return Err(Error::new(format!("{what} is larger than {max} bytes")).kind_of(Kind::Corrupt));
    }
    Ok(bytes)
}
