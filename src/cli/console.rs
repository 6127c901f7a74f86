// SPDX-License-Identifier: Apache-2.0
//! Where a terminal's master goes: to the caller's socket, or to ourselves in the foreground.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use oci_spec::runtime::{Process, Spec};

use crate::error::{Error, Result};
use crate::spawn;

/// Whether init waits for `start`, or for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Create,
    Run { detach: bool },
}

/// The socket that init sends the master over, and our end of it where it is ours.
#[derive(Default)]
pub(super) struct Console {
    pub(super) given: Option<OwnedFd>,
    pub(super) kept: Option<OwnedFd>,
}

pub(super) fn wanted(spec: &Spec) -> bool {
    spec.process().as_ref().and_then(Process::terminal).unwrap_or(false)
}

/// The texts are runc's: podman and people know them.
pub(super) fn open(terminal: bool, socket: Option<&Path>, mode: Mode) -> Result<Console> {
    let detached = mode != (Mode::Run { detach: false });
    match (terminal, socket) {
        (true, Some(path)) if detached => {
            Ok(Console { given: Some(spawn::connect_console(path)?), kept: None })
        }
        (true, None) if detached => {
            Err(Error::new("cannot allocate tty if runc will detach without setting console socket"))
        }
        (true, None) => {
            let (given, kept) = spawn::console_pair()?;
            Ok(Console { given: Some(given), kept: Some(kept) })
        }
        (false, None) => Ok(Console::default()),
        (_, Some(_)) => Err(Error::new("cannot use console socket if runc will not detach or allocate tty")),
    }
}

/// A descriptor to the socket that the caller listens on (`--pidfd-socket`).
pub(super) fn send(socket: &Path, payload: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    let socket = spawn::connect_console(socket)?;
    spawn::send_over(socket.as_fd(), payload, fd)
}
