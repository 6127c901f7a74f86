// SPDX-License-Identifier: Apache-2.0
//! `lade pull`

use std::path::{Path, PathBuf};

use clap::Args;

use super::bundle::Overrides;
use super::options::{Ingest, Registries};
use super::output;
use crate::bail;
use crate::error::Result;
use crate::pull;
use crate::reference::Reference;
use crate::source::local;
use crate::source::registry::Registry;
use crate::store::Store;

#[derive(Args)]
pub(super) struct Pull {
    /// A name in a registry, or oci:DIR[:TAG], oci-archive:FILE[:NAME], docker-archive:FILE[:NAME]
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// The name to give the image in the store
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Make a bundle of the image too
    #[arg(long, value_name = "DIR")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    ingest: Ingest,
    #[command(flatten)]
    registries: Registries,
    #[command(flatten)]
    overrides: Overrides,
}

impl Pull {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        if self.images.len() > 1 && (self.bundle.is_some() || self.name.is_some()) {
            bail!("--bundle and --name go with one image");
        }
        for image in &self.images {
            let id = self.one(store, image)?;
            output::line(&id)?;
        }
        Ok(())
    }

    fn one(&self, store: &Store, text: &str) -> Result<String> {
        let progress = self.ingest.progress();
        let options = self.ingest.options()?;
        let own_name = self.name.as_deref().map(Reference::parse).transpose()?.map(|r| r.to_string());
        let mut last = None;
        if let Some(local) = local::open(text, &store.spool_dir())? {
            let file = text.split(':').nth(1).unwrap_or_default();
            for offer in local.offers {
                let name = match &own_name {
                    Some(name) => Some(name.clone()),
                    None => local::name_of(offer.name.as_deref(), Path::new(file))?,
                };
                last = Some(pull::pull(
                    store,
                    &*local.source,
                    offer.root,
                    name.as_deref(),
                    &options,
                    &progress,
                )?);
            }
        } else {
            let reference = Reference::parse(text)?;
            let name = own_name.unwrap_or_else(|| reference.store_name());
            let registry = Registry::new(reference, &self.registries.settings()?)?;
            last = Some(pull::pull(store, &registry, registry.resolve()?, Some(&name), &options, &progress)?);
        }
        let Some(pulled) = last else { bail!("{text} has no image") };
        if self.ingest.dry_run {
            return Ok(pulled.descriptor.digest.to_string());
        }
        let image = store.load(&pulled.descriptor)?;
        if let Some(dir) = &self.bundle {
            self.overrides.make(store, &image, dir)?;
        }
        Ok(image.id().to_string())
    }
}
