// SPDX-License-Identifier: Apache-2.0
//! A layer's bytes, as a stream, become a directory that overlayfs can stack: decompress, digest, parse, create.
//! Everything here handles bytes that nobody has verified yet, on a thread of its own that is fenced in first.
//! Each layer is unpacked without a look at the layers below it; what depends on those is noted in `Context` and
//! settled by `settle` when they are there.

mod apply;
mod context;
mod create;
mod decompress;
mod limits;
mod link;
mod meta;
mod settle;
mod tree;
mod whiteout;

use std::cell::Cell;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

pub use context::Context as LayerContext;
pub use decompress::Decompress;
pub use limits::Limits;
pub use meta::OverlayXattr;
pub use settle::settle;
pub(crate) use tree::{is_dir, is_whiteout, names, remove_tree, stat_at};

use crate::digest::{Digest, Hashed, Hasher};
use crate::error::{Context as _, Result};
use crate::tar::Reader;

/// What came out of a layer.
#[derive(Debug)]
pub struct Unpacked {
    pub diff_id: Digest,
    pub bytes: u64,
    pub entries: u64,
    pub context: LayerContext,
    pub warnings: Vec<String>,
    pub timings: Spent,
}

/// Where the time went, in microseconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spent {
    pub inflate: u64,
    pub diff: u64,
    pub fs: u64,
}

/// Unpacks `stream` into the empty directory `dir`. `stored` is the layer's compressed size, for the ratio limit.
/// Fences the calling thread in for good: call it on a thread made for this.
pub fn unpack(
    stream: impl Read,
    dir: &OwnedFd,
    stored: u64,
    limits: &Limits,
    marks: OverlayXattr,
) -> Result<Unpacked> {
    let can = meta::Privileges::of_process(marks);
    crate::sys::without_umask().context(|| "unable to set a umask")?;
    fence(dir)?;
    let (waited, inflated, read) = (Cell::default(), Cell::default(), Cell::default());
    let start = Instant::now();
    let plain = Decompress::new(Timed { inner: stream, spent: &waited })?;
    let plain = Timed { inner: limits::Limited::new(plain, stored, limits), spent: &inflated };
    let hashed = Timed { inner: Hashed::new(plain, Hasher::sha256()), spent: &read };
    let mut reader = Reader::new(hashed).with_headers_up_to(limits.header_bytes);
    let mut layer = apply::Layer::new(dir, can, limits)?;
    while let Some(entry) = reader.next_entry()? {
        layer.apply(&entry, &mut reader)?;
    }
    let (context, entries, warnings) = layer.finish()?;
    let (_, diff_id, bytes) = reader.into_source().inner.finish();
    let timings = Spent {
        inflate: micros(inflated.get().saturating_sub(waited.get())),
        diff: micros(read.get().saturating_sub(inflated.get())),
        fs: micros(start.elapsed().saturating_sub(read.get())),
    };
    Ok(Unpacked { diff_id, bytes, entries, context, warnings, timings })
}

/// A kernel without landlock or seccomp must still serve; one that has them must not fail to.
fn fence(dir: &OwnedFd) -> Result<()> {
    crate::sys::fence::restrict_to(dir).map(drop).context(|| "unable to fence in the unpacker")
}

struct Timed<'a, R> {
    inner: R,
    spent: &'a Cell<Duration>,
}

impl<R: Read> Read for Timed<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let result = self.inner.read(buf);
        self.spent.set(self.spent.get() + start.elapsed());
        result
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
