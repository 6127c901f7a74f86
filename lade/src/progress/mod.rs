// SPDX-License-Identifier: Apache-2.0
//! What a pull or push is doing, told on standard error: bars on a terminal, lines elsewhere, JSON for programs.
//! Workers only add to atomic counters; one thread looks at them a few times a second and writes.

mod json;
mod plain;
mod tty;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::digest::Digest;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// Bars on a terminal, else lines
    Auto,
    Tty,
    Plain,
    /// One JSON object a line
    Json,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Waiting,
    Working,
    Settling,
    Present,
    Done,
}

impl Phase {
    fn from(value: u8) -> Self {
        match value {
            0 => Phase::Waiting,
            1 => Phase::Working,
            2 => Phase::Settling,
            3 => Phase::Present,
            _ => Phase::Done,
        }
    }
}

/// Where the time of one layer went, in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Timings {
    /// Waiting for the network.
    pub net: u64,
    /// Digest of the stored bytes, and writing them.
    pub sha: u64,
    pub write: u64,
    /// Decompression, digest of the layer, and everything done to files.
    pub inflate: u64,
    pub diff: u64,
    pub fs: u64,
}

/// One layer's counters.
pub struct Layer {
    pub digest: Digest,
    pub size: u64,
    bytes: AtomicU64,
    phase: AtomicU8,
    told: AtomicBool,
    timings: Mutex<Timings>,
}

impl Layer {
    pub fn advance_to(&self, bytes: u64) {
        self.bytes.store(bytes, Relaxed);
    }

    pub fn phase(&self, phase: Phase) {
        self.phase.store(phase as u8, Relaxed);
    }

    pub fn timings(&self, timings: Timings) {
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner) = timings;
    }

    fn now(&self) -> (u64, Phase) {
        (self.bytes.load(Relaxed), Phase::from(self.phase.load(Relaxed)))
    }

    fn timing(&self) -> Timings {
        *self.timings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is about to happen, before the first byte.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub name: String,
    pub digest: Digest,
    pub layers: usize,
    pub layers_present: usize,
    pub download: u64,
    pub need: u64,
    pub free: u64,
}

trait Show: Send {
    fn plan(&mut self, plan: &Plan);
    fn message(&mut self, text: &str);
    fn tick(&mut self, layers: &[Arc<Layer>], elapsed: Duration, last: bool);
}

struct Nothing;

impl Show for Nothing {
    fn plan(&mut self, _: &Plan) {}
    fn message(&mut self, _: &str) {}
    fn tick(&mut self, _: &[Arc<Layer>], _: Duration, _: bool) {}
}

struct State {
    show: Box<dyn Show>,
    layers: Vec<Arc<Layer>>,
    stopping: bool,
}

pub struct Progress {
    state: Mutex<State>,
    wake: Condvar,
    start: Instant,
    every: Duration,
}

impl Progress {
    pub fn new(mode: Mode) -> Self {
        let mode = match mode {
            Mode::Auto if std::io::stderr().is_terminal() => Mode::Tty,
            Mode::Auto => Mode::Plain,
            other => other,
        };
        let (show, millis): (Box<dyn Show>, u64) = match mode {
            Mode::Tty => (Box::<tty::Tty>::default(), 100),
            Mode::Json => (Box::new(json::Json), 500),
            Mode::None => (Box::new(Nothing), 60_000),
            Mode::Plain | Mode::Auto => (Box::<plain::Plain>::default(), 1000),
        };
        let state = State { show, layers: Vec::new(), stopping: false };
        Progress {
            state: Mutex::new(state),
            wake: Condvar::new(),
            start: Instant::now(),
            every: Duration::from_millis(millis),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plan(&self, plan: &Plan) {
        self.state().show.plan(plan);
    }

    pub fn message(&self, text: &str) {
        self.state().show.message(text);
    }

    pub fn layer(&self, digest: &Digest, size: u64) -> Arc<Layer> {
        let layer = Arc::new(Layer {
            digest: digest.clone(),
            size,
            bytes: AtomicU64::new(0),
            phase: AtomicU8::new(Phase::Waiting as u8),
            told: AtomicBool::new(false),
            timings: Mutex::default(),
        });
        self.state().layers.push(layer.clone());
        layer
    }

    /// Shows progress while `work` runs.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.state().stopping = false;
        std::thread::scope(|scope| {
            scope.spawn(|| self.ticks());
            let result = work();
            self.state().stopping = true;
            self.wake.notify_all();
            result
        })
    }

    fn ticks(&self) {
        let mut state = self.state();
        loop {
            let last = state.stopping;
            let State { show, layers, .. } = &mut *state;
            show.tick(layers, self.start.elapsed(), last);
            if last {
                state.layers.clear();
                return;
            }
            state = self.wake.wait_timeout(state, self.every).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// `12.3 MB`
pub fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "kB", "MB", "GB"] {
        if value < 999.5 {
            let digits = usize::from(value < 99.95 && unit != "B");
            return format!("{value:.digits$} {unit}");
        }
        value /= 1000.0;
    }
    format!("{value:.1} TB")
}
