// SPDX-License-Identifier: Apache-2.0
//! One layer: a thread that fetches and a thread that unpacks what has come so far. Both the stored bytes and the
//! unpacked ones must match before either gets its name.

use std::fs::File;

use super::fetch::Fetch;
use super::follow::{EndOnDrop, Follower, Growing};
use crate::digest::Digest;
use crate::error::{Context, Error, Kind, Result};
use crate::image::Descriptor;
use crate::progress::{self, Phase, Timings};
use crate::source::Source;
use crate::store::{LayerRecord, Staged, Store};
use crate::unpack::{Limits, Unpacked, unpack};

pub(super) struct Job {
    pub blob: Descriptor,
    pub diff_id: Digest,
    pub chain_id: Digest,
    /// The index names the image already: no sync will come between this layer and a power cut but its own.
    pub named: bool,
}

/// Makes the layer's blob and its unpacked directory be there; returns what should be told.
pub(super) fn ensure(
    store: &Store,
    source: &dyn Source,
    job: &Job,
    limits: &Limits,
    shown: &progress::Layer,
) -> Result<Vec<String>> {
    let _lock = store.lock_layer(&job.diff_id)?;
    let unpacked =
        store.layer(&job.diff_id, &job.chain_id).is_some() || store.raw_layer(&job.diff_id).is_some();
    let stored = store.has_blob(&job.blob);
    let warnings = match (stored, unpacked) {
        (true, true) => {
            shown.phase(Phase::Present);
            return Ok(Vec::new());
        }
        (true, false) => from_store(store, job, limits, shown)?,
        (false, _) => {
            let _blob = store.lock_blob(&job.blob.digest)?;
            match fetch(store, source, job, limits, shown, !unpacked) {
                // What an earlier run left was rotten; once more, from nothing.
                Err((e, true)) if e.kind() == Kind::Corrupt => {
                    fetch(store, source, job, limits, shown, !unpacked).map_err(|(e, _)| e)?
                }
                other => other.map_err(|(e, _)| e)?,
            }
        }
    };
    shown.phase(Phase::Done);
    Ok(warnings)
}

/// The bool of an error: an old part was used.
fn fetch(
    store: &Store,
    source: &dyn Source,
    job: &Job,
    limits: &Limits,
    shown: &progress::Layer,
    unpack_too: bool,
) -> std::result::Result<Vec<String>, (Error, bool)> {
    let fresh = |e: Error| (e, false);
    let part = store.part(&job.blob).map_err(fresh)?;
    let staged = if unpack_too { Some(store.stage_layer(&job.diff_id).map_err(fresh)?) } else { None };
    let growing = Growing::default();
    let had_part = part.size().map_err(fresh)? > 0;
    let (fetched, unpacked) = std::thread::scope(|scope| {
        let unpacker = staged.as_ref().map(|staged| {
            let (growing, part) = (&growing, &part);
            scope.spawn(move || {
                let file = part.file.try_clone().context(|| "unable to duplicate a descriptor")?;
                let result =
                    unpack(Follower::new(file, growing), &staged.fd, job.blob.size, limits, store.marks());
                growing.reader_done(result.as_ref().is_err_and(|e| e.kind() != Kind::Corrupt));
                result
            })
        });
        let end = EndOnDrop(&growing);
        let fetched = Fetch { source, blob: &job.blob, part: &part, growing: &growing, shown }.run();
        growing.ended(fetched.is_ok());
        drop(end);
        shown.phase(Phase::Settling);
        (fetched, unpacker.map(|u| u.join().unwrap_or_else(|_| Err(Error::new("the unpacker panicked")))))
    });
    // Bytes that are not what their digest says explain whatever the unpacker made of them; a failure to unpack
    // explains why the download was given up.
    let result = match (fetched, unpacked) {
        (Err(_), Some(Err(u))) if growing.reader_failed() => Err(u),
        (Err(e), _) | (Ok(_), Some(Err(e))) => Err(e),
        (Ok((_, timings)), unpacked) => Ok((timings, unpacked.and_then(Result::ok))),
    };
    let (timings, unpacked) = result.map_err(|e| {
        // A part serves the next try, but not where there is no room for the rest of it.
        if matches!(e.kind(), Kind::Corrupt | Kind::NoSpace) {
            part.discard();
        }
        (e, had_part)
    })?;
    let warnings = match (unpacked, staged) {
        (Some(unpacked), Some(staged)) => commit(store, job, &staged, unpacked, timings, shown),
        _ => Ok(Vec::new()),
    };
    let warnings = warnings.map_err(|e| {
        part.discard();
        (e, had_part)
    })?;
    store.commit_part(&part, job.named).map_err(fresh)?;
    Ok(warnings)
}

/// The blob is there; its directory is not.
fn from_store(store: &Store, job: &Job, limits: &Limits, shown: &progress::Layer) -> Result<Vec<String>> {
    let staged = store.stage_layer(&job.diff_id)?;
    let file: File = store.open_blob(&job.blob.digest)?;
    let result = std::thread::scope(|scope| {
        let unpacker = scope.spawn(|| unpack(file, &staged.fd, job.blob.size, limits, store.marks()));
        unpacker.join().unwrap_or_else(|_| Err(Error::new("the unpacker panicked")))
    });
    shown.advance_to(job.blob.size);
    // The diffID proves the bytes: nothing else decompresses to it that anybody could make.
    let unpacked =
        result.context(|| format!("unable to unpack the blob {} of the store", job.blob.digest.short()))?;
    commit(store, job, &staged, unpacked, Timings::default(), shown)
}

fn commit(
    store: &Store,
    job: &Job,
    staged: &Staged,
    unpacked: Unpacked,
    fetched: Timings,
    shown: &progress::Layer,
) -> Result<Vec<String>> {
    let what = format!("the unpacked layer {}", job.blob.digest.short());
    job.diff_id.expect(&unpacked.diff_id, &what)?;
    let record = LayerRecord {
        diff_id: unpacked.diff_id,
        bytes: unpacked.bytes,
        entries: unpacked.entries,
        context: unpacked.context,
    };
    store.commit_layer(staged, &record, job.named)?;
    let t = unpacked.timings;
    shown.timings(Timings { inflate: t.inflate, diff: t.diff, fs: t.fs, ..fetched });
    Ok(unpacked.warnings)
}
