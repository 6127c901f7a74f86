// SPDX-License-Identifier: Apache-2.0
//! `list`: all containers below `--root`.

use std::fmt::Write;

use clap::{ArgMatches, Command};

use super::flags::{self, switch, value};
use super::global::Global;
use super::output;
use super::state::Document;
use crate::error::{Error, Result};

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

fn ids(documents: &[Document<'_>]) -> String {
    documents.iter().map(|document| format!("{}\n", document.id)).collect()
}

/// One line. No container at all is `null`, the nil slice of Go.
fn json(documents: &[Document<'_>]) -> Result<String> {
    if documents.is_empty() {
        return Ok("null\n".to_owned());
    }
    let text = serde_json::to_string(documents)
        .map_err(|e| Error::new("unable to print JSON").because(e.to_string()))?;
    Ok(text + "\n")
}

fn table(documents: &[Document<'_>]) -> String {
    let mut rows = vec![["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned)];
    rows.extend(documents.iter().map(|document| {
        [
            document.id.to_owned(),
            document.pid.to_string(),
            document.status.to_owned(),
            document.bundle.display().to_string(),
            document.created.to_owned(),
            document.owner.clone(),
        ]
    }));
    columns(&rows)
}

/// Columns as Go's tabwriter makes them with a least width of 12 and 3 spaces between; the last cell
/// is as long as it is.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let length = |text: &String| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let longest = rows.iter().map(|row| length(&row[column])).max().unwrap_or(0);
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

pub(super) fn run(_global: &Global, _matches: &ArgMatches) -> Result<i32> {
    Err(Error::new("not wired yet"))
}
