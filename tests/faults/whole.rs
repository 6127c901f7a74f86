// SPDX-License-Identifier: Apache-2.0
//! How much is run: a part that is the same every time, or all of it.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::{finish, is_tare, runtime};

/// `hack/fault-sweep` sets it.
pub(crate) fn is_whole() -> bool {
    std::env::var("FAULTS").is_ok_and(|v| v == "whole")
}

/// After this a command hangs. CI's machine may be as slow as it likes.
pub(crate) fn patience() -> Duration {
    Duration::from_secs(if is_whole() { 5 } else { 30 })
}

/// So many in CI, FAULTS_MAX of them in a whole run (for peers, whose commands take longer).
pub(crate) fn bounded(in_ci: usize, whole: usize) -> usize {
    let most = std::env::var("FAULTS_MAX").ok().and_then(|n| n.parse().ok());
    if is_whole() { most.unwrap_or(usize::MAX).min(whole) } else { in_ci }
}

/// A stream of numbers that is the same for the same name (FNV-1a, then xorshift). FAULTS_SEED gives another.
pub(crate) struct Seeded(u64);

impl Seeded {
    pub(crate) fn new(name: &str) -> Self {
        let seed = std::env::var("FAULTS_SEED").unwrap_or_default();
        let hash = name.bytes().chain(seed.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(hash | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % bound
    }

    /// `count` of them, in a new order.
    pub(crate) fn choose<T>(&mut self, mut from: Vec<T>, count: usize) -> Vec<T> {
        for at in (1..from.len()).rev() {
            from.swap(at, self.below(at + 1));
        }
        from.truncate(count);
        from
    }
}

/// The runtime without what a debug build carries for a debugger: all of it would be copied by every command that
/// seals itself, for most of a command's time.
pub(crate) fn light_runtime() -> PathBuf {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    if !is_tare() {
        return runtime().into();
    }
    let (_, path) = COPY.get_or_init(|| {
        let prefix = format!("tare-test-{}-bin", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        let path = dir.path().join("tare");
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(&path).arg(runtime());
        finish(strip).ok();
        (dir, path)
    });
    path.clone()
}

/// The same command by that runtime.
pub(crate) fn light(cmd: &Command) -> Command {
    let mut light = Command::new(light_runtime());
    light.args(cmd.get_args()).stdin(std::process::Stdio::null());
    if let Some(dir) = cmd.get_current_dir() {
        light.current_dir(dir);
    }
    light
}
