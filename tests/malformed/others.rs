// SPDX-License-Identifier: Apache-2.0
//! The other documents that a caller gives: process.json of `exec`, the resources of `update`. What is accepted of a
//! config's properties is accepted of theirs.

use serde_json::Value;
use tare::host::cgroup::Version;
use tare::plan::cgroup;

use crate::accepted::reason;
use crate::decide::{decide_exec, full};
use crate::mutate::{places, replacements, tells_of, with};

/// Each place of the part of a config with each of the replacements, as a document of its own.
fn in_turn(part: &str, decide: impl Fn(&[u8]) -> Result<(), String>) {
    let document = full().pointer(part).unwrap().clone();
    decide(document.to_string().as_bytes()).unwrap();
    let (mut documents, mut taken, mut wrong) = (0, 0, Vec::new());
    for place in places(&document) {
        let full_place = format!("{part}{place}");
        for (kind, text) in replacements() {
            documents += 1;
            match decide(&with(&document, &place, &text)) {
                Ok(()) if reason(&full_place, kind).is_some() => taken += 1,
                Ok(()) => wrong.push(format!("{full_place} is {kind}: accepted")),
                Err(error) if is_told(&error, part, &full_place) => {}
                Err(error) => wrong.push(format!("{full_place} is {kind}: {error}")),
            }
        }
    }
    eprintln!("{documents} documents: {taken} accepted");
    assert!(wrong.is_empty(), "{} of {documents} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A property of a document that is no JSON has no place yet; one of process.json is named from there.
fn is_told(error: &str, part: &str, place: &str) -> bool {
    let no_json = error.starts_with("unable to parse the resources") && !error.trim_end().contains('\n');
    let inner = error.replacen("(config.json: ", &format!("(config.json: {part}"), 1);
    no_json || tells_of(error, place) || tells_of(&inner, place)
}

fn resources(document: &[u8]) -> Result<(), String> {
    let request: Value =
        serde_json::from_slice(document).map_err(|e| format!("unable to parse the resources: {e}"))?;
    for version in [Version::V1, Version::V2] {
        let saved = full()["linux"]["resources"].clone();
        cgroup::update(&saved, request.clone(), version).map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[test]
fn process_file() {
    in_turn("/process", decide_exec);
}

#[test]
fn resources_file() {
    in_turn("/linux/resources", resources);
}

/// Cut off at every byte, and every byte in turn no UTF-8: never a panic, never accepted.
#[test]
fn bytes_of_both() {
    for (part, decide) in [("/process", decide_exec as fn(&[u8]) -> _), ("/linux/resources", resources)] {
        let text = full().pointer(part).unwrap().to_string();
        for at in 0..text.len() {
            assert!(decide(&text.as_bytes()[..at]).is_err(), "{part} to {at}");
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] = 0xff;
            assert!(decide(&bytes).is_err(), "{part} byte {at}");
        }
    }
}
