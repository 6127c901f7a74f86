// SPDX-License-Identifier: Apache-2.0
//! `lade import`

use std::fs::File;
use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::options::Ingest;
use super::output;
use crate::error::{Context, Result};
use crate::import::{self, From};
use crate::pull;
use crate::reference::Reference;
use crate::store::{Store, open_dir};
use crate::view::{Dir, Root};

#[derive(Args)]
pub(super) struct Import {
    /// A directory, a tar (compressed or not), or - for standard input
    #[arg(value_name = "ROOTFS")]
    rootfs: String,
    /// The image's name
    #[arg(value_name = "NAME")]
    name: String,
    /// What the image runs; give it once for each word
    #[arg(long, value_name = "WORD")]
    cmd: Vec<String>,
    /// NAME=VALUE
    #[arg(long, short, value_name = "VARIABLE")]
    env: Vec<String>,
    /// user[:group]
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    /// NAME=VALUE
    #[arg(long, short, value_name = "LABEL")]
    label: Vec<String>,
    /// A word on where it came from
    #[arg(long, short, value_name = "TEXT", default_value = "")]
    message: String,
    #[command(flatten)]
    ingest: Ingest,
}

impl Import {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let name = Reference::parse(&self.name)?.to_string();
        let options = self.ingest.options()?;
        let _use = store.in_use()?;
        store.begin()?;
        let path = Path::new(&self.rootfs);
        let dir;
        let from = if self.rootfs == "-" {
            From::Tar(Box::new(std::io::stdin().lock()))
        } else if path.is_dir() {
            dir = Dir::root(vec![Root { fd: open_dir(path)?, mentioned: true }], store.marks())?;
            From::Dir(&dir)
        } else {
            From::Tar(Box::new(File::open(path).context(|| format!("unable to open {}", path.display()))?))
        };
        let (source, root) = import::import(store, from, &options.platform, &self.config(), &self.message)?;
        let pulled = pull::pull(store, &source, root, Some(&name), &options, &self.ingest.progress())?;
        output::line(store.load(&pulled.descriptor)?.id().as_str())
    }

    fn config(&self) -> Value {
        let labels: serde_json::Map<String, Value> = self
            .label
            .iter()
            .map(|l| l.split_once('=').unwrap_or((l, "")))
            .map(|(k, v)| (k.to_owned(), json!(v)))
            .collect();
        let mut config = json!({});
        let mut set = |key: &str, value: Value, given: bool| {
            if given {
                config[key] = value;
            }
        };
        set("Cmd", json!(self.cmd), !self.cmd.is_empty());
        set("Env", json!(self.env), !self.env.is_empty());
        set("User", json!(self.user), self.user.is_some());
        set("WorkingDir", json!(self.workdir), self.workdir.is_some());
        set("Labels", json!(labels), !labels.is_empty());
        config
    }
}
