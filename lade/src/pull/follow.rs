// SPDX-License-Identifier: Apache-2.0
//! A part file that one thread writes and another reads as it grows. The disk is the buffer between them: neither
//! waits for the other longer than it must, memory stays flat, and a resumed download starts from what is there.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Default)]
struct State {
    written: u64,
    /// Nothing more will come: all of it is there, or the download has failed.
    ended: Option<bool>,
    /// The reader will read no more, for a reason that the bytes are not to blame for.
    reader_failed: bool,
}

#[derive(Default)]
pub(super) struct Growing {
    state: Mutex<State>,
    changed: Condvar,
}

impl Growing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn grown_to(&self, written: u64) {
        self.state().written = written;
        self.changed.notify_all();
    }

    pub(super) fn reader_done(&self, failed: bool) {
        let mut state = self.state();
        // After the download has failed, so must the reader; that is no news.
        state.reader_failed = failed && state.ended.is_none();
    }

    pub(super) fn reader_failed(&self) -> bool {
        self.state().reader_failed
    }

    pub(super) fn ended(&self, whole: bool) {
        self.state().ended.get_or_insert(whole);
        self.changed.notify_all();
    }
}

/// Ends the growth as failed if its writer is gone without a word (a panic, an early return).
pub(super) struct EndOnDrop<'a>(pub(super) &'a Growing);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.ended(false);
    }
}

pub(super) struct Follower<'a> {
    file: File,
    at: u64,
    growing: &'a Growing,
}

impl<'a> Follower<'a> {
    pub(super) fn new(file: File, growing: &'a Growing) -> Self {
        Follower { file, at: 0, growing }
    }
}

impl Read for Follower<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.growing.state();
        while state.written == self.at {
            match state.ended {
                Some(true) => return Ok(0),
                Some(false) => return Err(crate::error::Error::new("the download failed").into()),
                None => {}
            }
            state = self.growing.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let there = state.written - self.at;
        drop(state);
        let n = buf.len().min(usize::try_from(there).unwrap_or(usize::MAX));
        let n = self.file.read_at(&mut buf[..n], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
