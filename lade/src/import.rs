// SPDX-License-Identifier: Apache-2.0
//! An image of one layer, made of a root filesystem. It takes the way of every other image into the store: unpacked
//! and verified from its blob.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::digest::{Hashed, Hasher};
use crate::error::{Context, Result};
use crate::image::{DOCUMENT_MAX, Descriptor, Manifest, OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST, Platform};
use crate::source::{Root, Source};
use crate::store::{Store, read_bounded};
use crate::tar::Writer;
use crate::unpack::Decompress;
use crate::view::{self, Dir};

/// A root filesystem to import.
pub enum From<'a> {
    Dir(&'a Dir),
    /// A tar, compressed or not, taken as it is.
    Tar(Box<dyn Read + 'a>),
}

/// An imported image: its small documents here, its layer a blob of the store.
pub struct Imported<'a> {
    store: &'a Store,
    config: Vec<u8>,
}

/// Stores the layer's blob and makes the documents around it.
pub fn import<'a>(
    store: &'a Store,
    from: From,
    platform: &Platform,
    config: &Value,
    message: &str,
) -> Result<(Imported<'a>, Root)> {
    let what = || "unable to store the layer";
    let temporary = store.spool_dir().join(format!("import-{}.part", std::process::id()));
    let file = std::fs::File::create(&temporary).context(what)?;
    let gzip = GzEncoder::new(Hashed::new(file, Hasher::sha256()), Compression::default());
    let plain = Hashed::new(io::BufWriter::with_capacity(128 << 10, gzip), Hasher::sha256());
    let written = write(from, plain);
    let (blob, diff_id) = match written {
        Ok(done) => done,
        Err(e) => {
            // The error is what matters.
            let _ = std::fs::remove_file(&temporary);
            return Err(e);
        }
    };
    std::fs::rename(&temporary, store.blob_path(&blob.digest)).context(what)?;
    let config = json!({
        "architecture": platform.architecture, "os": platform.os, "config": config,
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created_by": "lade import", "comment": message}],
    });
    let config = config.to_string().into_bytes();
    let descriptor = Descriptor::new(OCI_CONFIG, crate::digest::Digest::of(&config), config.len() as u64);
    let manifest = Manifest {
        schema_version: 2,
        media_type: OCI_MANIFEST.to_owned(),
        artifact_type: None,
        config: descriptor,
        layers: vec![blob],
    };
    let bytes = serde_json::to_vec(&manifest).context(|| "unable to make a manifest")?;
    Ok((Imported { store, config }, Root::new(OCI_MANIFEST, bytes)))
}

type Plain = Hashed<io::BufWriter<GzEncoder<Hashed<std::fs::File>>>>;

fn write(from: From, mut plain: Plain) -> Result<(Descriptor, crate::digest::Digest)> {
    let what = || "unable to write the layer";
    match from {
        From::Dir(dir) => {
            let mut tar = Writer::new(&mut plain);
            view::export(dir, &mut tar)?;
            tar.finish()?;
        }
        From::Tar(reader) => {
            io::copy(&mut Decompress::new(reader)?, &mut plain).context(what)?;
        }
    }
    plain.flush().context(what)?;
    let (buffer, diff_id, _) = plain.finish();
    let gzip = buffer.into_inner().map_err(io::IntoInnerError::into_error).context(what)?;
    let (_, digest, size) = gzip.finish().context(what)?.finish();
    Ok((Descriptor::new(OCI_LAYER_GZIP, digest, size), diff_id))
}

impl Source for Imported<'_> {
    fn document(&self, _: &Descriptor) -> Result<Vec<u8>> {
        read_bounded(self.config.as_slice(), DOCUMENT_MAX, "the image config")
    }

    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Box<dyn Read + Send + '_>, u64)> {
        use std::io::{Seek, SeekFrom};
        let mut file = self.store.open_blob(&descriptor.digest)?;
        file.seek(SeekFrom::Start(from)).context(|| "unable to seek in a blob")?;
        Ok((Box::new(file), from))
    }
}
