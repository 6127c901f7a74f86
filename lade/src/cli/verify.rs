// SPDX-License-Identifier: Apache-2.0
//! `lade verify`

use clap::Args;

use super::options::{Ingest, Registries};
use super::output;
use crate::error::{Error, Result};
use crate::pull;
use crate::reference::Reference;
use crate::source::registry::Registry;
use crate::store::{Damage, Image, Store};

#[derive(Args)]
pub(super) struct Verify {
    /// Names or ids [default: all]
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// Digest every blob and compare every unpacked layer with what its blob unpacks to
    #[arg(long)]
    deep: bool,
    /// Throw away what is damaged, and make it anew from the blobs or the registry
    #[arg(long)]
    repair: bool,
    #[command(flatten)]
    ingest: Ingest,
    #[command(flatten)]
    registries: Registries,
}

impl Verify {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let images = if self.images.is_empty() {
            store.images()?
        } else {
            self.images.iter().map(|i| store.find(i)).collect::<Result<Vec<_>>>()?
        };
        let mut bad = 0;
        for image in &images {
            let shown = image.name().unwrap_or(image.id().as_str()).to_owned();
            let mut damage = store.check(image, self.deep)?;
            let damaged = !damage.is_empty();
            tell(&shown, &damage)?;
            // A layer is compared when those below it are good, so each round may find the next one.
            for _ in 0..=image.manifest.layers.len() {
                if damage.is_empty() || !self.repair {
                    break;
                }
                self.mend(store, image, &damage)?;
                damage = store.check(image, self.deep)?;
                tell(&shown, &damage)?;
            }
            match (damaged, damage.is_empty()) {
                (false, _) => output::line(&format!("{shown}: good"))?,
                (true, true) => output::line(&format!("{shown}: repaired"))?,
                (true, false) => bad += 1,
            }
        }
        if bad > 0 {
            let text = format!("{bad} of {} images are damaged", images.len());
            return Err(Error::new(text).hint("lade verify --repair makes them anew"));
        }
        Ok(())
    }

    fn mend(&self, store: &Store, image: &Image, damage: &[Damage]) -> Result<()> {
        store.discard(image, damage)?;
        let options = self.ingest.options()?;
        let name = image.name();
        // By digest: the tag may mean another image today.
        let reference = match name.map(Reference::parse) {
            Some(Ok(r)) => Reference::parse(&format!("{}@{}", r.repository(), image.repo_digest()))?,
            _ => return Err(Error::new("an image without a name cannot be fetched again")),
        };
        let registry = Registry::new(reference, &self.registries.settings()?)?;
        let local = damage.iter().all(|d| matches!(d, Damage::Layer { .. }));
        let root = if local { store.root_of(image)? } else { registry.resolve()? };
        pull::pull(store, &registry, root, name, &options, &self.ingest.progress()).map(drop)
    }
}

fn tell(shown: &str, damage: &[Damage]) -> Result<()> {
    damage.iter().try_for_each(|one| output::line(&format!("{shown}: {}", describe(one))))
}

fn describe(damage: &Damage) -> String {
    match damage {
        Damage::Blob { digest, why } => format!("the blob {}: {why}", digest.short()),
        Damage::Layer { index, why } => format!("layer {}: {why}", index + 1),
    }
}
