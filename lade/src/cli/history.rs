// SPDX-License-Identifier: Apache-2.0
//! `lade history`

use clap::Args;

use super::output;
use crate::error::Result;
use crate::progress::human;
use crate::store::Store;

#[derive(Args)]
pub(super) struct History {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Whole commands
    #[arg(long)]
    no_trunc: bool,
}

const COMMAND_MAX: usize = 60;

impl History {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let image = store.find(&self.image)?;
        if self.json {
            return output::json(&image.config.history);
        }
        let mut layers = image.manifest.layers.iter();
        let mut rows = Vec::new();
        for step in &image.config.history {
            let size = if step.empty_layer { 0 } else { layers.next().map_or(0, |l| l.size) };
            let mut command = step.created_by.clone().unwrap_or_default();
            if !self.no_trunc && command.chars().count() > COMMAND_MAX {
                command = command.chars().take(COMMAND_MAX - 3).chain("...".chars()).collect();
            }
            let created = output::ago(step.created.as_deref());
            rows.push(vec![created, human(size), command, step.comment.clone().unwrap_or_default()]);
        }
        rows.push(["CREATED", "SIZE", "CREATED BY", "COMMENT"].map(str::to_owned).to_vec());
        rows.reverse();
        output::table(&rows)
    }
}
