// SPDX-License-Identifier: Apache-2.0
//! `lade bundle`, and its flags where `lade pull --bundle` takes them.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::options::size;
use super::output;
use crate::bail;
use crate::error::{Error, Result};
use crate::store::{Image, Store};
use crate::{builtin, bundle};

#[derive(Args)]
pub(super) struct Bundle {
    /// The image, by name or id
    #[arg(value_name = "IMAGE", required_unless_present_any = ["remove", "default"])]
    image: Option<String>,
    /// Where to make the bundle; it must not exist or be empty
    #[arg(value_name = "DIR", required_unless_present_any = ["remove", "default"])]
    dir: Option<PathBuf>,
    /// Make a bundle in DIR of the built-in image: this machine's static busybox, or a program of lade's own that
    /// says where it runs. Needs no network
    #[arg(long, value_name = "DIR", conflicts_with_all = ["image", "dir", "remove"])]
    default: Option<PathBuf>,
    /// Undo: unmount and remove the bundle in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["image", "dir"])]
    remove: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Args)]
#[command(next_help_heading = "Bundle options")]
pub(super) struct Overrides {
    /// Copy the layers instead of mounting them
    #[arg(long)]
    copy: bool,
    /// Program to run instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// NAME=VALUE, or NAME for the caller's value
    #[arg(long, short, value_name = "VARIABLE")]
    env: Vec<String>,
    /// user[:group], by name or number
    #[arg(long, short, value_name = "USER")]
    user: Option<String>,
    /// Working directory
    #[arg(long, short, value_name = "DIR")]
    workdir: Option<String>,
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
    /// Give the process a terminal
    #[arg(long, short)]
    terminal: bool,
    /// Make rootfs read-only
    #[arg(long)]
    read_only: bool,
    /// none (a namespace of its own), host, or the path of a network namespace
    #[arg(long, value_name = "NET", default_value = "none")]
    network: String,
    /// type=bind,source=SRC,destination=DST[,ro], or type=tmpfs,destination=DST
    #[arg(long, value_name = "MOUNT", value_parser = mount)]
    mount: Vec<Value>,
    /// SRC:DST[:ro], a bind mount
    #[arg(long, short, value_name = "VOLUME", value_parser = volume)]
    volume: Vec<Value>,
    /// Memory limit
    #[arg(long, short, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// CPUs to use at most, with a fraction
    #[arg(long, value_name = "N")]
    cpus: Option<f64>,
    /// Processes at most
    #[arg(long, value_name = "N")]
    pids_limit: Option<i64>,
    #[arg(long, value_name = "CAP")]
    cap_add: Vec<String>,
    #[arg(long, value_name = "CAP")]
    cap_drop: Vec<String>,
    /// Let set-id programs and file capabilities raise privileges
    #[arg(long)]
    allow_new_privileges: bool,
    /// Copy labels that runtimes act on into the annotations too
    #[arg(long)]
    allow_unsafe_annotations: bool,
    /// Arguments instead of the image's command
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

impl Bundle {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        if let Some(dir) = &self.remove {
            return bundle::remove(store, dir);
        }
        if let Some(dir) = &self.default {
            return self.overrides.make(store, &builtin::image(store)?, dir);
        }
        let (Some(image), Some(dir)) = (&self.image, &self.dir) else {
            bail!("an image and a directory are needed")
        };
        self.overrides.make(store, &store.find(image)?, dir)
    }
}

impl Overrides {
    pub(super) fn make(&self, store: &Store, image: &Image, dir: &Path) -> Result<()> {
        let notes = bundle::make(store, image, dir, self.copy, &self.convert()?)?;
        for note in notes {
            output::note(&format!("note: {note}"));
        }
        Ok(())
    }

    fn convert(&self) -> Result<bundle::Overrides> {
        if let Some(cpus) = self.cpus
            && !(cpus.is_finite() && cpus > 0.0)
        {
            bail!("--cpus {cpus} is not a number above zero");
        }
        Ok(bundle::Overrides {
            args: self.args.clone(),
            entrypoint: self.entrypoint.clone(),
            env: self.env.clone(),
            user: self.user.clone(),
            cwd: self.workdir.clone(),
            hostname: self.hostname.clone(),
            terminal: self.terminal,
            read_only: self.read_only,
            network: match self.network.as_str() {
                "none" => bundle::Network::Own,
                "host" => bundle::Network::Host,
                path if path.starts_with('/') => bundle::Network::Path(path.into()),
                other => bail!("--network {other} is neither none, host nor a path"),
            },
            mounts: self.mount.iter().chain(&self.volume).cloned().collect(),
            memory: self.memory,
            cpus: self.cpus,
            pids: self.pids_limit,
            cap_add: self.cap_add.clone(),
            cap_drop: self.cap_drop.clone(),
            allow_unsafe_annotations: self.allow_unsafe_annotations,
            new_privileges: self.allow_new_privileges,
        })
    }
}

fn mount(text: &str) -> Result<Value> {
    let bad = |why: &str| Error::new(format!("invalid mount {text:?}: {why}"));
    let (mut kind, mut source, mut destination) = ("bind", None, None);
    let mut options: Vec<String> = Vec::new();
    for field in text.split(',') {
        match field.split_once('=').unwrap_or((field, "")) {
            ("type", value) => kind = value,
            ("source" | "src", value) => source = Some(value),
            ("destination" | "dst" | "target", value) => destination = Some(value),
            ("readonly" | "ro", "" | "true" | "1") => options.push("ro".to_owned()),
            ("options", value) => options.extend(value.split(':').map(str::to_owned)),
            (other, _) => return Err(bad(&format!("unknown field {other:?}"))),
        }
    }
    let destination =
        destination.filter(|d| d.starts_with('/')).ok_or_else(|| bad("an absolute destination is needed"))?;
    let source = match (kind, source) {
        ("bind", Some(source)) => {
            options.insert(0, "rbind".to_owned());
            std::path::absolute(source).map_err(|e| bad(&e.to_string()))?.to_string_lossy().into_owned()
        }
        ("bind", None) => return Err(bad("a bind mount needs a source")),
        ("tmpfs", _) => "tmpfs".to_owned(),
        (other, _) => return Err(bad(&format!("the type {other:?} is neither bind nor tmpfs"))),
    };
    if kind == "tmpfs" {
        options.extend(["nosuid", "nodev"].map(str::to_owned));
    }
    Ok(json!({"destination": destination, "type": kind, "source": source, "options": options}))
}

fn volume(text: &str) -> Result<Value> {
    let bad = || Error::new(format!("invalid volume {text:?}: expected SRC:DST[:ro]"));
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        [source, destination] => mount(&format!("type=bind,source={source},destination={destination}")),
        [source, destination, "ro"] => {
            mount(&format!("type=bind,source={source},destination={destination},ro"))
        }
        [source, destination, "rw"] => mount(&format!("type=bind,source={source},destination={destination}")),
        _ => Err(bad()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn mounts() {
        let parsed = mount("type=bind,src=/a,dst=/b,ro").unwrap();
        assert_eq!(
            parsed,
            json!({"destination": "/b", "type": "bind", "source": "/a", "options": ["rbind", "ro"]})
        );
        assert_eq!(volume("/a:/b:ro").unwrap(), parsed);
        for bad in ["", "type=bind,dst=/b", "src=/a,dst=b", "type=x,dst=/b", "src=/a,dst=/b,zz=1"] {
            assert!(mount(bad).is_err(), "{bad}");
        }
        assert!(volume("/a").is_err() && volume("/a:/b:zz").is_err());
    }
}
