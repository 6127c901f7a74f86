// SPDX-License-Identifier: Apache-2.0
//! `lade push`

use clap::Args;

use super::options::{Registries, Shown};
use super::output;
use crate::error::Result;
use crate::reference::Reference;
use crate::source::registry::{From, push};
use crate::store::{Image, Store};

#[derive(Args)]
pub(super) struct Push {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Where to [default: where its name says]
    #[arg(value_name = "NAME")]
    to: Option<String>,
    /// Layers to send at a time
    #[arg(long, short, value_name = "N", default_value_t = 4)]
    jobs: usize,
    #[command(flatten)]
    shown: Shown,
    #[command(flatten)]
    registries: Registries,
}

impl Push {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let _use = store.in_use()?;
        let image = store.find(&self.image)?;
        let to = match &self.to {
            Some(to) => Reference::parse(to)?,
            None => Reference::parse(image.name().unwrap_or(&self.image))?,
        };
        // Repositories whose images share a layer with this one can lend it on the other side.
        let shares = |other: &Image| other.manifest.layers.iter().any(|l| image.manifest.layers.contains(l));
        let names = store.images()?.into_iter().filter(shares);
        let mut near: Vec<Reference> = names.filter_map(|i| Reference::parse(i.name()?).ok()).collect();
        near.dedup_by(|a, b| a.path() == b.path());
        near.truncate(4);
        let settings = self.registries.settings()?;
        push(store, &image, &to, &From(near), &settings, self.jobs, &self.shown.progress())?;
        output::line(image.descriptor.digest.as_str())
    }
}
