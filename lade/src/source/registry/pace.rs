// SPDX-License-Identifier: Apache-2.0
//! The least a server must send: one that lets a byte drip now and then would hold a pull for good, and every lock it
//! has. What counts is the time spent waiting for it, not the time its bytes take to be dealt with.

use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

/// Bytes a second, over one window: less than any line that a layer could come over.
const RATE: u64 = 1 << 10;

pub(super) struct Paced<R> {
    inner: R,
    window: Duration,
    waited: Duration,
    got: u64,
}

impl<R> Paced<R> {
    pub(super) fn new(inner: R, window: Duration) -> Self {
        Paced { inner, window, waited: Duration::ZERO, got: 0 }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let start = Instant::now();
        let n = self.inner.read(buf)?;
        self.waited += start.elapsed();
        self.got += n as u64;
        if self.waited < self.window {
            return Ok(n);
        }
        let seconds = self.waited.as_secs();
        if n > 0 && self.got < seconds * RATE {
            let text = format!("the server sent {} bytes in {seconds} seconds", self.got);
            return Err(io::Error::new(ErrorKind::TimedOut, text));
        }
        (self.waited, self.got) = (Duration::ZERO, 0);
        Ok(n)
    }
}
