// SPDX-License-Identifier: Apache-2.0
//! The seccomp agent at `listenerPath`: it gets the filter's notification descriptor and the state of
//! the container's process in one message.

use std::os::fd::{AsFd, OwnedFd};

use serde::Serialize;

use super::document::document;
use super::{console, version};
use crate::container::{State, Status};
use crate::error::{Error, Result};
use crate::plan::Agent;

/// ContainerProcessState of the runtime specification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    oci_version: &'static str,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "str::is_empty")]
    metadata: &'a str,
    state: serde_json::Value,
}

/// `pid` is the process's, as we see it.
pub(super) fn tell(
    agent: Option<&Agent>,
    state: &State,
    status: Status,
    pid: i32,
    listener: &OwnedFd,
) -> Result<()> {
    let agent =
        agent.ok_or_else(|| Error::new("no seccomp agent to tell").at("/linux/seccomp/listenerPath"))?;
    let init = state.init.map_or(pid, |init| init.pid);
    let told = Document {
        oci_version: version::SPEC,
        fds: ["seccompFd"],
        pid,
        metadata: &agent.metadata,
        state: serde_json::from_slice(&document(state, status, init)).unwrap_or_default(),
    };
    let text = serde_json::to_vec(&told).map_err(|e| {
        Error::new("unable to describe the process to the seccomp agent").because(e.to_string())
    })?;
    console::send(&agent.socket, &text, listener.as_fd()).map_err(|error| {
        error.at("/linux/seccomp/listenerPath").context("failed to connect with seccomp agent")
    })
}
