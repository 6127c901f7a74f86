// SPDX-License-Identifier: Apache-2.0
//! The only place that writes to standard output.

use std::io::Write;

use nix::errno::Errno;

use crate::error::{Error, Result};

/// A reader that has gone away is an error like any other; println! would panic.
pub(super) fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|e| {
        let errno = Errno::from_raw(e.raw_os_error().unwrap_or_default());
        Error::sys("unable to write to standard output", errno)
    })
}
