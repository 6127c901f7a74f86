// SPDX-License-Identifier: Apache-2.0
//! Tars made block by block, so that they can be wrong in any way, and images of them.

use std::fs;
use std::io::Write;
use std::path::Path;

use lade::digest::Digest;
use serde_json::{Value, json};

/// A tar under construction. Whatever is put in comes out as it is.
#[derive(Clone, Default)]
pub(crate) struct Tar(pub(crate) Vec<u8>);

pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) link: Vec<u8>,
    pub(crate) mode: u64,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) size: u64,
    pub(crate) mtime: u64,
    pub(crate) device: (u64, u64),
}

pub(crate) fn header(name: &[u8], kind: u8) -> Header {
    Header {
        name: name.to_vec(),
        kind,
        link: vec![],
        mode: 0o644,
        uid: 0,
        gid: 0,
        size: 0,
        mtime: 1_000_000_000,
        device: (0, 0),
    }
}

impl Header {
    pub(crate) fn link(mut self, link: &[u8]) -> Self {
        self.link = link.to_vec();
        self
    }

    pub(crate) fn mode(mut self, mode: u64) -> Self {
        self.mode = mode;
        self
    }

    pub(crate) fn owner(mut self, uid: u64, gid: u64) -> Self {
        (self.uid, self.gid) = (uid, gid);
        self
    }

    pub(crate) fn device(mut self, major: u64, minor: u64) -> Self {
        self.device = (major, minor);
        self
    }

    pub(crate) fn size(mut self, size: u64) -> Self {
        self.size = size;
        self
    }

    pub(crate) fn bytes(&self) -> [u8; 512] {
        let mut block = [0; 512];
        let name = &self.name[..self.name.len().min(100)];
        block[..name.len()].copy_from_slice(name);
        let link = &self.link[..self.link.len().min(100)];
        block[157..157 + link.len()].copy_from_slice(link);
        for (at, len, value) in [
            (100, 8, self.mode),
            (108, 8, self.uid),
            (116, 8, self.gid),
            (124, 12, self.size),
            (136, 12, self.mtime),
            (329, 8, self.device.0),
            (337, 8, self.device.1),
        ] {
            number(&mut block[at..at + len], value);
        }
        block[156] = self.kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        checksum(&mut block);
        block
    }
}

/// Octal, or base 256 where that is too short.
fn number(field: &mut [u8], value: u64) {
    let digits = field.len() - 1;
    let text = format!("{value:0digits$o}");
    if text.len() <= digits {
        field[..digits].copy_from_slice(text.as_bytes());
    } else {
        let bytes = value.to_be_bytes();
        let n = bytes.len().min(field.len() - 1);
        let start = field.len() - n;
        field[start..].copy_from_slice(&bytes[8 - n..]);
        field[0] = 0x80;
    }
}

pub(crate) fn checksum(block: &mut [u8; 512]) {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

impl Tar {
    pub(crate) fn new() -> Self {
        Tar::default()
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// An entry with data, padded.
    pub(crate) fn entry(self, header: Header, data: &[u8]) -> Self {
        let size = if header.size > 0 { header.size } else { data.len() as u64 };
        let mut tar = self.raw(&header.size(size).bytes()).raw(data);
        tar.0.resize(tar.0.len().next_multiple_of(512), 0);
        tar
    }

    pub(crate) fn file(self, name: &str, data: &str) -> Self {
        self.entry(header(name.as_bytes(), b'0'), data.as_bytes())
    }

    pub(crate) fn dir(self, name: &str) -> Self {
        self.entry(header(name.as_bytes(), b'5').mode(0o755), b"")
    }

    pub(crate) fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(header(name.as_bytes(), b'2').mode(0o777).link(target.as_bytes()), b"")
    }

    pub(crate) fn hard(self, name: &str, target: &str) -> Self {
        self.entry(header(name.as_bytes(), b'1').link(target.as_bytes()), b"")
    }

    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut body = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let mut len = rest + 1;
            while len != rest + len.to_string().len() {
                len = rest + len.to_string().len();
            }
            body.extend_from_slice(format!("{len} {key}=").as_bytes());
            body.extend_from_slice(value);
            body.push(b'\n');
        }
        self.entry(header(b"pax", b'x'), &body)
    }

    pub(crate) fn end(self) -> Vec<u8> {
        self.raw(&[0; 1024]).0
    }
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

#[derive(Clone)]
pub(crate) struct Blob {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Vec<u8>,
    pub(crate) diff_id: Digest,
}

#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) layers: Vec<Blob>,
    pub(crate) config: Value,
    pub(crate) history: Value,
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl Image {
    /// Of uncompressed layers.
    pub(crate) fn new(layers: &[Tar]) -> Self {
        let blob = |tar: &Tar| {
            let bytes = tar.clone().end();
            let diff_id = Digest::of(&bytes);
            Blob { media_type: "application/vnd.oci.image.layer.v1.tar", bytes, diff_id }
        };
        Image {
            layers: layers.iter().map(blob).collect(),
            config: json!({"Cmd": ["/bin/true"]}),
            history: json!([]),
        }
    }

    pub(crate) fn gzipped(mut self) -> Self {
        for layer in &mut self.layers {
            layer.media_type = "application/vnd.oci.image.layer.v1.tar+gzip";
            layer.bytes = gzip(&layer.bytes);
        }
        self
    }

    /// One layer, of these very bytes.
    pub(crate) fn of_blob(media_type: &'static str, bytes: Vec<u8>, diff_id: Digest) -> Self {
        Image {
            layers: vec![Blob { media_type, bytes, diff_id }],
            config: json!({"Cmd": ["/bin/true"]}),
            history: json!([]),
        }
    }

    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        let diff_ids: Vec<&str> = self.layers.iter().map(|l| l.diff_id.as_str()).collect();
        let arch = lade::image::Platform::host().architecture;
        json!({"architecture": arch, "os": "linux", "config": self.config,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": self.history})
        .to_string()
        .into_bytes()
    }

    pub(crate) fn manifest(&self) -> Value {
        let config = self.config_bytes();
        let describe = |media_type: &str, bytes: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(bytes).as_str(), "size": bytes.len()});
        let layers: Vec<Value> = self.layers.iter().map(|l| describe(l.media_type, &l.bytes)).collect();
        json!({"schemaVersion": 2, "mediaType": MANIFEST,
            "config": describe("application/vnd.oci.image.config.v1+json", &config), "layers": layers})
    }

    pub(crate) fn write_layout(&self, dir: &Path) {
        let blobs = dir.join("blobs/sha256");
        fs::create_dir_all(&blobs).unwrap();
        let put = |bytes: &[u8]| {
            let digest = Digest::of(bytes);
            fs::write(blobs.join(digest.hex()), bytes).unwrap();
            digest
        };
        self.layers.iter().for_each(|l| drop(put(&l.bytes)));
        put(&self.config_bytes());
        let manifest = self.manifest().to_string();
        let digest = put(manifest.as_bytes());
        let index = json!({"schemaVersion": 2, "manifests": [{"mediaType": MANIFEST, "digest": digest.as_str(),
            "size": manifest.len(), "annotations": {"org.opencontainers.image.ref.name": "t"}}]});
        fs::write(dir.join("index.json"), index.to_string()).unwrap();
        fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }
}
