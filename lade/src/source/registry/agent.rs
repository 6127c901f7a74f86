// SPDX-License-Identifier: Apache-2.0
//! Agents of the HTTP library, one for each origin: TLS differs from host to host (certificates, client keys), and so
//! does which addresses a name may have. A registry out there that sends us on can name a host of its own whose address
//! is in here, or write the address in one of the ways that only a resolver reads (`127.1`): so it is the address that
//! is about to be connected to which is looked at (CVE-2026-35527).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::Settings;
use super::endpoint::Endpoint;
use super::proxy;
use super::tls::Roots;
use super::url::{Url, is_local, is_local_ip};
use crate::error::Result;

const CONNECT: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(super) struct Agents {
    roots: Roots,
    made: Mutex<HashMap<Key, Agent>>,
}

/// What an agent is made for.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    tls: bool,
    authority: String,
    /// The endpoint's own origin, with what is configured for that.
    own: bool,
    /// It may be in here.
    anywhere: bool,
}

impl Agents {
    pub(super) fn of(&self, settings: &Settings, url: &Url, endpoint: &Endpoint) -> Result<Agent> {
        let own = url.same_origin(&endpoint.base);
        let anywhere = may_be_inside(settings, url, endpoint);
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Key { tls: url.tls, authority: url.authority.clone(), own, anywhere };
        if let Some(agent) = made.get(&key) {
            return Ok(agent.clone());
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy::for_url(url)?)
            .user_agent(concat!("lade/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(settings.stall))
            .timeout_per_read(Some(settings.stall))
            .timeout_per_write(Some(settings.stall))
            .max_idle_connections_per_host(8);
        if url.tls {
            let own = own.then_some(endpoint);
            config = config.tls_config(self.roots.config(settings, &url.authority, own)?);
        }
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), Addresses { anywhere });
        made.insert(key, agent.clone());
        Ok(agent)
    }
}

/// Where the user sent us may be anywhere; where a registry sends us, only if that registry is in here itself, or the
/// user has named the host.
fn may_be_inside(settings: &Settings, url: &Url, endpoint: &Endpoint) -> bool {
    let sender = endpoint.sent_by.as_ref().unwrap_or(&endpoint.base);
    let named = |host: &String| *host == url.authority || host == url.host();
    url.same_origin(sender)
        || is_local(sender.host())
        || settings.plain_http.iter().chain(&settings.trusted_realms).any(named)
}

#[derive(Debug)]
struct Addresses {
    anywhere: bool,
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        // The user's own proxy may be in here.
        if self.anywhere || config.proxy().is_some_and(|proxy| proxy.uri() == uri) {
            return Ok(found);
        }
        match found.iter().find(|address| is_local_ip(address.ip())) {
            Some(address) => Err(ureq::Error::Other(Box::new(Inside(address.ip())))),
            None => Ok(found),
        }
    }
}

#[derive(Debug)]
pub(super) struct Inside(std::net::IpAddr);

impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its name leads to an address of this machine or link ({})", self.0)
    }
}

impl std::error::Error for Inside {}
