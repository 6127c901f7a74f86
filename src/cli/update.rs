// SPDX-License-Identifier: Apache-2.0
//! `update`: other limits and device rules for a container that runs.

use std::path::Path;

use clap::{ArgMatches, Command};
use serde_json::{Value, json};

use super::flags::{self, value};
use super::global::Global;
use super::{destroy, quantity};
use crate::bundle;
use crate::container::{Locked, State, Status};
use crate::error::{Error, Kind, Result};
use crate::host::cgroup;
use crate::log;
use crate::plan::cgroup::{Update, update};

/// How the value of a flag is written, here and in JSON.
#[derive(Clone, Copy)]
enum Form {
    Unsigned,
    Signed,
    Size,
    Text,
}

struct Flag {
    name: &'static str,
    placeholder: &'static str,
    help: &'static str,
    /// Group and property of `linux.resources`.
    property: (&'static str, &'static str),
    form: Form,
}

const fn flag(
    name: &'static str,
    placeholder: &'static str,
    help: &'static str,
    property: (&'static str, &'static str),
    form: Form,
) -> Flag {
    Flag { name, placeholder, help, property, form }
}

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    flag("blkio-weight", "WEIGHT", "share of block I/O, 10 to 1000", ("blockIO", "weight"), Form::Unsigned),
    flag("cpu-period", "MICROSECONDS", "period of --cpu-quota", ("cpu", "period"), Form::Unsigned),
    flag("cpu-quota", "MICROSECONDS", "CPU time in each period; -1: no limit", ("cpu", "quota"), Form::Signed),
    flag("cpu-burst", "MICROSECONDS", "unused quota that may be saved up", ("cpu", "burst"), Form::Unsigned),
    flag("cpu-share", "SHARES", "share of CPU time beside others, 2 to 262144", ("cpu", "shares"), Form::Unsigned),
    flag("cpu-rt-period", "MICROSECONDS", "period of --cpu-rt-runtime (v1)", ("cpu", "realtimePeriod"), Form::Unsigned),
    flag("cpu-rt-runtime", "MICROSECONDS", "real-time CPU time in each period (v1)", ("cpu", "realtimeRuntime"), Form::Signed),
    flag("cpuset-cpus", "LIST", "CPUs to use, as 0-2,7", ("cpu", "cpus"), Form::Text),
    flag("cpuset-mems", "LIST", "memory nodes to use", ("cpu", "mems"), Form::Text),
    flag("cpu-idle", "0|1", "1: run only when nobody else wants to", ("cpu", "idle"), Form::Signed),
    flag("memory", "BYTES", "limit of memory; -1: none", ("memory", "limit"), Form::Size),
    flag("memory-reservation", "BYTES", "memory that is left alone when the host runs short", ("memory", "reservation"), Form::Size),
    flag("memory-swap", "BYTES", "limit of memory and swap together; -1: none", ("memory", "swap"), Form::Size),
    flag("pids-limit", "NUMBER", "limit of processes and threads; -1: none", ("pids", "limit"), Form::Signed),
    flag("kernel-memory", "BYTES", "", ("memory", "kernel"), Form::Size),
    flag("kernel-memory-tcp", "BYTES", "", ("memory", "kernelTCP"), Form::Size),
];

/// Once limits of their own, now refused by every kernel: runc takes and ignores them.
const OBSOLETE: [&str; 2] = ["kernel", "kernelTCP"];

pub(super) fn command() -> Command {
    let arg = |flag: &Flag| {
        let obsolete = flag.property.0 == "memory" && OBSOLETE.contains(&flag.property.1);
        value(flag.name, flag.placeholder, flag.help).hide(obsolete)
    };
    flags::command("update", "Change the limits and device rules of a container", "[options] <container-id>")
        .arg(
            value("resources", "FILE", "a linux.resources object of config.json; - is standard input")
                .short('r'),
        )
        .args(FLAGS.iter().map(arg))
        .arg(value("l3-cache-schema", "SCHEMA", "Intel RDT: schema of the L3 cache"))
        .arg(value("mem-bw-schema", "SCHEMA", "Intel RDT: schema of the memory bandwidth"))
}

#[derive(Debug, PartialEq)]
pub(super) struct UpdateOptions {
    pub(super) id: String,
    /// A `linux.resources` object.
    pub(super) request: Value,
}

impl UpdateOptions {
    pub(super) fn new(matches: &ArgMatches) -> Result<UpdateOptions> {
        let id = flags::id(matches);
        if let Some(file) = flags::path(matches, "resources") {
            return Ok(UpdateOptions { id, request: read(&file)? });
        }
        let mut request = json!({});
        for Flag { name, property: (group, property), form, .. } in FLAGS {
            if let Some(text) = flags::text(matches, name)? {
                let parsed = form.parse(&text);
                request[group][property] = parsed.ok_or_else(|| {
                    Error::new(format!("invalid value for {name}")).because(format!("{text:?}"))
                })?;
            }
        }
        for (name, what) in [
            ("l3-cache-schema", "Intel RDT/CAT: l3 cache schema"),
            ("mem-bw-schema", "Intel RDT/MBA: memory bandwidth schema"),
        ] {
            if flags::text(matches, name)?.is_some() {
                return Err(Error::new(format!("{what} is not enabled")));
            }
        }
        Ok(UpdateOptions { id, request })
    }
}

impl Form {
    fn parse(self, text: &str) -> Option<Value> {
        match self {
            Form::Unsigned => text.parse::<u64>().ok().map(Value::from),
            Form::Signed => text.parse::<i64>().ok().map(Value::from),
            Form::Size if text == "-1" => Some(json!(-1)),
            Form::Size => quantity::size(text).map(Value::from),
            Form::Text => Some(json!(text)),
        }
    }
}

fn read(file: &Path) -> Result<Value> {
    let data = if file == Path::new("-") { bundle::read_stdin()? } else { bundle::read_file(file)? };
    parse(&data, &format!("the resources in {}", file.display()))
}

fn parse(data: &[u8], what: &str) -> Result<Value> {
    serde_json::from_slice(data)
        .map_err(|e| Error::new(format!("unable to parse {what}")).because(e.to_string()))
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = UpdateOptions::new(matches)?;
    let container = global.container(&options.id)?.lock("update")?;
    let state = container.state()?;
    match destroy::status(&container, &state) {
        Status::Created | Status::Running | Status::Paused => {}
        _ => return Err(Error::new("container not running").of_kind(Kind::NotRunning)),
    }
    if OBSOLETE.iter().any(|property| !options.request["memory"][*property].is_null()) {
        log::warn("Kernel memory settings are ignored and will be removed");
    }
    let old = container.config()?;
    let mut config = parse(&old, "the saved config.json")?;
    let resources = resources(&mut config)?;
    let update = update(resources, options.request, cgroup::read()?.version)?;
    resources.clone_from(&update.resources);
    save(&container, &config)?;
    apply(&state, &update).inspect_err(|_| {
        // What is in force is what the next update goes on from.
        let _ = container.save_config(&old);
    })?;
    Ok(0)
}

fn resources(config: &mut Value) -> Result<&mut Value> {
    let linux = config.as_object_mut().map(|config| config.entry("linux").or_insert_with(|| json!({})));
    let linux = linux.and_then(Value::as_object_mut);
    let linux = linux.ok_or_else(|| Error::new("unable to find the resources").at("/linux"))?;
    Ok(linux.entry("resources").or_insert(Value::Null))
}

fn save(container: &Locked, config: &Value) -> Result<()> {
    let text = serde_json::to_vec(config);
    container.save_config(&text.map_err(|e| Error::new("unable to print JSON").because(e.to_string()))?)
}

/// The one place where new resources meet a cgroup, whatever made it. All or nothing.
fn apply(state: &State, update: &Update) -> Result<()> {
    let cgroup = destroy::cgroup_of(state)?;
    let cgroup = cgroup.ok_or_else(|| Error::new("unable to update a container that has no cgroup"))?;
    cgroup.update(&update.limits, &update.devices)
}
