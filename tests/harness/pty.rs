// SPDX-License-Identifier: Apache-2.0
//! A pty of our own.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use super::wait_for;

/// The master side, read by a thread of its own until the other side is gone.
pub(crate) struct Terminal {
    pub(crate) master: File,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    pub(crate) fn new(master: OwnedFd) -> Self {
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, log) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buf) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buf[..n]));
            }
        });
        Self { master, seen }
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn expect(&self, words: &str) {
        wait_for(&format!("{words:?} on the terminal"), || self.seen().contains(words).then_some(()));
    }
}
