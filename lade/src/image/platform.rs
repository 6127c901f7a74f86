// SPDX-License-Identifier: Apache-2.0
//! Platforms: this machine's, those an index offers, and which of the latter serves the former best.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Descriptor, null_default};
use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, deserialize_with = "null_default", skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(
        default,
        rename = "os.version",
        deserialize_with = "null_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub os_version: String,
    #[serde(
        default,
        rename = "os.features",
        deserialize_with = "null_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
}

impl Platform {
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
            os_version: String::new(),
            os_features: Vec::new(),
        }
    }

    /// `os/arch[/variant]` or just the architecture, with the names `uname` gives accepted too.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let (os, arch, variant) = match parts[..] {
            [arch] => ("linux", arch, ""),
            [os, arch] => (os, arch, ""),
            [os, arch, variant] => (os, arch, variant),
            _ => return Err(Error::new(format!("invalid platform {text:?}: expected os/arch[/variant]"))),
        };
        if os.is_empty() || arch.is_empty() {
            return Err(Error::new(format!("invalid platform {text:?}: expected os/arch[/variant]")));
        }
        let (arch, implied) = match arch {
            "x86_64" | "x86-64" => ("amd64", ""),
            "aarch64" | "arm64" => ("arm64", "v8"),
            "armhf" | "armv7l" => ("arm", "v7"),
            "armel" | "armv6l" => ("arm", "v6"),
            "i386" | "i686" | "x86" => ("386", ""),
            other => (other, ""),
        };
        Ok(Platform::new(os, arch, if variant.is_empty() { implied } else { variant }))
    }

    pub fn host() -> Self {
        let (arch, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", ""),
            "x86" => ("386", ""),
            "aarch64" => ("arm64", "v8"),
            "arm" => ("arm", "v7"),
            "powerpc64" => ("ppc64le", ""),
            "loongarch64" => ("loong64", ""),
            other => (other, ""),
        };
        Platform::new("linux", arch, variant)
    }

    /// How well `offered` serves `self`: higher is better, None is not at all.
    fn rank(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        let level = |v: &str| v.strip_prefix('v').and_then(|n| n.split('.').next()?.parse::<u32>().ok());
        // An unnamed variant is the oldest in wide use: arm64 v8, arm v7, amd64 v1.
        let default = match self.architecture.as_str() {
            "arm64" => 8,
            "arm" => 7,
            _ => 1,
        };
        let number = |v: &str| if v.is_empty() { Some(default) } else { level(v) };
        match (number(&self.variant), number(&offered.variant)) {
            (Some(want), Some(have)) => (have <= want).then_some(have + 1),
            _ => (self.variant == offered.variant).then_some(1),
        }
    }

    /// The manifest of an index that serves this platform best; the first of equals, as Docker takes it.
    pub fn choose<'a>(&self, manifests: &'a [Descriptor]) -> Option<&'a Descriptor> {
        let mut best: Option<(u32, &Descriptor)> = None;
        for manifest in manifests {
            let rank = match &manifest.platform {
                Some(p) => self.rank(p),
                // A nested index, or a layout's unlabelled manifest: only when nothing is better.
                None => Some(0),
            };
            if let Some(rank) = rank
                && best.is_none_or(|(b, _)| rank > b)
            {
                best = Some((rank, manifest));
            }
        }
        best.map(|(_, m)| m)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::digest::Digest;

    #[test]
    fn takes_the_best_variant_that_runs() {
        let offer = |names: &[&str]| -> Vec<Descriptor> {
            let one = |n: &&str| Descriptor {
                platform: Some(Platform::parse(n).unwrap()),
                ..Descriptor::new(super::super::OCI_MANIFEST, Digest::of(n.as_bytes()), 1)
            };
            names.iter().map(one).collect()
        };
        for (want, offered, expected) in [
            ("linux/arm64", &["linux/amd64", "linux/arm64/v8"][..], Some(1)),
            ("linux/arm/v7", &["linux/arm/v5", "linux/arm/v6", "linux/arm/v7", "linux/arm/v8"], Some(2)),
            ("linux/arm/v6", &["linux/arm/v5", "linux/arm/v7"], Some(0)),
            ("linux/amd64", &["linux/amd64/v3", "linux/amd64"], Some(1)),
            ("linux/amd64/v3", &["linux/amd64", "linux/amd64/v2"], Some(1)),
            ("linux/s390x", &["linux/amd64"], None),
            ("linux/amd64", &["windows/amd64"], None),
            ("linux/amd64", &["linux/amd64", "linux/amd64"], Some(0)),
        ] {
            let list = offer(offered);
            let got = Platform::parse(want).unwrap().choose(&list);
            assert_eq!(
                got.map(std::ptr::from_ref),
                expected.map(|i: usize| std::ptr::from_ref(&list[i])),
                "{want}"
            );
        }
    }
}
