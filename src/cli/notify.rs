// SPDX-License-Identifier: Apache-2.0
//! Passes on that the container is ready, for a unit of systemd's with Type=notify.

use std::os::fd::BorrowedFd;

use super::environment::Activation;
use crate::container::Container;
use crate::error::Result;
use crate::spawn::notify::Notify;

/// Where the container will speak to, if anybody asked: bound before its program begins.
pub(super) fn bind(container: &Container) -> Result<Option<Notify>> {
    let host = Activation::read().notify_socket;
    host.map(|host| Notify::bind(container.dir(), &host)).transpose()
}

/// Stays until the container has said that it is ready, or has ended.
pub(super) fn pass_ready(notify: Option<Notify>, pid: i32, init: BorrowedFd<'_>) -> Result<()> {
    notify.map_or(Ok(()), |notify| notify.wait_for_ready(pid, init))
}
