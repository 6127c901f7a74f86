// SPDX-License-Identifier: Apache-2.0
//! The state of a container as hooks and seccomp agents are told it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::version;
use crate::container::{State, Status};

/// What a hook reads on its standard input.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    oci_version: &'static str,
    id: &'a str,
    status: String,
    #[serde(skip_serializing_if = "is_zero")]
    pid: i32,
    bundle: &'a Path,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(pid: &i32) -> bool {
    *pid == 0
}

pub(super) fn document(state: &State, status: Status, pid: i32) -> Vec<u8> {
    let document = Document {
        oci_version: version::SPEC,
        id: &state.id,
        status: status.to_string(),
        pid,
        bundle: &state.bundle,
        annotations: &state.annotations,
    };
    // Strings and a number: nothing of it can fail to be JSON, but for a bundle that is not UTF-8.
    serde_json::to_vec(&document).unwrap_or_default()
}
