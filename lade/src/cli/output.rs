// SPDX-License-Identifier: Apache-2.0
//! Writing for people and programs. Text of an image may hold escape sequences; a terminal never gets to see them.

use std::io::Write;

use serde::Serialize;

use crate::error::{Context, Error, Result};

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
pub(super) fn ago(time: Option<&str>) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs());
    match time.and_then(seconds) {
        Some(then) => {
            let past = i64::try_from(now).unwrap_or(0).saturating_sub(then).max(0);
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

/// Seconds since 1970 of `YYYY-MM-DDThh:mm:ss...`, taken as UTC: an hour or two do not matter to a table.
fn seconds(text: &str) -> Option<i64> {
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // Days from the civil calendar, years beginning in March (H. Hinnant).
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = y.rem_euclid(400) * 365 + y.rem_euclid(400) / 4 - y.rem_euclid(400) / 100 + day_of_year;
    Some((era * 146_097 + day_of_era - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_escapes() {
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2024-02-29T12:34:56.789Z"), Some(1_709_210_096));
        assert_eq!(seconds("garbage"), None);
        assert_eq!(clean("a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
    }
}
