// SPDX-License-Identifier: Apache-2.0
//! A container's id: one name in the state directory, and no other.

use std::ffi::CString;
use std::fmt;

use crate::error::{Error, Result};

/// NAME_MAX: the id is the name of a directory.
const LONGEST: usize = 255;

/// An id that has been checked: it names one entry of a directory and can never climb out of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    pub fn parse(id: &str) -> Result<ContainerId> {
        if is_valid(id) {
            return Ok(ContainerId(id.to_owned()));
        }
        Err(Error::new("invalid container ID format").because(format!("{id:?}")).hint(format!(
            "an id has 1 to {LONGEST} of the letters A-Z and a-z, digits, and _ + . -; \
             it is not \".\" or \"..\" and does not begin with \"-\""
        )))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As a name for the kernel.
    pub(super) fn name(&self) -> CString {
        // No NUL is among the valid bytes.
        CString::new(self.0.as_str()).unwrap_or_default()
    }
}

/// runc's rule, and two of our own: a leading "-" would be taken for a flag by every script that
/// passes ids on, and a name longer than a directory entry would fail late.
pub(super) fn is_valid(id: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+.-".contains(&b);
    (1..=LONGEST).contains(&id.len())
        && id.bytes().all(allowed)
        && !id.starts_with('-')
        && id != "."
        && id != ".."
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names_that_runc_takes_are_taken() {
        let longest = "a".repeat(255);
        for id in ["a", "A0_+.-", ".hidden", "...", "a..b", "1", &longest] {
            assert_eq!(ContainerId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn names_that_could_name_something_else_are_refused() {
        let too_long = "a".repeat(256);
        for id in ["", ".", "..", "a/b", "../a", "/", "a b", "a\0", "a\n", "é", "-f", "a:b", &too_long] {
            let error = ContainerId::parse(id).unwrap_err().to_string();
            assert!(error.starts_with("invalid container ID format"), "{id:?}: {error}");
        }
    }
}
