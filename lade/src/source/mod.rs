// SPDX-License-Identifier: Apache-2.0
//! Where images come from. A source hands over bytes by digest and is believed in nothing: the caller checks them.

pub mod archive;
pub mod docker_archive;
pub mod layout;
pub mod local;
pub mod registry;

use std::io::Read;

use crate::digest::Digest;
use crate::error::Result;
use crate::image::Descriptor;

/// What a name stands for: an index or a manifest, in its own bytes.
pub struct Root {
    pub descriptor: Descriptor,
    pub bytes: Vec<u8>,
}

impl Root {
    pub fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        Root { descriptor: Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64), bytes }
    }
}

pub trait Source: Sync {
    /// A manifest, an index or a config, at most as long as its descriptor says.
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>>;

    /// A blob from byte `from` on; the answer says where it really starts, at `from` or before.
    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Box<dyn Read + Send + '_>, u64)>;

    /// Trying again may help.
    fn is_remote(&self) -> bool {
        false
    }
}

/// An image that a local source offers, with the name it gives it.
pub struct Offer {
    pub name: Option<String>,
    pub root: Root,
}
