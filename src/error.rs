// SPDX-License-Identifier: Apache-2.0
//! One error for the whole runtime: what could not be done, to what, where in config.json, and why.
//!
//! Printed once, by `main`. The words that clients match (containerd, Docker, Podman) are made by the
//! constructors here and pinned by a table test.

use std::fmt;

use crate::sys::Errno;

pub type Result<T> = std::result::Result<T, Error>;

/// What a caller inside tare may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// No container of this id.
    NotFound,
    /// The container is not running, or not any more.
    NotRunning,
    /// The container was ready, and its program could not be executed.
    NotExecuted,
    Other,
}

/// `what` in the form "unable to <verb> <object>", then the place in config.json, then the reason.
#[derive(Debug, thiserror::Error)]
pub struct Error(Box<Parts>);

#[derive(Debug)]
struct Parts {
    kind: Kind,
    /// Outermost first: each is followed by ": " and the next.
    context: Vec<String>,
    what: String,
    place: Option<String>,
    reason: Option<String>,
    errno: Option<Errno>,
    hint: Option<String>,
}

impl Error {
    pub fn new(what: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            kind: Kind::Other,
            context: Vec::new(),
            what: what.into(),
            place: None,
            reason: None,
            errno: None,
            hint: None,
        }))
    }

    /// A failed system call.
    pub fn sys(what: impl Into<String>, errno: Errno) -> Error {
        let mut error = Error::new(what);
        error.0.errno = Some(errno);
        error
    }

    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    pub fn errno(&self) -> Option<Errno> {
        self.0.errno
    }

    /// A call succeeded, and what it was to bring about is not so.
    pub fn not_in_force(what: impl std::fmt::Display) -> Error {
        Error::new(format!("unable to {what}")).because("the kernel said yes, and yet it is not in force")
    }

    /// The failure itself, without what was being done and without advice.
    pub fn plain(&self) -> String {
        let errno = self.0.errno.map_or_else(String::new, |errno| format!(": {}", strerror(errno)));
        format!("{}{errno}", self.0.what)
    }

    #[must_use]
    pub fn of_kind(mut self, kind: Kind) -> Error {
        self.0.kind = kind;
        self
    }

    /// The JSON pointer of the property that is to blame.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Error {
        self.0.place = Some(place.into());
        self
    }

    /// A reason in words, where there is no errno or it does not tell enough.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Error {
        self.0.reason = Some(reason.into());
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// What was being done when this came up; the outermost is said last and stands first.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Error {
        self.0.context.insert(0, doing.into());
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for doing in &self.0.context {
            write!(f, "{doing}: ")?;
        }
        f.write_str(&self.0.what)?;
        if let Some(place) = &self.0.place {
            write!(f, " (config.json: {place})")?;
        }
        if let Some(reason) = &self.0.reason {
            write!(f, ": {reason}")?;
        }
        if let Some(errno) = self.0.errno {
            write!(f, ": {}", strerror(errno))?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// The kernel's reason in lower case: Docker and Podman look for "no such file or directory",
/// "permission denied", "operation not permitted", case and all.
pub fn strerror(errno: Errno) -> String {
    let text = crate::sys::words(errno);
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // "RFS specific error" keeps its capitals, "No such file or directory" does not.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().collect::<String>() + chars.as_str()
        }
        _ => text.to_owned(),
    }
}

/// Says what was attempted, for the error of a system call.
pub trait While<T> {
    fn or_unable(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> While<T> for crate::sys::Result<T> {
    fn or_unable(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::sys(format!("unable to {}", what()), errno))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Of every number that the C library has words for.
    #[cfg(target_env = "gnu")]
    #[test]
    fn reasons_are_those_of_strerror() {
        let unknown = std::io::Error::from_raw_os_error(4000).to_string();
        let unknown = unknown.split("4000").next().unwrap();
        let mut wrong = Vec::new();
        for number in 1..=133 {
            let theirs = std::io::Error::from_raw_os_error(number).to_string();
            let theirs = theirs.split(" (os error").next().unwrap();
            if !theirs.starts_with(unknown) {
                let ours = strerror(Errno::from_raw(number));
                if ours.to_lowercase() != theirs.to_lowercase() {
                    wrong.push((number, ours, theirs.to_owned()));
                }
            }
        }
        assert_eq!(wrong, []);
    }
}
