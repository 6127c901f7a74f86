// SPDX-License-Identifier: Apache-2.0
//! Each property of a full config, with each of the replacements: more than 3000 configs.

use crate::accepted::{self, reason};
use crate::decide::{decide, full};
use crate::mutate::{places, replacements, tells_of, with};

fn short(error: &str) -> String {
    error.chars().take(300).collect()
}

/// Of the places that begin with one of `parts`, and with none of `but`.
fn in_turn(parts: &[&str], but: &[&str]) {
    let config = full();
    decide(config.to_string().as_bytes()).unwrap();
    let starts = |place: &str, with: &[&str]| with.iter().any(|part| place.starts_with(part));
    let (mut configs, mut wrong, mut taken) = (0, Vec::new(), Vec::new());
    for place in places(&config).iter().filter(|place| starts(place, parts) && !starts(place, but)) {
        for (kind, text) in replacements() {
            configs += 1;
            match decide(&with(&config, place, &text)) {
                Ok(()) if reason(place, kind).is_some() => taken.push((place.clone(), kind)),
                Ok(()) => wrong.push(format!("{place} is {kind}: accepted")),
                Err(error) if !tells_of(&error, place) => {
                    wrong.push(format!("{place} is {kind}: {}", short(&error)))
                }
                Err(_) => {}
            }
        }
    }
    eprintln!("{configs} configs: {} accepted", taken.len());
    assert!(wrong.is_empty(), "{} of {configs} wrong:\n{}", wrong.len(), wrong.join("\n"));
    for (place, kind) in accepted::all().filter(|(place, _)| starts(place, parts) && !starts(place, but)) {
        assert!(
            taken.iter().any(|(at, what)| at == place && *what == kind),
            "{place} is {kind}: not accepted"
        );
    }
}

#[test]
fn of_the_process() {
    in_turn(&["/process"], &[]);
}

#[test]
fn of_the_file_system_and_hooks() {
    in_turn(&["/"], &["/process", "/linux"]);
}

#[test]
fn of_linux() {
    in_turn(&["/linux"], &["/linux/resources", "/linux/seccomp"]);
}

#[test]
fn of_resources() {
    in_turn(&["/linux/resources"], &[]);
}

#[test]
fn of_seccomp() {
    in_turn(&["/linux/seccomp"], &[]);
}

/// Of a place of each kind: text that is free, that has to be a word of a list, and a value of another type. What is free
/// is the kernel's to refuse (`tests/security/lengths.rs`).
#[test]
fn a_megabyte_of_text() {
    let config = full();
    let text = format!("\"{}\"", "x".repeat(1 << 20));
    for place in ["/hostname", "/annotations/a", "/process/args/0", "/mounts/0/source", "/mounts/1/options/0"]
    {
        let _ = decide(&with(&config, place, &text));
    }
    for place in [
        "/process/cwd",
        "/process/env/0",
        "/process/user/uid",
        "/process/capabilities",
        "/linux/namespaces/0/type",
        "/linux/resources/memory/limit",
        "/linux/seccomp/defaultAction",
        "/linux/rootfsPropagation",
        "/linux/sysctl",
    ] {
        let error = decide(&with(&config, place, &text)).unwrap_err();
        assert!(tells_of(&error, place), "{place}: {}", short(&error));
    }
}

/// Readers would not agree on which of two counts.
#[test]
fn twice() {
    let config = full();
    for place in places(&config)
        .iter()
        .filter(|place| !place.starts_with("/annotations/") && !place.starts_with("/linux/sysctl/"))
    {
        let (parent, key) = place.rsplit_once('/').unwrap();
        if config.pointer(parent).unwrap().is_array() {
            continue;
        }
        let value = config.pointer(place).unwrap().clone();
        let mut twice = config.pointer(parent).unwrap().to_string();
        twice.insert_str(1, &format!("\"{key}\": {value}, "));
        let text = if parent.is_empty() { twice.into_bytes() } else { with(&config, parent, &twice) };
        let error = decide(&text).unwrap_err();
        assert!(error.contains("duplicate field") && error.contains(key), "{place}: {error}");
    }
}
