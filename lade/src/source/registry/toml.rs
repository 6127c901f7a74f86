// SPDX-License-Identifier: Apache-2.0
//! registries.conf (containers-registries.conf(5), version 2), as it is on disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::endpoint::Asked;
use crate::error::{Context, Error, Kind, Result};
use crate::store::read_bounded;

const FILE_MAX: u64 = 1 << 20;

pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let what = || format!("unable to read {}", path.display());
    let file = match fs::File::open(path).context(what) {
        Ok(file) => file,
        Err(e) if e.kind() == Kind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let bytes = read_bounded(file, FILE_MAX, &path.display().to_string())?;
    basic_toml::from_slice(&bytes).map(Some).map_err(|e| Error::new(format!("{}: {e}", what())))
}

fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").filter(|v| !v.is_empty()).map(PathBuf::from)
}

#[derive(Debug, Default, Deserialize)]
struct ConfFile {
    #[serde(default)]
    registry: Vec<RegistryTable>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistryTable {
    prefix: Option<String>,
    location: Option<String>,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    blocked: bool,
    #[serde(default)]
    mirror: Vec<MirrorTable>,
    #[serde(default)]
    mirror_by_digest_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MirrorTable {
    location: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    pull_from_mirror: String,
}

#[derive(Default)]
pub(super) struct RegistriesConf {
    registries: Vec<RegistryTable>,
}

/// What registries.conf says of one name, with the prefix rewritten.
pub(super) struct Found {
    pub blocked: bool,
    pub insecure: bool,
    pub location: Option<String>,
    pub mirrors: Vec<Mirror>,
}

pub(super) struct Mirror {
    pub location: String,
    pub insecure: bool,
    pub asked: Asked,
}

impl RegistriesConf {
    pub(super) fn read() -> Result<Self> {
        let named =
            std::env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|v| !v.is_empty()).map(PathBuf::from);
        let own = home().map(|h| h.join(".config/containers/registries.conf"));
        let system = PathBuf::from("/etc/containers/registries.conf");
        let main = named.or_else(|| own.filter(|p| p.exists())).unwrap_or(system);
        let mut files = vec![main.clone()];
        let mut more: Vec<PathBuf> = fs::read_dir(main.with_extension("conf.d"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|e| e.path())
            .collect();
        more.retain(|p| p.extension().is_some_and(|e| e == "conf"));
        more.sort();
        files.extend(more);
        let mut registries: Vec<RegistryTable> = Vec::new();
        for file in files {
            for table in read::<ConfFile>(&file)?.unwrap_or_default().registry {
                // A later file's word on a prefix takes the place of an earlier one's.
                registries.retain(|r| prefix_of(r) != prefix_of(&table));
                registries.push(table);
            }
        }
        Ok(RegistriesConf { registries })
    }

    /// `name` is `host/path`; the longest prefix that covers it counts.
    pub(super) fn for_name(&self, name: &str) -> Option<Found> {
        let covers = |r: &&RegistryTable| covered(prefix_of(r), name).is_some();
        let table = self.registries.iter().filter(covers).max_by_key(|r| prefix_of(r).len())?;
        let rest = covered(prefix_of(table), name)?;
        let rewrite = |location: &str| format!("{}{rest}", location.trim_end_matches('/'));
        let mirrors = table.mirror.iter().map(|m| Mirror {
            location: rewrite(&m.location),
            insecure: m.insecure,
            asked: match (m.pull_from_mirror.as_str(), table.mirror_by_digest_only) {
                ("digest-only", _) | ("", true) => Asked::DigestsOnly,
                ("tag-only", _) => Asked::TagsOnly,
                _ => Asked::Everything,
            },
        });
        Some(Found {
            blocked: table.blocked,
            insecure: table.insecure,
            location: table
                .location
                .as_deref()
                .map(rewrite)
                .or_else(|| table.insecure.then(|| name.to_owned())),
            mirrors: mirrors.collect(),
        })
    }
}

fn prefix_of(table: &RegistryTable) -> &str {
    table.prefix.as_deref().or(table.location.as_deref()).unwrap_or_default()
}

/// What of `name` is left after `prefix`, which ends at a slash or is a wildcard for hosts.
fn covered<'a>(prefix: &str, name: &'a str) -> Option<&'a str> {
    if let Some(suffix) = prefix.strip_prefix('*') {
        let (host, _) = name.split_once('/')?;
        return (host.len() > suffix.len() && host.ends_with(suffix)).then(|| &name[host.len()..]);
    }
    let rest = name.strip_prefix(prefix).filter(|_| !prefix.is_empty())?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_longest_prefix_rewrites() {
        let text = r#"
            unqualified-search-registries = ["docker.io"]
            [[registry]]
            prefix = "r.io/a"
            location = "other.io/x"
            [[registry.mirror]]
            location = "m.io/y"
            pull-from-mirror = "digest-only"
            [[registry]]
            location = "r.io"
            blocked = true
            [[registry]]
            prefix = "*.example.com"
            location = "e.io"
        "#;
        let conf = RegistriesConf { registries: basic_toml::from_str::<ConfFile>(text).unwrap().registry };
        let found = conf.for_name("r.io/a/b").unwrap();
        assert_eq!(found.location.as_deref(), Some("other.io/x/b"));
        assert_eq!(
            (found.mirrors[0].location.as_str(), found.mirrors[0].asked),
            ("m.io/y/b", Asked::DigestsOnly)
        );
        assert!(conf.for_name("r.io/ab").unwrap().blocked);
        assert_eq!(conf.for_name("x.example.com/q").unwrap().location.as_deref(), Some("e.io/q"));
        assert!(conf.for_name("example.com/q").is_none() && conf.for_name("r.iox/a").is_none());
    }
}
