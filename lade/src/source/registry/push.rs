// SPDX-License-Identifier: Apache-2.0
//! An image of the store into a registry: what is there already is not sent, what another repository of the same
//! registry has is mounted, the manifest goes last.

use std::sync::{Mutex, PoisonError};

use super::endpoint::{self, Endpoint};
use super::http::{Body, Client, Request, Response, check_redirect};
use super::{Registry, Settings};
use crate::bail;
use crate::error::{Context, Kind, Result};
use crate::image::Descriptor;
use crate::progress::{Phase, Progress};
use crate::reference::Reference;
use crate::store::{Image, Store};

/// Other repositories of the same registry that may have the image's layers.
pub struct From(pub Vec<Reference>);

/// Pushes and returns the digest by which the image is known there.
pub fn push(
    store: &Store,
    image: &Image,
    to: &Reference,
    from: &From,
    settings: &Settings,
    jobs: usize,
    progress: &Progress,
) -> Result<()> {
    if to.digest().is_some() {
        bail!("an image is pushed to a tag, not to a digest");
    }
    let mut endpoint = endpoint::direct(to, settings)?;
    endpoint.scope = format!("repository:{}:pull,push", to.path());
    let near = from.0.iter().filter(|r| r.domain() == to.domain() && r.path() != to.path());
    let near: Vec<String> = near.map(|r| r.path().to_owned()).collect();
    for repository in &near {
        endpoint.scope.push_str(&format!(" repository:{repository}:pull"));
    }
    let registry = Registry {
        reference: to.clone(),
        endpoints: vec![endpoint],
        good: 0.into(),
        client: Client::new(settings),
    };
    let endpoint = &registry.endpoints[0];
    let push = Push { store, registry: &registry, endpoint, near: &near };
    progress.during(|| push.blobs(image, jobs, progress))?;
    let bytes = store.document(&image.descriptor)?;
    let path = format!("manifests/{}", to.tag().unwrap_or("latest"));
    let request = Request::new("PUT", endpoint.url(&path))
        .header("content-type", &image.manifest.media_type)
        .body(Body::Bytes(&bytes));
    registry.send(endpoint, &request).map(drop).context(|| format!("unable to push the manifest of {to}"))
}

struct Push<'a> {
    store: &'a Store,
    registry: &'a Registry,
    endpoint: &'a Endpoint,
    near: &'a [String],
}

impl Push<'_> {
    fn blobs(&self, image: &Image, jobs: usize, progress: &Progress) -> Result<()> {
        let mut blobs: Vec<Descriptor> = image.manifest.layers.clone();
        blobs.push(image.manifest.config.clone());
        blobs.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.digest.cmp(&b.digest)));
        blobs.dedup_by(|a, b| a.digest == b.digest);
        let shown: Vec<_> = blobs.iter().map(|b| progress.layer(&b.digest, b.size)).collect();
        let queue = Mutex::new(blobs.iter().zip(&shown));
        let failure = Mutex::new(None);
        let work = || {
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((blob, shown)) = next else { return };
                shown.phase(Phase::Working);
                match self.blob(blob) {
                    Ok(sent) => shown.phase(if sent { Phase::Done } else { Phase::Present }),
                    Err(e) => {
                        let e = e.within(format!("unable to push {}", blob.digest.short()));
                        failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(e);
                        return;
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..jobs.clamp(1, blobs.len()) {
                scope.spawn(work);
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Whether it had to be sent.
    fn blob(&self, blob: &Descriptor) -> Result<bool> {
        let there = Request::new("HEAD", self.endpoint.url(&format!("blobs/{}", blob.digest)));
        match self.registry.send(self.endpoint, &there) {
            Ok(_) => return Ok(false),
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Denied) => {}
            Err(e) => return Err(e),
        }
        let mut failures = 0;
        loop {
            let session = self.start(blob)?;
            if session.status == 201 {
                return Ok(false);
            }
            match self.send(blob, &session) {
                Ok(()) => return Ok(true),
                Err(e) if e.kind() == Kind::Transient && failures < super::TRIES => {
                    failures += 1;
                    std::thread::sleep(crate::pull::backoff(failures));
                }
                Err(e) => return Err(e),
            }
        }
    }

    /// An upload session, or the blob mounted from a repository that has it.
    fn start(&self, blob: &Descriptor) -> Result<Response> {
        let url = self.endpoint.url("blobs/uploads/");
        for repository in self.near {
            let url = url.clone().with_query(&[("mount", blob.digest.as_str()), ("from", repository)]);
            match self.registry.send(self.endpoint, &Request::new("POST", url).body(Body::Bytes(b""))) {
                Ok(response) if response.status == 201 => return Ok(response),
                // The registry has started an ordinary upload instead.
                Ok(response) if response.status == 202 => return Ok(response),
                _ => {}
            }
        }
        self.registry.send(self.endpoint, &Request::new("POST", url).body(Body::Bytes(b"")))
    }

    fn send(&self, blob: &Descriptor, session: &Response) -> Result<()> {
        let Some(location) = session.header("location") else {
            bail!("the registry does not say where to upload to")
        };
        // Where the upload goes is the registry's word; credentials still stay with its origin (CVE-2026-50151).
        let url = session.url.join(location)?;
        let authorization = self.endpoint.auth.header();
        let authorization = authorization.as_deref().filter(|_| url.same_origin(&self.endpoint.base));
        check_redirect(&self.endpoint.base, &url, self.endpoint)?;
        let url = url.with_query(&[("digest", blob.digest.as_str())]);
        let file = self.store.open_blob(&blob.digest)?;
        let request = Request::new("PUT", url)
            .header("content-type", "application/octet-stream")
            .header("content-length", &blob.size.to_string())
            .body(Body::File(&file));
        self.registry.client.send(self.endpoint, &request, authorization)?.successful().map(drop)
    }
}
