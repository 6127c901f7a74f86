// SPDX-License-Identifier: Apache-2.0
//! `lade tag`

use clap::Args;

use crate::bail;
use crate::error::Result;
use crate::reference::Reference;
use crate::store::Store;

#[derive(Args)]
pub(super) struct Tag {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The new name
    #[arg(value_name = "NAME")]
    name: String,
}

impl Tag {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let name = Reference::parse(&self.name)?;
        if name.digest().is_some() {
            bail!("a name with a digest cannot be given to an image");
        }
        let image = store.find(&self.image)?;
        store.name_image(image.descriptor, Some(&name.to_string()))
    }
}
