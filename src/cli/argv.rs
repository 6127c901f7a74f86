// SPDX-License-Identifier: Apache-2.0
//! From the command line that runc's callers write to the one that clap reads.
//!
//! runc's parser takes one dash or two before any flag, `--flag=value` and `--flag value` alike, and
//! whatever follows a flag as its value. go-runc's restore really passes `-no-subreaper`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use clap::{Arg, ArgAction, Command};

/// Where flags end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    /// Anywhere before a `--`.
    Anywhere,
    /// Before the first argument that is none: the rest is another program's (`exec ID ls -l`).
    BeforeArguments,
}

/// A command line taken apart: `flags` for clap, each in one word with its value, and the others.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) flags: Vec<OsString>,
    pub(super) arguments: Vec<OsString>,
}

pub(super) fn split(command: &Command, words: &[OsString], flags: Flags) -> Words {
    let mut out = Words::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let bytes = word.as_bytes();
        if bytes == b"--" {
            out.arguments.extend(rest.cloned());
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            out.arguments.push(word.clone());
            if flags == Flags::BeforeArguments {
                out.arguments.extend(rest.cloned());
                break;
            }
            continue;
        }
        let (name, value) = name_and_value(bytes);
        match command.get_arguments().find(|arg| is_called(arg, name)) {
            // clap will say that it does not know it.
            None => out.flags.push(word.clone()),
            Some(arg) => {
                let value =
                    value.or_else(|| takes_next(arg).then(|| rest.next()).flatten().map(|w| w.as_bytes()));
                out.flags.push(canonical(arg, value));
            }
        }
    }
    out
}

/// `-name`, `--name`, `-name=value`, `--name=value`.
fn name_and_value(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let name = word.strip_prefix(b"--").unwrap_or(&word[1..]);
    match name.iter().position(|byte| *byte == b'=') {
        Some(at) => (&name[..at], Some(&name[at + 1..])),
        None => (name, None),
    }
}

fn is_called(arg: &Arg, name: &[u8]) -> bool {
    let long = arg.get_long().is_some_and(|long| long.as_bytes() == name);
    long || arg.get_short().is_some_and(|short| short.is_ascii() && name == [short as u8])
}

/// A switch has its value behind a `=` or not at all.
fn takes_next(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_require_equals_set()
}

fn canonical(arg: &Arg, value: Option<&[u8]>) -> OsString {
    let mut word = OsString::from("--");
    word.push(arg.get_long().unwrap_or_default());
    if let Some(value) = value {
        word.push("=");
        word.push(OsStr::from_bytes(value));
    }
    word
}
