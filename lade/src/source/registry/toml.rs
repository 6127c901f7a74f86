// SPDX-License-Identifier: Apache-2.0
//! registries.conf (containers-registries.conf(5), version 2) and containerd's hosts.toml, as they are on disk.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::endpoint::Asked;
use crate::error::{Context, Error, Kind, Result};
use crate::store::read_bounded;

const FILE_MAX: u64 = 1 << 20;

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
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

/// containerd's hosts.toml for one registry.
pub(super) struct Hosts {
    pub server: Option<String>,
    pub hosts: Vec<Host>,
}

pub(super) struct Host {
    pub url: String,
    pub resolve: bool,
    pub pull: bool,
    pub skip_verify: bool,
    pub override_path: bool,
    pub ca: Vec<PathBuf>,
    pub client: Option<(PathBuf, PathBuf)>,
    pub headers: Vec<(String, String)>,
}

#[derive(Deserialize)]
struct HostsFile {
    server: Option<String>,
    #[serde(default)]
    host: Ordered<HostTable>,
}

#[derive(Deserialize)]
struct HostTable {
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    skip_verify: bool,
    #[serde(default)]
    override_path: bool,
    #[serde(default)]
    ca: OneOrMore,
    #[serde(default)]
    client: Vec<OneOrMore>,
    #[serde(default)]
    header: Ordered<OneOrMore>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl Default for OneOrMore {
    fn default() -> Self {
        OneOrMore::More(Vec::new())
    }
}

impl OneOrMore {
    fn all(&self) -> &[String] {
        match self {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more,
        }
    }
}

/// A table whose order counts: it is the order in which hosts are asked.
struct Ordered<T>(Vec<(String, T)>);

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Ordered(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Collect<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Collect<T> {
            type Value = Ordered<T>;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> std::result::Result<Self::Value, M::Error> {
                let mut all = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                Ok(Ordered(all))
            }
        }
        deserializer.deserialize_map(Collect(std::marker::PhantomData))
    }
}

impl Hosts {
    pub(super) fn read(domain: &str) -> Result<Option<Self>> {
        let base = Path::new("/etc/containerd/certs.d");
        // containerd writes a port as `host_5000_` where colons are not liked.
        let plain = domain.replace(':', "_") + "_";
        for name in [domain, &plain, "_default"] {
            let dir = base.join(name);
            if let Some(file) = read::<HostsFile>(&dir.join("hosts.toml"))? {
                return Ok(Some(Hosts::from_file(file, &dir)));
            }
        }
        Ok(None)
    }

    fn from_file(file: HostsFile, dir: &Path) -> Self {
        let host = |(url, table): (String, HostTable)| {
            let can = |what: &str| table.capabilities.as_ref().is_none_or(|c| c.iter().any(|c| c == what));
            let pair = table.client.first().map(OneOrMore::all);
            Host {
                url: if url.contains("://") { url } else { format!("https://{url}") },
                resolve: can("resolve"),
                pull: can("pull"),
                skip_verify: table.skip_verify,
                override_path: table.override_path,
                ca: table.ca.all().iter().map(|f| dir.join(f)).collect(),
                client: pair.and_then(|p| Some((dir.join(p.first()?), dir.join(p.get(1).or(p.first())?)))),
                headers: table
                    .header
                    .0
                    .iter()
                    .flat_map(|(name, values)| values.all().iter().map(|v| (name.clone(), v.clone())))
                    .collect(),
            }
        };
        Hosts { server: file.server, hosts: file.host.0.into_iter().map(host).collect() }
    }
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

    #[test]
    fn hosts_keep_their_order() {
        let text = r#"
            server = "https://r.io"
            [host."https://z.io"]
            capabilities = ["pull"]
            ca = "z.crt"
            [host."http://a.io/prefix"]
            skip_verify = true
            client = [["c.cert", "c.key"]]
            [host."http://a.io/prefix".header]
            x-one = "1"
        "#;
        let hosts = Hosts::from_file(basic_toml::from_str(text).unwrap(), Path::new("/d"));
        let urls: Vec<&str> = hosts.hosts.iter().map(|h| h.url.as_str()).collect();
        assert_eq!(urls, ["https://z.io", "http://a.io/prefix"]);
        assert!(!hosts.hosts[0].resolve && hosts.hosts[0].pull && hosts.hosts[1].resolve);
        assert_eq!(hosts.hosts[0].ca, [PathBuf::from("/d/z.crt")]);
        assert_eq!(hosts.hosts[1].client, Some(("/d/c.cert".into(), "/d/c.key".into())));
        assert_eq!(hosts.hosts[1].headers, [("x-one".to_owned(), "1".to_owned())]);
    }
}
