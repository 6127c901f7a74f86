// SPDX-License-Identifier: Apache-2.0
//! The formats that the files of a cgroup have (cgroup-v1/ and cgroup-v2.rst in the kernel's documentation).

use std::collections::BTreeMap;
use std::str::FromStr;

use super::{BlkioEntry, Pressure};
use crate::error::{Error, Result, While};
use crate::sys::{self, Errno};

/// Reads a file by its name.
pub(super) struct Files<'a>(pub(super) &'a dyn Fn(&str) -> sys::Result<String>);

impl Files<'_> {
    /// None when there is no such file, or, as pressure may be, it is switched off.
    pub(super) fn text(&self, file: &str) -> Result<Option<String>> {
        match (self.0)(file) {
            Ok(text) => Ok(Some(text)),
            Err(Errno::ENOENT | Errno::ENODEV | Errno::ENOTSUP) => Ok(None),
            Err(errno) => Err(errno).or_unable(|| format!("read {file}")),
        }
    }

    fn parsed<T: Default>(&self, file: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        let Some(text) = self.text(file)? else { return Ok(T::default()) };
        parse(text.trim_end()).ok_or_else(|| {
            let line = text.lines().next().unwrap_or_default();
            Error::new(format!("unable to understand {file}")).because(format!("it begins with {line:?}"))
        })
    }

    /// "max" is the largest.
    pub(super) fn number(&self, file: &str) -> Result<u64> {
        self.parsed(file, |text| if text == "max" { Some(u64::MAX) } else { text.parse().ok() })
    }

    pub(super) fn signed(&self, file: &str) -> Result<i64> {
        self.parsed(file, |text| text.parse().ok())
    }

    pub(super) fn numbers(&self, file: &str) -> Result<Vec<u64>> {
        self.parsed(file, |text| text.split_whitespace().map(parse).collect())
    }

    /// Lines of a name and a number.
    pub(super) fn keyed(&self, file: &str) -> Result<BTreeMap<String, u64>> {
        let pair = |line: &str| {
            let (key, value) = line.split_once(' ')?;
            Some((key.to_owned(), parse(value)?))
        };
        self.parsed(file, |text| text.lines().map(pair).collect())
    }

    /// "0-2,7"
    pub(super) fn list(&self, file: &str) -> Result<Vec<u16>> {
        let range = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(parse::<u16>(first)?..=parse(last)?)
        };
        self.parsed(file, |text| {
            let parts = text.split(',').filter(|part| !part.is_empty());
            let ranges: Option<Vec<_>> = parts.map(range).collect();
            Some(ranges?.into_iter().flatten().collect())
        })
    }

    /// A table with a head, a row for each CPU: "cpu user system", of which all but the first column.
    pub(super) fn per_cpu(&self, file: &str) -> Result<Vec<[u64; 2]>> {
        let row = |line: &str| {
            let mut fields = line.split(' ').skip(1).map(parse);
            Some([fields.next()??, fields.next()??])
        };
        self.parsed(file, |text| text.lines().skip(1).map(row).collect())
    }

    /// "8:0 Read 4096", or without an operation "8:0 8"; the sum of all devices, "Total 4096", is left out.
    pub(super) fn blkio(&self, file: &str) -> Result<Vec<BlkioEntry>> {
        let entry = |line: &str| {
            let (device, rest) = line.split_once(' ')?;
            let (major, minor) = device.split_once(':')?;
            let (op, value) = rest.split_once(' ').unwrap_or(("", rest));
            Some(BlkioEntry {
                major: parse(major)?,
                minor: parse(minor)?,
                op: op.to_owned(),
                value: parse(value)?,
            })
        };
        let is_entry = |line: &&str| !line.starts_with("Total ");
        self.parsed(file, |text| text.lines().filter(is_entry).map(entry).collect())
    }

    pub(super) fn pressure(&self, file: &str) -> Result<Option<Pressure>> {
        self.parsed(file, |text| pressure(text).map(Some))
    }
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0", and the same of "full".
fn pressure(text: &str) -> Option<Pressure> {
    let mut pressure = Pressure::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let stalled = match words.next()? {
            "some" => &mut pressure.some,
            "full" => &mut pressure.full,
            _ => continue,
        };
        for word in words {
            match word.split_once('=')? {
                ("avg10", value) => stalled.avg10 = parse(value)?,
                ("avg60", value) => stalled.avg60 = parse(value)?,
                ("avg300", value) => stalled.avg300 = parse(value)?,
                ("total", value) => stalled.total = parse(value)?,
                _ => {}
            }
        }
    }
    Some(pressure)
}
