// SPDX-License-Identifier: Apache-2.0
//! One error type: a sentence for a person, an optional hint, and the kind the program itself acts on.

use std::fmt;
use std::io;

/// What a caller may have to decide on; everything else is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Other,
    NotFound,
    /// Bytes that are not what their digest, size or format says.
    Corrupt,
    /// Worth another try: a broken connection, a 5xx, a 429.
    Transient,
    Denied,
    /// The disk is full, or the quota.
    NoSpace,
}

#[derive(Debug, Clone)]
pub struct Error {
    text: String,
    hint: Option<String>,
    kind: Kind,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(text: impl Into<String>) -> Self {
        Error { text: text.into(), hint: None, kind: Kind::Other }
    }

    pub fn not_found(text: impl Into<String>) -> Self {
        Error::new(text).kind_of(Kind::NotFound)
    }

    pub fn corrupt(text: impl Into<String>) -> Self {
        Error::new(text).kind_of(Kind::Corrupt)
    }

    pub fn kind_of(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.text = format!("{what}: {}", self.text);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Error {}

/// An error travels through `io::Read` as an `io::Error` and comes out whole.
impl From<Error> for io::Error {
    fn from(e: Error) -> Self {
        io::Error::other(e)
    }
}

/// Gives a failed operation its sentence: `unable to <verb> <object>: <reason>`.
pub trait Context<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Context<T> for io::Result<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| {
            let kind = match e.kind() {
                io::ErrorKind::NotFound => Kind::NotFound,
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Kind::NoSpace,
                _ => Kind::Other,
            };
            match (e.raw_os_error(), e.downcast::<Error>()) {
                (_, Ok(ours)) => ours.within(what()),
                (Some(errno), Err(_)) => Error::new(format!("{}: {}", what(), strerror(errno))).kind_of(kind),
                (None, Err(e)) => Error::new(format!("{}: {e}", what())).kind_of(kind),
            }
        })
    }
}

impl<T> Context<T> for nix::Result<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(io::Error::from).context(what)
    }
}

impl<T> Context<T> for Result<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| e.within(what()))
    }
}

impl<T> Context<T> for serde_json::Result<T> {
    fn context<D: fmt::Display>(self, what: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|e| Error::corrupt(format!("{}: {e}", what())))
    }
}

fn strerror(errno: i32) -> String {
    let text = nix::errno::Errno::from_raw(errno).desc();
    let mut chars = text.chars();
    chars.next().map(|c| c.to_ascii_lowercase()).into_iter().chain(chars).collect()
}

#[macro_export]
macro_rules! bail {
    ($($arg:tt)*) => { return Err($crate::error::Error::new(format!($($arg)*))) };
}

/// Returns an error of the kind `Corrupt`: the input is not what it claims to be.
#[macro_export]
macro_rules! corrupt {
    ($($arg:tt)*) => { return Err($crate::error::Error::corrupt(format!($($arg)*))) };
}
