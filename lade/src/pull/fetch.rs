// SPDX-License-Identifier: Apache-2.0
//! A blob into its part file: what is there is digested again, the rest is asked for, a broken stream is taken up
//! where it broke. Not a byte more than the descriptor says is ever accepted.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use super::follow::Growing;
use crate::corrupt;
use crate::digest::Hasher;
use crate::error::{Context, Error, Kind, Result};
use crate::image::Descriptor;
use crate::progress::{self, Timings};
use crate::source::Source;
use crate::store::Part;

const BUFFER: usize = 128 << 10;
/// Tries in a row that bring next to nothing.
const TRIES: u32 = 5;
const SOMETHING: u64 = 64 << 10;

pub(super) struct Fetch<'a> {
    pub source: &'a dyn Source,
    pub blob: &'a Descriptor,
    pub part: &'a Part,
    pub growing: &'a Growing,
    pub shown: &'a progress::Layer,
}

/// A download under way.
struct Progress {
    have: u64,
    hasher: Hasher,
    buf: Vec<u8>,
    timings: Timings,
}

impl Fetch<'_> {
    /// Fetches and verifies; says whether an older part was used.
    pub(super) fn run(&self) -> Result<(bool, Timings)> {
        let mut at = Progress {
            have: 0,
            hasher: self.blob.digest.hasher(),
            buf: vec![0; BUFFER],
            timings: Timings::default(),
        };
        let old = self.part.size()?;
        if old > self.blob.size {
            self.part.file.set_len(0).context(|| "unable to truncate a part file")?;
        } else {
            self.digest_old(&mut at, old)?;
        }
        let resumed = at.have > 0;
        let mut failures = 0;
        while at.have < self.blob.size {
            let before = at.have;
            let result = self.stream(&mut at);
            failures = if at.have - before >= SOMETHING { 0 } else { failures + 1 };
            match result {
                Ok(()) => {}
                Err(e) if e.kind() == Kind::Transient && self.source.is_remote() && failures < TRIES => {
                    std::thread::sleep(backoff(failures));
                }
                Err(e) => {
                    return Err(e.within(format!("unable to fetch the layer {}", self.blob.digest.short())));
                }
            }
        }
        let what = format!("the layer {}", self.blob.digest.short());
        self.blob.digest.expect(&at.hasher.finish(), &what)?;
        Ok((resumed, at.timings))
    }

    fn digest_old(&self, at: &mut Progress, old: u64) -> Result<()> {
        while at.have < old {
            let n = self.part.file.read_at(&mut at.buf, at.have).context(|| "unable to read a part file")?;
            if n == 0 {
                break;
            }
            at.hasher.update(&at.buf[..n]);
            at.have += n as u64;
            self.tell(at);
        }
        Ok(())
    }

    fn tell(&self, at: &Progress) {
        self.growing.grown_to(at.have);
        self.shown.advance_to(at.have);
    }

    fn stream(&self, at: &mut Progress) -> Result<()> {
        let (mut stream, from) = self.source.blob(self.blob, at.have)?;
        // A server that ignores the range sends it all; what is here already is read past.
        let mut skip = at.have.saturating_sub(from);
        if from > at.have {
            corrupt!("the server sent the layer from byte {from}, not from {}", at.have);
        }
        loop {
            if self.growing.reader_failed() {
                return Err(Error::new("unpacking failed"));
            }
            let start = Instant::now();
            let n = match stream.read(&mut at.buf) {
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(Error::new(e.to_string()).kind_of(Kind::Transient)),
            };
            at.timings.net += micros(start);
            if n == 0 {
                return self.ended(at);
            }
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(n);
            skip -= skipped as u64;
            let new = skipped..n;
            if at.have + new.len() as u64 > self.blob.size {
                corrupt!(
                    "the layer {} is longer than the {} bytes its descriptor says",
                    self.blob.digest,
                    self.blob.size
                );
            }
            self.take(at, new)?;
        }
    }

    fn take(&self, at: &mut Progress, new: std::ops::Range<usize>) -> Result<()> {
        let bytes = &at.buf[new];
        let start = Instant::now();
        at.hasher.update(bytes);
        at.timings.sha += micros(start);
        let start = Instant::now();
        self.part.file.write_all_at(bytes, at.have).context(|| "unable to write to the store")?;
        at.timings.write += micros(start);
        at.have += bytes.len() as u64;
        self.tell(at);
        Ok(())
    }

    fn ended(&self, at: &Progress) -> Result<()> {
        if at.have == self.blob.size {
            return Ok(());
        }
        let text = format!("the stream ended after {} of {} bytes", at.have, self.blob.size);
        Err(Error::corrupt(text).kind_of(if self.source.is_remote() {
            Kind::Transient
        } else {
            Kind::Corrupt
        }))
    }
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Full jitter: many clients that failed together must not come back together.
pub(crate) fn backoff(failures: u32) -> Duration {
    let ceiling = 200u64 << failures.min(6);
    Duration::from_millis(ceiling / 4 + crate::sys::random() % ceiling)
}
