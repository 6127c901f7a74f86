// SPDX-License-Identifier: Apache-2.0
//! `list`: all containers below `--root`.

use std::fmt::Write;

use clap::{ArgMatches, Command};

use super::flags::{self, switch, value};
use super::global::Global;
use super::output;
use super::state::Document;
use crate::container::{ContainerId, Store};
use crate::error::{Error, Kind, Result};
use crate::host::account;
use crate::log;

/// How `list` and `ps` print.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
}

impl Format {
    pub(super) fn new(matches: &ArgMatches) -> Result<Format> {
        match flags::text(matches, "format")?.as_deref() {
            None | Some("table") => Ok(Format::Table),
            Some("json") => Ok(Format::Json),
            Some(_) => Err(Error::new("invalid format option")),
        }
    }
}

pub(super) fn command() -> Command {
    flags::command("list", "List the containers below --root", "[options]")
        .arg(value("format", "FORMAT", "table or json").short('f'))
        .arg(switch("quiet", "print the ids only").short('q'))
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let format = Format::new(matches)?;
    let documents = match Store::open(&global.root)? {
        Some(store) => documents(&store)?,
        None if global.root_given => {
            let what = format!("unable to open the state directory {}", global.root.display());
            return Err(Error::new(what).because("no such file or directory"));
        }
        None => Vec::new(),
    };
    let text = match format {
        _ if flags::is_on(matches, "quiet") => ids(&documents),
        Format::Table => table(&documents),
        Format::Json => json(&documents)?,
    };
    output::print(&text)?;
    Ok(0)
}

/// One that cannot be read is passed over with a word; one that has just been deleted without.
fn documents(store: &Store) -> Result<Vec<Document>> {
    let mut documents = Vec::new();
    for id in store.ids()? {
        match document(store, &id) {
            Ok(document) => documents.push(document),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => log::warn(&format!("unable to list container {id}: {error}")),
        }
    }
    Ok(documents)
}

fn document(store: &Store, id: &ContainerId) -> Result<Document> {
    let container = store.get(id)?;
    let state = container.state()?;
    let owner = account::name_of(state.owner).unwrap_or_else(|| format!("#{}", state.owner));
    Ok(Document { owner, ..Document::new(&container, state) })
}

fn ids(documents: &[Document]) -> String {
    documents.iter().map(|document| format!("{}\n", document.id)).collect()
}

/// One line. No container at all is `null`, the nil slice of Go.
fn json(documents: &[Document]) -> Result<String> {
    if documents.is_empty() {
        return Ok("null\n".to_owned());
    }
    let text = serde_json::to_string(documents);
    Ok(text.map_err(|e| Error::new("unable to print JSON").because(e.to_string()))? + "\n")
}

fn table(documents: &[Document]) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(documents.iter().map(|document| {
        [
            document.id.clone(),
            document.pid.to_string(),
            document.status.to_string(),
            document.bundle.display().to_string(),
            document.created.clone(),
            document.owner.clone(),
        ]
    }));
    columns(&rows)
}

/// Columns as Go's tabwriter makes them with a least width of 12 and 3 spaces between; the last cell
/// is as long as it is.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let widths: [usize; N] = std::array::from_fn(|column| {
        let longest = rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        if column + 1 == N { 0 } else { (longest + 3).max(12) }
    });
    let mut out = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{cell:<width$}");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::state::tests::example;
    use super::*;

    /// The right-hand sides are what runc 1.1.5 printed.
    #[test]
    fn output_is_runcs_to_the_byte() {
        let one = [Document { owner: "root".into(), ..example() }];
        assert_eq!(
            table(&one),
            "ID          PID         STATUS      BUNDLE            CREATED                          OWNER\n\
             cli-a       14879       running     /tmp/cliprobe/b   2026-11-22T02:39:38.997867943Z   root\n"
        );
        assert_eq!(
            json(&one).unwrap(),
            "[{\"ociVersion\":\"1.3.0\",\"id\":\"cli-a\",\"pid\":14879,\"status\":\"running\",\
             \"bundle\":\"/tmp/cliprobe/b\",\"rootfs\":\"/tmp/cliprobe/b/rootfs\",\
             \"created\":\"2026-11-22T02:39:38.997867943Z\",\"owner\":\"root\"}]\n"
        );
        assert_eq!(ids(&one), "cli-a\n");
    }

    #[test]
    fn no_container_is_a_head_a_null_or_nothing() {
        assert_eq!(table(&[]), "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
        assert_eq!(json(&[]).unwrap(), "null\n");
        assert_eq!(ids(&[]), "");
    }

    #[test]
    fn columns_grow_by_characters() {
        let rows =
            [["ID", "X"], ["a-very-long-id", "1"], ["ünïcödé-ïd-x", "2"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), "ID               X\na-very-long-id   1\nünïcödé-ïd-x     2\n");
    }
}
