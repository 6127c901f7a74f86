// SPDX-License-Identifier: Apache-2.0
//! Passes on that the container is ready, for a unit of systemd's with Type=notify.

use std::os::fd::BorrowedFd;

use super::environment::Activation;
use crate::container::Container;
use crate::error::Result;
use crate::spawn::notify::Notify;

/// Stays until the container has said so, or has ended; where nobody asked, not at all.
pub(super) fn pass_ready(container: &Container, pid: i32, init: BorrowedFd<'_>) -> Result<()> {
    let Some(host) = Activation::read().notify_socket else { return Ok(()) };
    Notify::bind(container.dir(), &host)?.wait_for_ready(pid, init)
}
