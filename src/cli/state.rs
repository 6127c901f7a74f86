// SPDX-License-Identifier: Apache-2.0
//! `state`: what a container is now, as the JSON that every client of runc's decodes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{ArgMatches, Command};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};

use super::global::Global;
use super::{destroy, flags, output, version};
use crate::container::{Container, State, Status};
use crate::error::{Error, Result};

/// The properties in runc's order. `rootfs` must be absolute: buildkit looks users up in it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) oci_version: &'static str,
    pub(super) id: String,
    /// 0 when there is no process.
    pub(super) pid: i32,
    #[serde(serialize_with = "as_text")]
    pub(super) status: Status,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
    /// Empty in `state`, a name in `list`.
    pub(super) owner: String,
}

/// What Go takes for no time; it does not decode an empty one.
const NEVER: &str = "0001-01-01T00:00:00Z";

impl Document {
    pub(super) fn new(container: &Container, state: State) -> Document {
        let status = destroy::status(container, &state);
        let init = state.init.filter(|_| status != Status::Stopped);
        Document {
            oci_version: version::SPEC,
            id: container.id().to_string(),
            pid: init.map_or(0, |process| process.pid),
            status,
            bundle: state.bundle,
            rootfs: state.rootfs,
            created: if state.created.is_empty() { NEVER.to_owned() } else { state.created },
            annotations: state.annotations,
            owner: String::new(),
        }
    }
}

fn as_text<S: serde::Serializer>(status: &Status, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.collect_str(status)
}

pub(super) fn command() -> Command {
    flags::command("state", "Print the state of a container", "<container-id>")
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let container = global.container(&flags::id(matches))?;
    let document = Document::new(&container, container.state()?);
    output::print(&indented(&document, "  ")?)?;
    Ok(0)
}

/// JSON in the layout of Go's MarshalIndent, which ends without a newline.
pub(super) fn indented(value: &impl Serialize, indent: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let formatter = PrettyFormatter::with_indent(indent.as_bytes());
    let made =
        value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)).map_err(|e| e.to_string());
    let text = made.and_then(|()| String::from_utf8(bytes).map_err(|e| e.to_string()));
    text.map_err(|reason| Error::new("unable to print JSON").because(reason))
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// One that runc 1.1.5 has shown, in the version of today.
    pub(in super::super) fn example() -> Document {
        Document {
            oci_version: "1.3.0",
            id: "cli-a".into(),
            pid: 14879,
            status: Status::Running,
            bundle: "/tmp/cliprobe/b".into(),
            rootfs: "/tmp/cliprobe/b/rootfs".into(),
            created: "2026-11-22T02:39:38.997867943Z".into(),
            annotations: BTreeMap::new(),
            owner: String::new(),
        }
    }

    #[test]
    fn the_document_is_runcs_to_the_byte() {
        let runcs = r#"{
  "ociVersion": "1.3.0",
  "id": "cli-a",
  "pid": 14879,
  "status": "running",
  "bundle": "/tmp/cliprobe/b",
  "rootfs": "/tmp/cliprobe/b/rootfs",
  "created": "2026-11-22T02:39:38.997867943Z",
  "owner": ""
}"#;
        assert_eq!(indented(&example(), "  ").unwrap(), runcs);
    }

    #[test]
    fn annotations_stand_before_the_owner() {
        let annotations = BTreeMap::from([("b".into(), "2".into()), ("a".into(), "1".into())]);
        let text = indented(&Document { annotations, ..example() }, "  ").unwrap();
        let tail = "  \"annotations\": {\n    \"a\": \"1\",\n    \"b\": \"2\"\n  },\n  \"owner\": \"\"\n}";
        assert!(text.ends_with(tail), "{text}");
    }
}
