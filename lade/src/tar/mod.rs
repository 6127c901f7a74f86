// SPDX-License-Identifier: Apache-2.0
//! A strict reader (and a plain writer) of tar: ustar, PAX, GNU long names and sparse files.
//! Where Go, GNU tar and libarchive would read one archive in different ways, this reader refuses it: smuggling an
//! entry past one of them is how CVE-2025-62518 and CVE-2026-33055 worked. It does no I/O but reading its source.

mod header;
mod pax;
mod preceding;
mod reader;
mod sparse;
mod writer;

pub use reader::Reader;
pub use writer::Writer;

pub const BLOCK: usize = 512;
/// The most one PAX header or one long name may weigh, unless the reader is told otherwise.
pub const META_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    HardLink,
    Symlink,
    Char,
    Block,
    Dir,
    Fifo,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Time {
    pub sec: i64,
    pub nsec: u32,
}

/// Where the data of a sparse file lies: (offset, length), in order.
pub type SparseMap = Vec<(u64, u64)>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: Vec<u8>,
    pub kind: Kind,
    pub link: Vec<u8>,
    /// Permissions and the set-id and sticky bits, nothing else.
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    pub mtime: Time,
    pub major: u64,
    pub minor: u64,
    /// The length of the file as it will be, holes included.
    pub size: u64,
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    pub sparse: Option<SparseMap>,
}
