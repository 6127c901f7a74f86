// SPDX-License-Identifier: Apache-2.0
//! The few lines that tare says about itself: one for an error, in the formats of runc's logger.
//!
//! Runs in the calling process only, before and after the clone, never in init. Set up once, by `cli`.
//! containerd takes the last line of the file whose level is "error"; Podman parses the whole file as
//! one JSON object. So a failure is exactly one line, and nothing else is written unless asked for.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::strerror;
use crate::sys::{self, fs};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Error,
    Warning,
    Debug,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warning => "warning",
            Level::Debug => "debug",
        }
    }
}

/// Where lines go, and which: the global flags `--log`, `--log-format` and `--debug`.
#[derive(Debug, Default)]
pub struct Log {
    file: Option<CString>,
    format: Format,
    debug: bool,
}

impl Log {
    /// Without a `file`: standard error. `file` is opened for each line, as most runs have none, so
    /// it must be absolute if the working directory is going to change.
    ///
    /// # Errors
    /// EINVAL for a path with a NUL in it.
    pub fn new(file: Option<OsString>, format: Format, debug: bool) -> sys::Result<Log> {
        let file = file.map(|path| CString::new(path.into_vec())).transpose();
        Ok(Log { file: file.map_err(|_| sys::Errno::EINVAL)?, format, debug })
    }

    /// From here on all lines go there; the first to be set up stays.
    pub fn set_up(self) {
        let _ = LOG.set(self);
    }

    fn write(&self, level: Level, message: &str) {
        let line = line(self.format, level, message, &now());
        let stderr = std::io::stderr();
        let written = match &self.file {
            None => fs::write_all(stderr.as_fd(), line.as_bytes()),
            Some(path) => append(path, line.as_bytes()),
        };
        if let (Some(path), Err(errno)) = (&self.file, written) {
            let path = path.to_string_lossy();
            say(stderr.as_fd(), &format!("unable to write the log {path}: {}", strerror(errno)));
        }
        // Who reads standard error rather than the log (conmon, a person) must see the reason too.
        if level == Level::Error && self.file.is_some() {
            say(stderr.as_fd(), message);
        }
    }
}

static LOG: OnceLock<Log> = OnceLock::new();

/// Why the command failed. Once, at the end of `main`.
pub fn error(message: &str) {
    LOG.get_or_init(Log::default).write(Level::Error, message);
}

/// The container's last words, on the stream that it shares with us. False where a log of its own must have them.
pub fn last_words(message: &str) -> bool {
    let alone = LOG.get_or_init(Log::default).file.is_none();
    if alone {
        say(std::io::stderr().as_fd(), message);
    }
    alone
}

/// Something that the user should know of and that stops nothing.
pub fn warn(message: &str) {
    LOG.get_or_init(Log::default).write(Level::Warning, message);
}

/// Only under `--debug`: the text is not even made otherwise.
pub fn debug(message: impl FnOnce() -> String) {
    let log = LOG.get_or_init(Log::default);
    if log.debug {
        log.write(Level::Debug, &message());
    }
}

/// One write(2) with O_APPEND: the lines of processes that share a log do not mix.
fn append(path: &CString, line: &[u8]) -> sys::Result<()> {
    let flags = fs::O_WRONLY | fs::O_APPEND | fs::O_CREAT | fs::O_NOCTTY;
    let file = fs::openat(fs::CWD, path, flags, 0o644)?;
    fs::write_all(file.as_fd(), line)
}

/// Plain text to standard error; there is nobody to tell if that fails.
fn say(stderr: BorrowedFd<'_>, text: &str) {
    let _ = fs::write_all(stderr, format!("{text}\n").as_bytes());
}

fn line(format: Format, level: Level, message: &str, time: &str) -> String {
    let level = level.name();
    match format {
        Format::Text => format!("time={} level={level} msg={}\n", quoted(time), quoted(message)),
        Format::Json => {
            let message = serde_json::Value::from(message);
            format!("{{\"level\":\"{level}\",\"msg\":{message},\"time\":\"{time}\"}}\n")
        }
    }
}

/// As logrus, runc's logger, does: bare where every character is a plain one, else a string of Go.
fn quoted(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "-._/@^+".contains(c)) {
        return text.to_owned();
    }
    let escaped: String = text.chars().map(go_escaped).collect();
    format!("\"{escaped}\"")
}

fn go_escaped(c: char) -> String {
    match c {
        '"' | '\\' => format!("\\{c}"),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\x07' => "\\a".to_owned(),
        '\x08' => "\\b".to_owned(),
        '\x0b' => "\\v".to_owned(),
        '\x0c' => "\\f".to_owned(),
        ' '..='~' => c.to_string(),
        '\0'..='\x7f' => format!("\\x{:02x}", u32::from(c)),
        // What Rust would escape is not printable, and not by Go's tables either.
        _ if c.escape_debug().len() == 1 => c.to_string(),
        '\u{80}'..='\u{ffff}' => format!("\\u{:04x}", u32::from(c)),
        _ => format!("\\U{:08x}", u32::from(c)),
    }
}

fn now() -> String {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    rfc3339(elapsed.as_secs())
}

/// UTC, to the second. Days are counted from 1 March, so that the leap day ends the year.
fn rfc3339(seconds: u64) -> String {
    const DAYS_TO_1970_FROM_MARCH_0000: u64 = 719_468;
    let (days, second) = (seconds / 86_400 + DAYS_TO_1970_FROM_MARCH_0000, seconds % 86_400);
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = era * 400 + year + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_utc_to_the_second() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_795_314_986, "2026-11-22T02:36:26Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    /// The right-hand sides are what runc 1.1.5 printed for such messages.
    #[test]
    fn lines_are_those_of_runc() {
        let time = "2026-11-22T02:36:26Z";
        let text = |message| line(Format::Text, Level::Error, message, time);
        for (message, tail) in [
            ("container does not exist", r#"msg="container does not exist""#),
            ("invalid log-format: xml", r#"msg="invalid log-format: xml""#),
            ("unknown signal \"BOGUS\"", r#"msg="unknown signal \"BOGUS\"""#),
            ("plain-word_2.7/@^+", "msg=plain-word_2.7/@^+"),
            ("two\nlines\ttab", r#"msg="two\nlines\ttab""#),
            ("\u{1b}[1m\u{7f}", r#"msg="\x1b[1m\x7f""#),
            ("naïve\u{202e}", "msg=\"naïve\\u202e\""),
        ] {
            assert_eq!(text(message), format!("time=\"{time}\" level=error {tail}\n"));
        }
        assert_eq!(
            line(Format::Json, Level::Error, "exec: \"x\":\nhint", time),
            "{\"level\":\"error\",\"msg\":\"exec: \\\"x\\\":\\nhint\",\"time\":\"2026-11-22T02:36:26Z\"}\n"
        );
        assert!(line(Format::Text, Level::Warning, "x", time).contains(" level=warning msg=x\n"));
    }
}
