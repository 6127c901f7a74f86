// SPDX-License-Identifier: Apache-2.0
//! A registry (OCI distribution spec 1.1, Docker's HTTP API V2): one repository, reached through mirrors or directly.
//! Blocking calls on the caller's thread. Credentials go to the origin they were given for, and to its token server.

mod agent;
mod auth;
pub mod challenge;
mod credentials;
mod endpoint;
mod hosts;
mod http;
mod login;
mod pace;
mod proxy;
mod push;
mod tls;
mod toml;
mod url;

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

pub use login::{login, logout};
pub use push::{From, push};

use super::{Root, Source};
use crate::corrupt;
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};
use crate::image::{DOCKER_LIST, DOCKER_MANIFEST, DOCUMENT_MAX, Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::reference::Reference;
use crate::store::read_bounded;

use auth::Auth;
use endpoint::Endpoint;
use http::{Client, Request, Response};

/// What the command line and the environment say about registries.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Hosts (with their port) that are spoken to without TLS.
    pub plain_http: Vec<String>,
    pub ca: Vec<PathBuf>,
    pub credentials: Option<(String, String)>,
    pub authfile: Option<PathBuf>,
    pub anonymous: bool,
    /// Token servers that may see credentials though they are of another domain.
    pub trusted_realms: Vec<String>,
    /// How long a server may send next to nothing.
    pub stall: Duration,
}

const TRIES: u32 = 5;

pub struct Registry {
    reference: Reference,
    endpoints: Vec<Endpoint>,
    /// The endpoint that took over when another failed.
    good: AtomicUsize,
    client: Client,
}

impl Registry {
    pub fn new(reference: Reference, settings: &Settings) -> Result<Self> {
        let endpoints = endpoint::for_reference(&reference, settings)?;
        Ok(Registry { reference, endpoints, good: AtomicUsize::new(0), client: Client::new(settings) })
    }

    /// One round trip when nothing has to be proved: the manifest or index that the reference stands for.
    pub fn resolve(&self) -> Result<Root> {
        let accept = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].join(", ");
        let path = format!("manifests/{}", self.reference.selector());
        let by_digest = self.reference.digest().is_some();
        let (bytes, media_type) = self
            .try_each(
                |e| e.resolves(by_digest),
                |endpoint| {
                    let request = Request::get(endpoint, &path).header("accept", &accept);
                    let response = self.send(endpoint, &request)?;
                    let media_type = response.header("content-type").unwrap_or_default().to_owned();
                    let said = response.header("docker-content-digest").filter(|d| !d.is_empty());
                    let said = said.map(Digest::parse).transpose()?;
                    let bytes = read_bounded(response.body, DOCUMENT_MAX, "the manifest")?;
                    // What is believed is the digest of the bytes; a server that gives another has mixed them up.
                    said.map_or(Ok(()), |said| said.check(&bytes, "the manifest"))?;
                    Ok((bytes, media_type))
                },
            )
            .context(|| format!("unable to fetch {}", self.reference))?;
        // Old registries send anything; only a claim to be a manifest is one that can be a lie (CVE-2021-41190).
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let known = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST].contains(&media_type);
        let root = Root::new(if known { media_type } else { "" }, bytes);
        if let Some(digest) = self.reference.digest() {
            digest.check(&root.bytes, "the manifest")?;
            return Ok(Root { descriptor: Descriptor { digest: digest.clone(), ..root.descriptor }, ..root });
        }
        Ok(root)
    }

    /// Asks one endpoint after the other in the order of the configuration, but first the one that took over: a mirror
    /// that is down is not waited for twice, and one that may not resolve tags still serves the blobs.
    fn try_each<T>(
        &self,
        may: impl Fn(&Endpoint) -> bool,
        ask: impl Fn(&Endpoint) -> Result<T>,
    ) -> Result<T> {
        let good = self.good.load(Relaxed);
        let order = std::iter::once(good).chain((0..self.endpoints.len()).filter(|i| *i != good));
        let mut failure = None;
        for i in order {
            let endpoint = &self.endpoints[i];
            if !may(endpoint) {
                continue;
            }
            match ask(endpoint) {
                Ok(value) => {
                    if failure.is_some() {
                        self.good.store(i, Relaxed);
                    }
                    return Ok(value);
                }
                // The registry itself comes last; what it says is what counts.
                Err(e) => failure = Some(e),
            }
        }
        Err(failure.unwrap_or_else(|| Error::new("no registry is configured for it")))
    }

    /// Sends, authenticates when asked to, and tries again what is worth it.
    fn send(&self, endpoint: &Endpoint, request: &Request) -> Result<Response> {
        let mut failures = 0;
        loop {
            let result = self.send_authenticated(endpoint, request);
            let wait = match &result {
                Ok(response) => response.retry_after()?,
                Err(e) if e.kind() == Kind::Transient => Some(Duration::ZERO),
                Err(_) => None,
            };
            failures += 1;
            match (wait, result) {
                (Some(wait), _) if failures < TRIES && !request.has_body() => {
                    std::thread::sleep(wait.max(crate::pull::backoff(failures)));
                }
                (_, result) => return result?.successful(),
            }
        }
    }

    fn send_authenticated(&self, endpoint: &Endpoint, request: &Request) -> Result<Response> {
        let mut header = endpoint.auth.header();
        let mut refused = 0;
        loop {
            let response = self.client.send(endpoint, request, header.as_deref())?;
            refused += 1;
            if response.status != 401 || refused == 3 {
                return Ok(response);
            }
            // Another thread may have got a fresh token meanwhile; else ask for one, by what this very answer says.
            let _turn = endpoint.auth.turn();
            let now = endpoint.auth.header();
            header = if now.is_some() && now != header {
                now
            } else {
                match (Auth { client: &self.client, endpoint }).answer(&response.challenges())? {
                    Some(next) if header.as_deref() != Some(&next) => Some(next),
                    _ => return Ok(response),
                }
            };
        }
    }
}

impl Source for Registry {
    fn document(&self, descriptor: &Descriptor) -> Result<Vec<u8>> {
        let manifest = descriptor.is_index() || descriptor.is_manifest();
        let path = format!("{}/{}", if manifest { "manifests" } else { "blobs" }, descriptor.digest);
        let max = descriptor.size.min(DOCUMENT_MAX);
        self.try_each(
            |e| e.pulls(true),
            |endpoint| {
                let mut request = Request::get(endpoint, &path);
                if manifest {
                    request = request.header("accept", &descriptor.media_type);
                }
                read_bounded(self.send(endpoint, &request)?.body, max, descriptor.digest.as_str())
            },
        )
        .context(|| format!("unable to fetch {}", descriptor.digest))
    }

    fn blob(&self, descriptor: &Descriptor, from: u64) -> Result<(Box<dyn Read + Send + '_>, u64)> {
        let path = format!("blobs/{}", descriptor.digest);
        self.try_each(
            |e| e.pulls(true),
            |endpoint| {
                let mut request = Request::get(endpoint, &path);
                if from > 0 {
                    // Closed: some registries answer 416 to an open range.
                    request = request.header("range", &format!("bytes={from}-{}", descriptor.size - 1));
                }
                let response = self.send(endpoint, &request)?;
                let start = match response.status {
                    206 => response.range_start()?,
                    _ => 0,
                };
                if start != 0 && start != from {
                    corrupt!("the registry sent bytes from {start} when asked for those from {from}");
                }
                Ok((response.body, start))
            },
        )
    }

    fn is_remote(&self) -> bool {
        true
    }
}
