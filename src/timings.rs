// SPDX-License-Identifier: Apache-2.0
//! Where the time of a start goes (`--timings`): a table for a person, or a trace that browsers' viewers open.
//!
//! Runs in the calling process. Init notes when each step was over in a file that it is given; without the flag there is
//! no such file, and each `mark` is one look at an empty cell. May name: sys, error.

use std::cell::RefCell;
use std::ffi::CString;
use std::fmt::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Result, While};
use crate::sys;

/// What was going on until `end`, in nanoseconds of the same clock everywhere.
#[derive(Debug)]
struct Part {
    what: String,
    place: String,
    end: u64,
}

#[derive(Debug)]
struct Timings {
    began: u64,
    parts: Vec<Part>,
    /// What init performs, and the file that it notes the ends of its steps in.
    steps: Vec<Part>,
    noted: OwnedFd,
    to: Option<CString>,
}

thread_local! {
    // tare has one thread.
    static TIMINGS: RefCell<Option<Timings>> = const { RefCell::new(None) };
}

/// From here on time is taken; it is told on standard error, or written to a file as a trace.
///
/// # Errors
/// There is no anonymous file for init.
pub fn begin(to: Option<CString>) -> Result<()> {
    let noted = sys::fs::memfd(c"timings").or_unable(|| "make a file for the times of init".into())?;
    let timings = Timings { began: sys::process::now(), parts: Vec::new(), steps: Vec::new(), noted, to };
    TIMINGS.set(Some(timings));
    Ok(())
}

/// What has gone on since the last mark.
pub fn mark(what: &str) {
    with(|timings| {
        let part = Part { what: what.to_owned(), place: String::new(), end: sys::process::now() };
        timings.parts.push(part);
    });
}

/// What init is going to perform, and where it shall note it; None when nobody wants to know.
pub fn init<'s>(steps: impl Iterator<Item = (String, &'s str)>) -> Option<OwnedFd> {
    with(|timings| {
        if !timings.steps.is_empty() {
            return None;
        }
        timings.steps = steps.map(|(what, place)| Part { what, place: place.to_owned(), end: 0 }).collect();
        sys::fs::duplicate(timings.noted.as_fd()).ok()
    })?
}

fn with<T>(run: impl FnOnce(&mut Timings) -> T) -> Option<T> {
    TIMINGS.with_borrow_mut(|timings| timings.as_mut().map(run))
}

/// Tells it, once.
///
/// # Errors
/// The file cannot be written.
pub fn tell() -> Result<()> {
    let Some(mut timings) = TIMINGS.take() else { return Ok(()) };
    let began = timings.read_steps();
    match &timings.to {
        None => sys::fs::write_all(std::io::stderr().as_fd(), timings.table(began).as_bytes())
            .or_unable(|| "write the timings".into()),
        Some(path) => write(path, timings.trace(began).as_bytes())
            .or_unable(|| format!("write the timings to {}", path.to_string_lossy())),
    }
}

fn write(path: &CString, text: &[u8]) -> sys::Result<()> {
    let flags = sys::fs::O_WRONLY | sys::fs::O_CREAT | sys::fs::O_TRUNC;
    sys::fs::write_all(sys::fs::openat(sys::fs::CWD, path, flags, 0o644)?.as_fd(), text)
}

impl Timings {
    /// When init began. What it has not noted (a filter forbids it, it executes) is left out.
    fn read_steps(&mut self) -> u64 {
        let noted = read_numbers(self.noted.as_fd(), self.steps.len() + 1);
        let mut numbers = noted.into_iter();
        let began = numbers.next().unwrap_or_default();
        let ends: Vec<u64> = numbers.collect();
        self.steps.truncate(ends.len());
        for (step, end) in self.steps.iter_mut().zip(ends) {
            step.end = end;
        }
        began
    }

    /// (start, part, whose) in the order of the table: the caller's parts, then init's.
    fn rows(&self, init_began: u64) -> Vec<(u64, &Part, &'static str)> {
        let mut rows = Vec::new();
        for (mut start, parts, who) in [(self.began, &self.parts, "tare"), (init_began, &self.steps, "init")]
        {
            for part in parts {
                rows.push((start, part, who));
                start = part.end;
            }
        }
        rows
    }

    fn table(&self, init_began: u64) -> String {
        let mut text = String::from("   start ms  took ms  who   what\n");
        for (start, part, who) in self.rows(init_began) {
            let (from, took) = (milliseconds(start, self.began), milliseconds(part.end, start));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{from:11.3} {took:8.3}  {who}  {}", part.what);
        }
        text
    }

    /// The "trace event format": complete events, in microseconds, a line of the picture for each process.
    fn trace(&self, init_began: u64) -> String {
        let events = self.rows(init_began).into_iter().map(|(start, part, who)| {
            serde_json::json!({
                "name": part.what, "ph": "X", "pid": 1, "tid": who,
                "ts": milliseconds(start, self.began) * 1e3, "dur": milliseconds(part.end, start) * 1e3,
                "args": { "config.json": part.place },
            })
        });
        serde_json::json!({ "traceEvents": events.collect::<Vec<_>>() }).to_string() + "\n"
    }
}

/// The clock of a host may be set back meanwhile: then it is nothing.
fn milliseconds(end: u64, start: u64) -> f64 {
    end.saturating_sub(start) as f64 / 1e6
}

fn read_numbers(file: BorrowedFd<'_>, most: usize) -> Vec<u64> {
    let mut bytes = vec![0; most * 8];
    let n = sys::fs::read_from_start(file, &mut bytes).unwrap_or_default();
    bytes[..n].chunks_exact(8).map(|eight| u64::from_ne_bytes(eight.try_into().unwrap_or_default())).collect()
}
