// SPDX-License-Identifier: Apache-2.0
//! Writing for people and programs. Text of an image may hold escape sequences; a terminal never gets to see them.

use std::io::Write;

use serde::Serialize;

use crate::error::{Context, Error, Result};
use crate::time;

/// Control characters made visible.
pub(super) fn clean(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

pub(super) fn line(text: &str) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{}", clean(text)).context(|| "unable to write the output")
}

pub(super) fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).context(|| "unable to write the output")?;
    writeln!(std::io::stdout().lock(), "{text}").context(|| "unable to write the output")
}

pub(super) fn note(text: &str) {
    // Nobody is there to be told that nobody can be told.
    let _ = writeln!(std::io::stderr().lock(), "{}", clean(text));
}

pub(super) fn error(error: &Error) {
    note(&format!("lade: {error}"));
    if let Some(hint) = error.hint_text() {
        note(&format!("hint: {hint}"));
    }
}

/// Columns, as wide as they must be; the last as long as it is.
pub(super) fn table(rows: &[Vec<String>]) -> Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |i: usize| rows.iter().filter_map(|r| r.get(i)).map(|c| c.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            text.push_str(&format!("{cell:width$}   "));
        }
        line(text.trim_end())?;
    }
    Ok(())
}

/// `3 weeks ago`, from an RFC 3339 time.
pub(super) fn ago(created: Option<&str>) -> String {
    match created.and_then(time::rfc3339) {
        Some(then) => {
            let past = time::now().saturating_sub(then).max(0);
            let units = [
                (31_536_000, "year"),
                (2_592_000, "month"),
                (604_800, "week"),
                (86_400, "day"),
                (3600, "hour"),
                (60, "minute"),
            ];
            let (n, unit) = units
                .iter()
                .find(|(secs, _)| past >= *secs)
                .map_or((past, "second"), |(secs, unit)| (past / secs, unit));
            format!("{n} {unit}{} ago", if n == 1 { "" } else { "s" })
        }
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_shown() {
        assert_eq!(clean("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
    }
}
