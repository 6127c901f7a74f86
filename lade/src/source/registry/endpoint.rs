// SPDX-License-Identifier: Apache-2.0
//! Where a repository can be had: its registry, and before that the mirrors which registries.conf (containers' tools)
//! or hosts.toml (containerd) name for it.

use std::path::PathBuf;

use super::Settings;
use super::auth::Slot;
use super::hosts::Hosts;
use super::toml::RegistriesConf;
use super::url::Url;
use crate::bail;
use crate::error::{Context, Result};
use crate::reference::{DOCKER_HUB, Reference};

/// What a mirror is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Asked {
    #[default]
    Everything,
    DigestsOnly,
    TagsOnly,
}

pub(super) struct Endpoint {
    pub base: Url,
    pub repository: String,
    /// The registry a mirror stands in for, as containerd tells it.
    ns: Option<String>,
    /// The mirror's path takes the place of `/v2`.
    override_path: Option<String>,
    pub headers: Vec<(String, String)>,
    pub ca: Vec<PathBuf>,
    pub client: Option<(PathBuf, PathBuf)>,
    /// Any certificate will do.
    pub insecure: bool,
    pub asked: Asked,
    pub can_resolve: bool,
    pub can_pull: bool,
    pub auth: Slot,
    pub scope: String,
    /// The registry that named this origin, if the user did not: its token server.
    pub sent_by: Option<Url>,
}

impl Endpoint {
    pub(super) fn sent_by(self, registry: &Url) -> Self {
        Endpoint { sent_by: Some(registry.clone()), ..self }
    }

    /// An origin without a repository: a token server.
    pub(super) fn bare(base: Url) -> Self {
        Endpoint {
            base,
            repository: String::new(),
            ns: None,
            override_path: None,
            headers: Vec::new(),
            ca: Vec::new(),
            client: None,
            insecure: false,
            asked: Asked::Everything,
            can_resolve: true,
            can_pull: true,
            auth: Slot::default(),
            scope: String::new(),
            sent_by: None,
        }
    }

    fn new(base: Url, repository: &str) -> Self {
        let scope = format!("repository:{repository}:pull");
        Endpoint { repository: repository.to_owned(), scope, ..Endpoint::bare(base) }
    }

    /// `path` beneath the repository.
    pub(super) fn url(&self, path: &str) -> Url {
        let prefix = self.override_path.as_deref().unwrap_or("/v2");
        let url = Url { target: format!("{prefix}/{}/{path}", self.repository), ..self.base.clone() };
        match &self.ns {
            Some(ns) => url.with_query(&[("ns", ns)]),
            None => url,
        }
    }

    /// What credentials are filed under.
    pub(super) fn account(&self) -> String {
        let host = match self.base.authority.as_str() {
            "registry-1.docker.io" => DOCKER_HUB,
            other => other,
        };
        if self.repository.is_empty() { host.to_owned() } else { format!("{host}/{}", self.repository) }
    }

    pub(super) fn pulls(&self, by_digest: bool) -> bool {
        let asked = match self.asked {
            Asked::Everything => true,
            Asked::DigestsOnly => by_digest,
            Asked::TagsOnly => !by_digest,
        };
        self.can_pull && asked
    }

    pub(super) fn resolves(&self, by_digest: bool) -> bool {
        self.can_resolve && self.pulls(by_digest)
    }
}

fn base(settings: &Settings, authority: &str) -> Result<Url> {
    let plain = settings.plain_http.iter().any(|h| h == authority);
    Url::parse(&format!("{}://{authority}", if plain { "http" } else { "https" }))
}

/// The registry itself, for a login or a push.
pub(super) fn direct(reference: &Reference, settings: &Settings) -> Result<Endpoint> {
    Ok(Endpoint::new(base(settings, reference.host())?, reference.path()))
}

/// In the order in which they are to be asked.
pub(super) fn for_reference(reference: &Reference, settings: &Settings) -> Result<Vec<Endpoint>> {
    let mut endpoints = Vec::new();
    if let Some(hosts) = Hosts::read(reference.domain())? {
        from_hosts(reference, settings, &hosts, &mut endpoints)?;
    } else if let Some(found) = RegistriesConf::read()?.for_name(&reference.repository()) {
        if found.blocked {
            bail!("registries.conf blocks {}", reference.repository());
        }
        for mirror in &found.mirrors {
            endpoints.extend(from_location(settings, &mirror.location, mirror.insecure, mirror.asked)?);
        }
        match &found.location {
            Some(location) => {
                endpoints.extend(from_location(settings, location, found.insecure, Asked::Everything)?)
            }
            None => endpoints.push(direct(reference, settings)?),
        }
    }
    if endpoints.is_empty() {
        endpoints.push(direct(reference, settings)?);
    }
    Ok(endpoints)
}

/// `host/path` of registries.conf. An insecure one is asked without verification, then without TLS: that is what its
/// user configured, and the only case of a fall back to http there is.
fn from_location(settings: &Settings, location: &str, insecure: bool, asked: Asked) -> Result<Vec<Endpoint>> {
    let reference = Reference::parse(location).context(|| "unable to use a location of registries.conf")?;
    let secure = Endpoint { asked, insecure, ..direct(&reference, settings)? };
    let mut endpoints = vec![secure];
    if insecure {
        let plain = Url { tls: false, ..endpoints[0].base.clone() };
        endpoints.push(Endpoint { asked, ..Endpoint::new(plain, reference.path()) });
    }
    Ok(endpoints)
}

fn from_hosts(
    reference: &Reference,
    settings: &Settings,
    hosts: &Hosts,
    endpoints: &mut Vec<Endpoint>,
) -> Result<()> {
    for host in &hosts.hosts {
        let url = Url::parse(&host.url).context(|| "unable to use hosts.toml")?;
        let path = url.target.trim_end_matches('/').to_owned();
        let override_path = host.override_path.then(|| path.clone());
        let ns = (url.authority != reference.host()).then(|| reference.domain().to_owned());
        let base = Url { target: "/".to_owned(), ..url };
        endpoints.push(Endpoint {
            ns,
            override_path: override_path
                .or_else(|| (!path.is_empty() && path != "/v2").then(|| format!("{path}/v2"))),
            headers: host.headers.clone(),
            ca: host.ca.clone(),
            client: host.client.clone(),
            insecure: host.skip_verify,
            can_resolve: host.resolve,
            can_pull: host.pull,
            ..Endpoint::new(base, reference.path())
        });
    }
    match &hosts.server {
        Some(server) => {
            let url = Url::parse(server).context(|| "unable to use hosts.toml")?;
            endpoints.push(Endpoint::new(Url { target: "/".to_owned(), ..url }, reference.path()));
        }
        None => endpoints.push(direct(reference, settings)?),
    }
    Ok(())
}
