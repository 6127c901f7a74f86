// SPDX-License-Identifier: Apache-2.0
//! `lade load`

use std::path::{Path, PathBuf};

use clap::Args;

use super::options::Ingest;
use super::output;
use crate::bail;
use crate::error::Result;
use crate::pull;
use crate::source::archive::Archive;
use crate::source::local;
use crate::store::Store;

#[derive(Args)]
pub(super) struct Load {
    /// The archive [default: standard input]
    #[arg(long, short, value_name = "FILE")]
    input: Option<PathBuf>,
    #[command(flatten)]
    ingest: Ingest,
}

impl Load {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let progress = self.ingest.progress();
        let options = self.ingest.options()?;
        let (archive, shown) = match &self.input {
            Some(path) => (Archive::open(path, &store.spool_dir())?, path.as_path()),
            None => (local::spool(std::io::stdin().lock(), &store.spool_dir())?, Path::new("standard input")),
        };
        let local = local::open_any(archive, shown)?;
        if local.offers.is_empty() {
            bail!("{} has no image", shown.display());
        }
        for offer in local.offers {
            let name = local::name_of(offer.name.as_deref(), shown)?;
            let pulled = pull::pull(store, &*local.source, offer.root, name.as_deref(), &options, &progress)?;
            output::line(name.as_deref().unwrap_or(pulled.descriptor.digest.as_str()))?;
        }
        Ok(())
    }
}
