// SPDX-License-Identifier: Apache-2.0
//! What an unpacked layer leaves open until the layers below it are known. A layer that leaves nothing open is the
//! same under every image and is stored once, by its diffID; the others are stored by the chain they belong to.

use serde::{Deserialize, Serialize};

/// A path inside a layer. File names are bytes and JSON is text, so each byte travels as the character of its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct LayerPath(pub Vec<u8>);

impl From<String> for LayerPath {
    fn from(text: String) -> Self {
        LayerPath(text.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect())
    }
}

impl From<LayerPath> for String {
    fn from(path: LayerPath) -> Self {
        path.0.iter().map(|b| char::from(*b)).collect()
    }
}

/// A hard link whose target is in a lower layer; an empty file holds its place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Link {
    pub path: LayerPath,
    pub target: LayerPath,
    pub inode: u64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Context {
    /// The layer says what its root directory is like.
    pub root: bool,
    pub links: Vec<Link>,
    /// Directories that were made only because something lies beneath them.
    pub implicit: Vec<LayerPath>,
    pub whiteouts: Vec<LayerPath>,
    pub opaque: Vec<LayerPath>,
}

impl Context {
    pub fn is_free(&self) -> bool {
        self.links.is_empty()
            && self.implicit.is_empty()
            && self.whiteouts.is_empty()
            && self.opaque.is_empty()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn any_name_survives_json() {
        let path = LayerPath((0u8..=255).collect());
        let text = serde_json::to_string(&path).unwrap();
        assert_eq!(serde_json::from_str::<LayerPath>(&text).unwrap(), path);
    }
}
