// SPDX-License-Identifier: Apache-2.0
//! The headers before an entry that speak of it, and what they and its own header make of its names and type.

use super::Kind;
use super::header::Header;
use super::pax::Pax;
use crate::corrupt;
use crate::error::Result;

/// The headers that come before the entry they speak of.
#[derive(Default)]
pub(super) struct Preceding {
    pub pax: Option<Pax>,
    pub long_name: Option<Vec<u8>>,
    pub long_link: Option<Vec<u8>>,
}

pub(super) fn once<T>(slot: &mut Option<T>, value: T, what: &str) -> Result<()> {
    if slot.replace(value).is_some() {
        corrupt!("an entry has more than one {what}");
    }
    Ok(())
}

/// Readers differ on which of two extended names wins, so there may be one.
pub(super) fn one_of(
    gnu: Option<Vec<u8>>,
    pax: Option<Vec<u8>>,
    plain: impl FnOnce() -> Vec<u8>,
) -> Result<Vec<u8>> {
    match (gnu, pax) {
        (Some(_), Some(_)) => corrupt!("an entry has both a GNU and a PAX name"),
        (Some(name), None) | (None, Some(name)) => Ok(name),
        (None, None) => Ok(plain()),
    }
}

pub(super) fn gnu_name(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = bytes.iter().position(|b| *b == 0) {
        bytes.truncate(nul);
    }
    bytes
}

pub(super) fn kind(header: &Header, path: &[u8]) -> Result<Kind> {
    let slash = path.ends_with(b"/");
    Ok(match header.typeflag() {
        // Before there was a type for directories, a slash at the end made one: of this name to most, of the header's
        // own to Python.
        0 if slash != header.path().ends_with(b"/") => {
            corrupt!("the entry {} is a file or a directory", String::from_utf8_lossy(path))
        }
        0 if slash => Kind::Dir,
        b'0' | b'7' if slash => {
            corrupt!("the entry {} is a file with a directory's name", String::from_utf8_lossy(path))
        }
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Char,
        b'4' => Kind::Block,
        b'5' => Kind::Dir,
        b'6' => Kind::Fifo,
        other => corrupt!(
            "the entry {} is of the unknown type {:?}",
            String::from_utf8_lossy(path),
            char::from(other)
        ),
    })
}
