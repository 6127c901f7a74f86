// SPDX-License-Identifier: Apache-2.0
//! `lade prune`

use std::collections::HashSet;

use clap::Args;

use super::output;
use crate::error::{Error, Result};
use crate::progress::human;
use crate::store::Store;

#[derive(Args)]
pub(super) struct Prune {
    /// Remove every image that no bundle uses, not only those without a name
    #[arg(long, short)]
    all: bool,
    /// For programs
    #[arg(long)]
    json: bool,
}

impl Prune {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let used: HashSet<_> = store.bundles()?.into_iter().map(|b| b.manifest).collect();
        store.change_index(|index| {
            index
                .manifests
                .retain(|d| if self.all { used.contains(&d.digest) } else { d.ref_name().is_some() });
            Ok(())
        })?;
        let freed = store
            .collect(true)?
            .ok_or_else(|| Error::new("the store is in use").hint("try again when the other lade is done"))?;
        if self.json {
            return output::json(&freed);
        }
        output::line(&format!(
            "removed {} blobs and {} layers, {}",
            freed.blobs,
            freed.layers,
            human(freed.bytes)
        ))
    }
}
