// SPDX-License-Identifier: Apache-2.0
//! config.json and process.json as `oci_spec` types.
//!
//! Parsing is strict where the specification is, and as lenient as runc where callers depend on it
//! (`lenient.rs`). No I/O: bytes in, types out.

mod lenient;
mod pointer;
mod strict;

use std::ffi::CString;

use oci_spec::runtime::{LinuxResources, Process, Spec};
use serde::de::DeserializeOwned;
use strict::Strict;

use crate::error::{Error, Result};

/// A parsed document and what runc would have warned about.
#[derive(Debug)]
pub struct Parsed<T> {
    pub value: T,
    pub warnings: Vec<String>,
}

pub fn config(bytes: &[u8]) -> Result<Parsed<Spec>> {
    let mut parsed = parse(bytes, "config.json", lenient::mend_config)?;
    lenient::drop_missing_pids_limit(&mut parsed.value, bytes);
    Ok(parsed)
}

pub fn process(bytes: &[u8]) -> Result<Parsed<Process>> {
    parse(bytes, "process.json", lenient::mend_process)
}

/// The typed parse first: it is all that a normal start pays. Only a document that it refuses is
/// looked at a second time.
fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    file: &str,
    mend: fn(&mut serde_json::Value, &mut Vec<String>),
) -> Result<Parsed<T>> {
    let refused = match typed(bytes) {
        Ok(value) => return Ok(Parsed { value, warnings: Vec::new() }),
        Err(error) => error,
    };
    let mut warnings = Vec::new();
    // A property that is there twice is refused: two readers could each see another one.
    let twice = refused.to_string().starts_with("duplicate field");
    if !twice && let Ok(mut document) = serde_json::from_slice(bytes) {
        mend(&mut document, &mut warnings);
        if let Ok(value) = T::deserialize(Strict(document)) {
            return Ok(Parsed { value, warnings });
        }
    }
    Err(explain(bytes, file, &refused))
}

fn typed<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let mut document = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Strict(&mut document))?;
    document.end().map(|()| value)
}

/// A `linux.resources` object that was put together from several.
pub fn resources(value: &serde_json::Value) -> Result<LinuxResources> {
    let text = value.to_string();
    typed(text.as_bytes()).map_err(|refused| {
        let place = pointer::at(text.as_bytes(), refused.line(), refused.column()).unwrap_or_default();
        let said = refused.to_string();
        // The line is one that nobody has seen.
        let why = said.rsplit_once(" at line ").map_or(said.as_str(), |(why, _)| why);
        Error::new("unable to understand the resources")
            .at(format!("/linux/resources{place}"))
            .because(why.replace('\n', "\\n"))
    })
}

/// Names line, column and property: where the parser stopped is where the property is.
fn explain(bytes: &[u8], file: &str, refused: &serde_json::Error) -> Error {
    // One line, whatever name of the document's is in it.
    let error = |what: String| Error::new(what).because(refused.to_string().replace('\n', "\\n"));
    let pointer = pointer::at(bytes, refused.line(), refused.column());
    let Some(pointer) = pointer.filter(|pointer| !pointer.is_empty()) else {
        return error(format!("unable to parse {file}"));
    };
    let what = match pointer.strip_prefix("/linux/memoryPolicy") {
        // runc's own words, which its callers and tests look for.
        Some(flag) if flag.starts_with("/flags/") => "invalid memory policy flag".to_owned(),
        Some("/mode") => "invalid memory policy mode".to_owned(),
        Some(_) if refused.to_string().starts_with("missing field `mode`") => {
            "invalid memory policy mode".to_owned()
        }
        _ => format!("unable to parse {file}"),
    };
    error(what).at(pointer)
}

/// An optional list as a slice: absent, null and empty mean the same everywhere but where said.
pub fn list<T>(items: &Option<Vec<T>>) -> &[T] {
    items.as_deref().unwrap_or_default()
}

/// A key of an object as part of a JSON pointer (RFC 6901).
pub fn key(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A string for the kernel. crun cuts at a NUL; here it is an error that names the place.
pub fn c_string(text: impl AsRef<std::ffi::OsStr>, place: impl FnOnce() -> String) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    let text = text.as_ref();
    CString::new(text.as_bytes()).map_err(|_| {
        Error::new(format!("invalid value {text:?}")).at(place()).because("it contains a NUL byte")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn errors_name_line_column_and_property() {
        for (text, expected) in [
            ("{", "unable to parse config.json: EOF while parsing an object at line 1 column 1"),
            (
                "{\n \"process\": {\"user\": {\"uid\": \"x\"}, \"cwd\": \"/\"}}",
                "unable to parse config.json (config.json: /process/user/uid): invalid type: string \"x\", \
                 expected u32 at line 2 column 32",
            ),
            (
                "{\"linux\":{\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"foo\"}]}}",
                "unable to parse config.json (config.json: /linux/namespaces/1/type): unknown variant `foo`",
            ),
            (
                "{\"linux\":{\"memoryPolicy\":{}}}",
                "invalid memory policy mode (config.json: /linux/memoryPolicy): missing field `mode`",
            ),
            (
                "{\"linux\":{\"memoryPolicy\":{\"nodes\":\"0\"}}}",
                "invalid memory policy mode (config.json: /linux/memoryPolicy/nodes): missing field `mode`",
            ),
            (
                "{\"linux\":{\"memoryPolicy\":{\"mode\":\"X\"}}}",
                "invalid memory policy mode (config.json: /linux/memoryPolicy/mode): unknown variant `X`",
            ),
            (
                "{\"linux\":{\"memoryPolicy\":{\"mode\":\"MPOL_LOCAL\",\"flags\":[\"X\"]}}}",
                "invalid memory policy flag (config.json: /linux/memoryPolicy/flags/0): unknown variant `X`",
            ),
            (
                "{\"linux\":{\"memoryPolicy\":{\"nodes\":0}}}",
                "unable to parse config.json (config.json: /linux/memoryPolicy/nodes): invalid type: integer",
            ),
            (
                "{\"linux\":{\"resources\":{\"pids\":[1]}}}",
                "unable to parse config.json (config.json: /linux/resources/pids): invalid type: sequence, \
                 expected struct LinuxPids at line 1 column 30",
            ),
            ("[]", "unable to parse config.json: invalid type: sequence, expected struct Spec"),
            ("{} x", "unable to parse config.json: trailing characters at line 1 column 4"),
            ("{\"hostname\":\"a\",\"hostname\":\"b\"}", "duplicate field `hostname`"),
        ] {
            let error = config(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}\n got: {error}\nwant: {expected}");
        }
    }

    #[test]
    fn what_runc_accepts_is_accepted_with_its_warning() {
        let text =
            br#"{"process":{"args":["a"],"cwd":"/","capabilities":{"bounding":["CAP_KILL","CAP_FOO"]}}}"#;
        let parsed = config(text).unwrap();
        let process = parsed.value.process().as_ref().unwrap();
        assert_eq!(process.user().uid(), 0);
        let bounding = process.capabilities().as_ref().unwrap().bounding().as_ref().unwrap();
        assert_eq!(bounding.len(), 1);
        let resources = |text: &str| {
            let text = format!("{{\"linux\":{{\"resources\":{text}}}}}");
            config(text.as_bytes()).unwrap().value.linux().as_ref().unwrap().resources().clone().unwrap()
        };
        for (pids, limit) in [(r#"{}"#, None), (r#"{"limit":null}"#, None), (r#"{"limit":0}"#, Some(0))] {
            let resources = resources(&format!("{{\"pids\":{pids}}}"));
            assert_eq!(resources.pids().map(|pids| pids.limit()), limit, "{pids}");
        }
        let huge = resources(r#"{"hugepageLimits":[{"pageSize":"2MB","limit":18446744073709551615}]}"#);
        assert_eq!(huge.hugepage_limits().as_ref().unwrap()[0].limit(), i64::MAX);
        assert_eq!(parsed.warnings, ["ignoring unknown or unavailable capabilities: [CAP_FOO]"]);
    }
}
