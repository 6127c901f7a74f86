// SPDX-License-Identifier: Apache-2.0
//! containerd's hosts.toml (docs/hosts.md of containerd), as it is on disk.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

use super::toml::read;
use crate::error::Result;

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
