// SPDX-License-Identifier: Apache-2.0
//! The image config into config.json (image-spec, conversion.md), and the user's flags over that.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::unistd::geteuid;
use serde_json::{Value, json};

use super::{annotations, spec, user};
use crate::bail;
use crate::error::{Error, Result};
use crate::store::Image;

#[derive(Debug, Clone, Default)]
pub enum Network {
    /// A namespace of the container's own, empty.
    #[default]
    Own,
    Host,
    Path(PathBuf),
}

/// What the command line says over the image.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub args: Vec<String>,
    pub entrypoint: Option<String>,
    pub env: Vec<String>,
    pub user: Option<String>,
    pub cwd: Option<String>,
    pub hostname: Option<String>,
    pub terminal: bool,
    pub read_only: bool,
    pub network: Network,
    /// Ready-made entries of `mounts`.
    pub mounts: Vec<Value>,
    pub memory: Option<u64>,
    pub cpus: Option<f64>,
    pub pids: Option<i64>,
    pub cap_add: Vec<String>,
    pub cap_drop: Vec<String>,
    pub allow_unsafe_annotations: bool,
    pub new_privileges: bool,
}

/// `config.json`, and what the user should know.
pub(super) fn convert(image: &Image, rootfs: &OwnedFd, with: &Overrides) -> Result<(Value, Vec<String>)> {
    let config = &image.config.config;
    let mut notes = Vec::new();
    let mut spec = spec::default();
    let process = &mut spec["process"];
    process["args"] = json!(args(image, with)?);
    process["env"] = json!(env(&config.env, with)?);
    process["cwd"] = json!(cwd(&config.working_dir, with)?);
    process["terminal"] = json!(with.terminal);
    process["noNewPrivileges"] = json!(!with.new_privileges);
    let found = user::resolve(rootfs, with.user.as_deref().unwrap_or(&config.user))?;
    process["user"] = json!({"uid": found.uid, "gid": found.gid});
    if !found.additional_gids.is_empty() && geteuid().is_root() {
        process["user"]["additionalGids"] = json!(found.additional_gids);
    }
    capabilities(process, with)?;
    if let Some(hostname) = &with.hostname {
        spec["hostname"] = json!(hostname);
    }
    spec["root"]["readonly"] = json!(with.read_only);
    let (annotations, left_out) = annotations::from_image(&image.config, with.allow_unsafe_annotations);
    spec["annotations"] = json!(annotations);
    for label in left_out {
        notes.push(format!("the label {label} could act on the host and was not made an annotation"));
    }
    network(&mut spec, &with.network);
    limits(&mut spec, with);
    if let Some(mounts) = spec["mounts"].as_array_mut() {
        mounts.extend(with.mounts.iter().cloned());
    }
    for volume in config.volumes.keys() {
        let covered = with.mounts.iter().any(|m| m["destination"] == json!(volume));
        if !covered {
            notes.push(format!("{volume} is a volume of the image and stays in the bundle: mount something there with --mount"));
        }
    }
    Ok((spec, notes))
}

fn args(image: &Image, with: &Overrides) -> Result<Vec<String>> {
    let config = &image.config.config;
    let mut args = match &with.entrypoint {
        Some(entrypoint) => vec![entrypoint.clone()],
        None => config.entrypoint.clone(),
    };
    // As for Docker: another entrypoint makes the image's command meaningless.
    if !with.args.is_empty() {
        args.extend(with.args.iter().cloned());
    } else if with.entrypoint.is_none() {
        args.extend(config.cmd.iter().cloned());
    }
    if args.is_empty() {
        return Err(Error::new("the image does not say what to run").hint("give a command after --"));
    }
    no_nul(&args, "the command")?;
    Ok(args)
}

fn no_nul(values: &[String], what: &str) -> Result<()> {
    match values.iter().find(|v| v.contains('\0')) {
        Some(_) => bail!("{what} contains a NUL"),
        None => Ok(()),
    }
}

fn env(image: &[String], with: &Overrides) -> Result<Vec<String>> {
    let key = |variable: &str| variable.split('=').next().unwrap_or_default().to_owned();
    let mut env: Vec<String> = Vec::new();
    let mut set = |variable: &str| match env.iter_mut().find(|v| key(v) == key(variable)) {
        Some(old) => variable.clone_into(old),
        None => env.push(variable.to_owned()),
    };
    set(spec::PATH);
    if with.terminal {
        set("TERM=xterm");
    }
    image.iter().for_each(|v| set(v));
    for variable in &with.env {
        // `--env NAME` hands the caller's value on.
        match (variable.contains('='), std::env::var(variable)) {
            (true, _) => set(variable),
            (false, Ok(value)) => set(&format!("{variable}={value}")),
            (false, Err(_)) => {}
        }
    }
    no_nul(&env, "the environment")?;
    Ok(env)
}

fn cwd(image: &str, with: &Overrides) -> Result<String> {
    let cwd = with.cwd.as_deref().unwrap_or(image);
    match cwd {
        "" => Ok("/".to_owned()),
        absolute if absolute.starts_with('/') => Ok(absolute.to_owned()),
        // Docker takes a relative WorkingDir as beneath the root.
        relative => Ok(format!("/{relative}")),
    }
}

fn capabilities(process: &mut Value, with: &Overrides) -> Result<()> {
    let full = |name: &String| {
        let name = name.to_ascii_uppercase();
        if name.starts_with("CAP_") { name } else { format!("CAP_{name}") }
    };
    for set in ["bounding", "effective", "permitted"] {
        let Some(list) = process["capabilities"][set].as_array_mut() else { continue };
        for drop in with.cap_drop.iter().map(full) {
            list.retain(|c| drop != "CAP_ALL" && *c != json!(drop));
        }
        for add in with.cap_add.iter().map(full) {
            if add == "CAP_ALL" {
                bail!("--cap-add takes capabilities by name");
            }
            if !list.contains(&json!(add)) {
                list.push(json!(add));
            }
        }
    }
    Ok(())
}

fn network(spec: &mut Value, network: &Network) {
    let Some(namespaces) = spec["linux"]["namespaces"].as_array_mut() else { return };
    match network {
        Network::Own => {}
        Network::Host => namespaces.retain(|n| n["type"] != "network"),
        Network::Path(path) => {
            namespaces.retain(|n| n["type"] != "network");
            namespaces.push(json!({"type": "network", "path": path}));
        }
    }
}

fn limits(spec: &mut Value, with: &Overrides) {
    let resources = &mut spec["linux"]["resources"];
    if let Some(memory) = with.memory {
        resources["memory"] = json!({"limit": memory});
    }
    if let Some(cpus) = with.cpus {
        resources["cpu"] = json!({"period": 100_000, "quota": (cpus * 100_000.0).round() as i64});
    }
    if let Some(pids) = with.pids {
        resources["pids"] = json!({"limit": pids});
    }
}
