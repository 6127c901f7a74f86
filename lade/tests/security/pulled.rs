// SPDX-License-Identifier: Apache-2.0
//! An image in a registry that a test has its way with.

use crate::support::image::{Image, Tar};
use crate::support::server::Server;
use crate::support::{Ran, Scratch};

pub(crate) fn image() -> Image {
    let noise: String =
        (0..60_000u32).map(|i| char::from(b'a' + (i.wrapping_mul(2_654_435_761) >> 24) as u8 % 26)).collect();
    Image::new(&[Tar::new().file("big", &noise), Tar::new().file("small", "x")]).gzipped()
}

pub(crate) fn pull(scratch: &Scratch, server: &Server, more: &[&str]) -> Ran {
    let (host, name) = (server.host(), format!("{}/repo:t", server.host()));
    scratch.lade(&[&["pull", "--plain-http", &host, &name], more].concat())
}

pub(crate) fn fails(ran: &Ran, text: &str) {
    assert!(!ran.ok, "succeeded; expected: {text}");
    assert!(ran.err.contains(text), "said {} and not: {text}", ran.err);
}
