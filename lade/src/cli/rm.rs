// SPDX-License-Identifier: Apache-2.0
//! `lade rm`

use clap::Args;

use super::output;
use crate::error::{Error, Result};
use crate::progress::human;
use crate::store::{Name, Store};

#[derive(Args)]
pub(super) struct Rm {
    /// Names or ids
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Remove an image by id though it has several names; say nothing of images that are not there
    #[arg(long, short)]
    force: bool,
}

impl Rm {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let mut failed = None;
        for text in &self.images {
            match self.one(store, text) {
                Ok(()) => {}
                Err(e) if self.force && e.kind() == crate::error::Kind::NotFound => {}
                Err(e) => {
                    output::error(&e);
                    failed = Some(text);
                }
            }
        }
        match store.collect(false)? {
            Some(freed) if freed.bytes > 0 => output::note(&format!("freed {}", human(freed.bytes))),
            Some(_) => {}
            None => output::note("the store is in use; lade prune frees the space later"),
        }
        failed.map_or(Ok(()), |text| Err(Error::new(format!("unable to remove {text}"))))
    }

    fn one(&self, store: &Store, text: &str) -> Result<()> {
        let image = store.find(text)?;
        let by_name = matches!(Name::parse(text)?, Name::Reference(_)) && !image.id().hex().starts_with(text);
        let gone = store.change_index(|index| {
            let same = |d: &crate::image::Descriptor| d.digest == image.descriptor.digest;
            let names = index.manifests.iter().filter(|d| same(d) && d.ref_name().is_some()).count();
            if !by_name && names > 1 && !self.force {
                let text = format!("the image {text} has {names} names");
                return Err(Error::new(text).hint("remove it by name, or with --force"));
            }
            let mut gone = Vec::new();
            index.manifests.retain(|d| {
                let hit = same(d) && (!by_name || d.ref_name() == image.name());
                if hit {
                    gone.push(d.ref_name().unwrap_or(d.digest.as_str()).to_owned());
                }
                !hit
            });
            Ok(gone)
        })?;
        gone.iter().try_for_each(|name| output::line(name))
    }
}
