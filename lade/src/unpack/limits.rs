// SPDX-License-Identifier: Apache-2.0
//! How much one layer may cost. Nothing real comes near the defaults; a bomb passes all of them.

use std::io::{self, Read};

use crate::error::Error;

#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one unpacked layer.
    pub layer_bytes: u64,
    /// Length of one file, holes included.
    pub file_bytes: u64,
    pub entries: u64,
    pub depth: usize,
    /// Bytes of one PAX header or one long name.
    pub header_bytes: u64,
    /// Unpacked to stored; counts only past `RATIO_FREE`.
    pub ratio: u64,
}

/// The deepest a layer may ever be told to go.
const DEPTH_MAX: usize = 1000;

/// A layer of zeros up to this size is nobody's harm, whatever its ratio.
const RATIO_FREE: u64 = 64 << 20;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            layer_bytes: 64 << 30,
            file_bytes: 1 << 40,
            entries: 4_000_000,
            depth: 255,
            header_bytes: 1 << 20,
            ratio: 500,
        }
    }
}

impl Limits {
    /// For what was let in once: the flags of that pull are not known any more. Depth stays bounded, by the flag's own
    /// bound: views of a tree are recursive.
    pub fn of_the_store() -> Self {
        let all = u64::MAX;
        Limits {
            layer_bytes: all,
            file_bytes: all,
            entries: all,
            depth: DEPTH_MAX,
            header_bytes: 1 << 30,
            ratio: all,
        }
    }
}

/// Counts what comes out of the decompressor and stops a bomb.
pub(super) struct Limited<R> {
    inner: R,
    count: u64,
    max: u64,
    ratio_max: u64,
}

impl<R> Limited<R> {
    pub(super) fn new(inner: R, stored: u64, limits: &Limits) -> Self {
        let ratio_max = stored.saturating_mul(limits.ratio).max(RATIO_FREE);
        Limited { inner, count: 0, max: limits.layer_bytes, ratio_max }
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count += n as u64;
        if self.count > self.max {
            let text = format!("the layer unpacks to more than {} bytes", self.max);
            return Err(Error::corrupt(text).hint("--max-layer-size raises the limit").into());
        }
        if self.count > self.ratio_max {
            let text = "the layer unpacks to hundreds of times its size: it looks like a decompression bomb";
            return Err(Error::corrupt(text).hint("--max-ratio raises the limit").into());
        }
        Ok(n)
    }
}
