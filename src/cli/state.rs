// SPDX-License-Identifier: Apache-2.0
//! `state`: what a container is now, as the JSON that every client of runc's decodes.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{ArgMatches, Command};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::global::Global;
use super::{flags, output, version};
use crate::error::{Error, Result};

/// The properties in runc's order. `rootfs` must be absolute: buildkit looks users up in it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document<'a> {
    oci_version: &'static str,
    pub(super) id: &'a str,
    /// 0 when there is no process.
    pub(super) pid: i32,
    pub(super) status: &'a str,
    pub(super) bundle: &'a Path,
    pub(super) rootfs: &'a Path,
    pub(super) created: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: &'a BTreeMap<String, String>,
    /// Empty in `state`, a name in `list`.
    pub(super) owner: String,
}

pub(super) fn command() -> Command {
    flags::command("state", "Print the state of a container", "<container-id>")
}

/// Indented by two, no newline at the end.
fn json(document: &Document<'_>) -> Result<String> {
    indented(document, "  ")
}

/// JSON in the layout of Go's MarshalIndent.
pub(super) fn indented(value: &impl Serialize, indent: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    let made =
        value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).map_err(|e| e.to_string());
    let text = made.and_then(|()| String::from_utf8(bytes).map_err(|e| e.to_string()));
    text.map_err(|reason| Error::new("unable to print JSON").because(reason))
}

pub(super) fn run(_global: &Global, _matches: &ArgMatches) -> Result<i32> {
    Err(Error::new("not wired yet"))
}
