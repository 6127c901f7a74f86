// SPDX-License-Identifier: Apache-2.0
//! The catalogue of advisories against tools that fetch and unpack images, a row (U1 to U22) by one or more tests of
//! that number; docs/cves.md says which. Crafted layers are refused with a clear error and leave nothing, or land inside
//! the layer; the canary beside the store never changes.

mod attributes;
mod bombs;
mod credentials;
mod documents;
mod escape;
mod host;
pub(crate) mod pulled;
mod reach;
mod whiteouts;

use std::fs;

use crate::support::image::{Image, Tar};
use crate::support::tree::snapshot;
use crate::support::{Ran, Scratch};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";

/// Pulls with a canary next to the store; it must come out as it went in.
fn with_canary(image: impl FnOnce(&str) -> Image, then: impl FnOnce(&Scratch, Ran)) {
    let scratch = Scratch::new();
    let canary = scratch.path("canary");
    fs::create_dir_all(canary.join("dir")).unwrap();
    fs::write(canary.join("file"), "untouched").unwrap();
    let before = snapshot(&canary);
    let ran = scratch.pull(&image(canary.to_str().unwrap()), "t");
    assert_eq!(snapshot(&canary), before);
    then(&scratch, ran);
    assert_eq!(snapshot(&canary), before);
}

pub(crate) fn refused(tar: Tar, text: &str) {
    with_canary(
        |_| Image::new(&[tar]),
        |scratch, ran| {
            assert!(!ran.ok, "accepted; expected: {text}");
            assert!(ran.err.contains(text), "said {} and not: {text}", ran.err);
            scratch.assert_store_empty();
        },
    );
}

fn accepted(layers: Vec<Tar>, look: impl FnOnce(&std::path::Path, &Ran)) {
    with_canary(
        |_| Image::new(&layers),
        |scratch, ran| {
            assert!(ran.ok, "{}", ran.err);
            scratch.ok(&["save", "t", "-o", &format!("dir:{}", scratch.path("flat").display())]);
            look(&scratch.path("flat"), &ran);
        },
    );
}
