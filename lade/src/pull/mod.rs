// SPDX-License-Identifier: Apache-2.0
//! From a source into the store, in one pass: choose the manifest, plan, fetch and unpack the layers in parallel,
//! settle them bottom up, sync once, and only then give the image its name.

mod fetch;
mod follow;
mod layer;
mod select;

pub(crate) use fetch::backoff;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::bail;
use crate::digest::Digest;
use crate::error::{Error, Kind, Result};
use crate::image::{Descriptor, Manifest, Platform};
use crate::progress::{self, Phase, Plan, Progress, human};
use crate::source::{Root, Source};
use crate::store::{Layer, Store};
use crate::unpack::Limits;

use layer::Job;
use select::Chosen;

#[derive(Debug, Clone)]
pub struct Options {
    pub platform: Platform,
    pub limits: Limits,
    /// Layers at a time.
    pub jobs: usize,
    pub check_space: bool,
    pub dry_run: bool,
    /// The most all missing layers together may have to be downloaded.
    pub max_download: Option<u64>,
}

#[derive(Debug)]
pub struct Pulled {
    pub descriptor: Descriptor,
    pub changed: bool,
}

/// Brings the image at `root` into the store under `name`.
pub fn pull(
    store: &Store,
    source: &dyn Source,
    root: Root,
    name: Option<&str>,
    options: &Options,
    progress: &Progress,
) -> Result<Pulled> {
    let in_use = store.in_use()?;
    let result = bring(store, source, root, name, options, progress);
    drop(in_use);
    match &result {
        Ok(pulled) if pulled.changed => store.settled()?,
        // Layers of a broken download serve the next try; those of a bad image serve nobody.
        Err(e) if matches!(e.kind(), Kind::Corrupt | Kind::NoSpace) => {
            store.collect(false)?;
        }
        _ => {}
    }
    result.map_err(|e| match e.kind() {
        Kind::NoSpace => e.hint("lade prune makes room"),
        _ => e,
    })
}

fn bring(
    store: &Store,
    source: &dyn Source,
    root: Root,
    name: Option<&str>,
    options: &Options,
    progress: &Progress,
) -> Result<Pulled> {
    let chosen = select::choose(store, source, root, &options.platform)?;
    let entries = store.index()?.manifests;
    let mut same = entries.iter().filter(|d| d.digest == chosen.descriptor.digest).peekable();
    let named = same.peek().is_some();
    let known = same.any(|d| (name.is_none() || d.ref_name() == name) && store.has_blob(d));
    let jobs = jobs(store, &chosen, named);
    let plan = plan(store, &chosen, &jobs, name)?;
    progress.plan(&plan);
    let changed = !options.dry_run && (!known || !jobs.is_empty());
    let pulled = Pulled { descriptor: chosen.descriptor.clone(), changed };
    if !changed {
        return Ok(pulled);
    }
    check_space(&plan, options)?;
    store.begin()?;
    let warnings = progress.during(|| run(store, source, &jobs, options, progress))?;
    let more = settle(store, source, &chosen, options, named)?;
    for warning in warnings.iter().chain(&more) {
        progress.message(&format!("warning: {warning}"));
    }
    chosen.store_documents(store)?;
    store.sync()?;
    store.name_image(chosen.descriptor, name)?;
    Ok(pulled)
}

/// The layers that are not whole in the store, each once, the largest first: it decides when all are done.
fn jobs(store: &Store, chosen: &Chosen, named: bool) -> Vec<Job> {
    let mut seen: HashSet<&Digest> = HashSet::new();
    let mut jobs = Vec::new();
    let ids = chosen.config.rootfs.diff_ids.iter().zip(chosen.config.chain_ids());
    for (blob, (diff_id, chain_id)) in chosen.manifest.layers.iter().zip(ids) {
        if seen.insert(diff_id) && !(store.layer(diff_id, &chain_id).is_some() && store.has_blob(blob)) {
            jobs.push(Job { blob: blob.clone(), diff_id: diff_id.clone(), chain_id, named });
        }
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.blob.size));
    jobs
}

fn plan(store: &Store, chosen: &Chosen, jobs: &[Job], name: Option<&str>) -> Result<Plan> {
    let mut plan = Plan {
        name: name.unwrap_or(chosen.descriptor.digest.as_str()).to_owned(),
        digest: chosen.descriptor.digest.clone(),
        layers: chosen.manifest.layers.len(),
        layers_present: chosen.manifest.layers.len() - jobs.len(),
        download: 0,
        need: 0,
        free: store.free_space()?,
    };
    for job in jobs {
        let fetch = if store.has_blob(&job.blob) { 0 } else { job.blob.size };
        // A guess for what no manifest tells: gzip and zstd make about a third of a root filesystem.
        let unpacked = if job.blob.media_type.ends_with("tar") {
            job.blob.size
        } else {
            job.blob.size.saturating_mul(3)
        };
        plan.download = plan.download.saturating_add(fetch);
        plan.need = plan.need.saturating_add(fetch).saturating_add(unpacked);
    }
    Ok(plan)
}

fn check_space(plan: &Plan, options: &Options) -> Result<()> {
    if let Some(max) = options.max_download
        && plan.download > max
    {
        bail!("{} to fetch is more than --max-size allows ({})", human(plan.download), human(max));
    }
    if options.check_space && plan.need > plan.free {
        let text = format!("about {} are needed and {} are free", human(plan.need), human(plan.free));
        return Err(Error::new(text).hint("lade prune makes room; --no-space-check goes on regardless"));
    }
    Ok(())
}

/// Works the jobs off on a few threads; the first error stops the rest from starting.
fn run(
    store: &Store,
    source: &dyn Source,
    jobs: &[Job],
    options: &Options,
    progress: &Progress,
) -> Result<Vec<String>> {
    let shown: HashMap<&Digest, Arc<progress::Layer>> =
        jobs.iter().map(|job| (&job.diff_id, progress.layer(&job.blob.digest, job.blob.size))).collect();
    let queue = Mutex::new(jobs.iter());
    let outcome: Mutex<Result<Vec<String>>> = Mutex::new(Ok(Vec::new()));
    let work = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(job) = next else { return };
            if outcome.lock().unwrap_or_else(PoisonError::into_inner).is_err() {
                return;
            }
            let layer = &shown[&job.diff_id];
            layer.phase(Phase::Working);
            let result = layer::ensure(store, source, job, &options.limits, layer);
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match (result, outcome.as_mut()) {
                (Ok(warnings), Ok(all)) => all.extend(warnings),
                (Err(e), Ok(_)) => *outcome = Err(e),
                (_, Err(_)) => {}
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, jobs.len().max(1)) {
            scope.spawn(work);
        }
    });
    outcome.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Bottom up: each layer sees those below it as they will be. Returns what the user should know.
fn settle(
    store: &Store,
    source: &dyn Source,
    chosen: &Chosen,
    options: &Options,
    named: bool,
) -> Result<Vec<String>> {
    let mut below: Vec<Layer> = Vec::new();
    let mut warnings = Vec::new();
    let ids = chosen.config.rootfs.diff_ids.iter().zip(chosen.config.chain_ids());
    for (blob, (diff_id, chain_id)) in chosen.manifest.layers.iter().zip(ids) {
        let mut tries = 0;
        let layer = loop {
            if let Some(layer) = store.layer(diff_id, &chain_id) {
                break layer;
            }
            match store.settle_layer(diff_id, &chain_id, &store.view(&below)?, named)? {
                Some(more) => warnings.extend(more),
                None => {
                    // Another image took the unpacked layer for its own stack (or this one has it twice).
                    let (diff_id, chain_id) = (diff_id.clone(), chain_id.clone());
                    let job = Job { blob: blob.clone(), diff_id, chain_id, named };
                    let quiet = Progress::new(progress::Mode::None).layer(&blob.digest, blob.size);
                    layer::ensure(store, source, &job, &options.limits, &quiet)?;
                }
            }
            tries += 1;
            if tries > 10 {
                bail!("the layer {diff_id} keeps vanishing from the store");
            }
        };
        below.push(layer);
    }
    Ok(warnings)
}

/// The layers of a manifest, as far as their types say that they are any.
fn check_layer_types(manifest: &Manifest) -> Result<()> {
    for layer in &manifest.layers {
        let known = match layer.media_type.as_str() {
            "application/vnd.docker.image.rootfs.diff.tar"
            | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            | "application/vnd.docker.image.rootfs.diff.tar.zstd"
            | "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip" => true,
            other => matches!(
                other
                    .strip_prefix("application/vnd.oci.image.layer.")
                    .map(|o| o.trim_start_matches("nondistributable.")),
                Some("v1.tar" | "v1.tar+gzip" | "v1.tar+zstd")
            ),
        };
        if !known {
            return Err(Error::corrupt(format!(
                "the layer {} is of the unknown type {:?}",
                layer.digest, layer.media_type
            )));
        }
    }
    Ok(())
}
