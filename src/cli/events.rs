// SPDX-License-Identifier: Apache-2.0
//! `events`: what a container uses, at intervals, and each time that its memory runs out.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use clap::{ArgMatches, Command};
use serde::Serialize;

use super::flags::{self, is_on, switch, value};
use super::global::Global;
use super::{destroy, output, quantity};
use crate::cgroup::{Cgroup, Stats};
use crate::container::State;
use crate::error::{Error, Kind, Result};

#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventsOptions {
    pub(super) id: String,
    pub(super) interval: Duration,
    /// Once.
    pub(super) stats: bool,
}

pub(super) fn command() -> Command {
    flags::command(
        "events",
        "Show what a container uses, and when its memory runs out",
        "[options] <container-id>",
    )
    .arg(value("interval", "DURATION", "time between two reports, as 500ms or 1m30s; default: 5s"))
    .arg(switch("stats", "report once and end"))
}

impl EventsOptions {
    pub(super) fn new(matches: &ArgMatches) -> Result<EventsOptions> {
        let interval = flags::text(matches, "interval")?;
        let interval = interval.map_or(Some(Duration::from_secs(5)), |text| quantity::duration(&text));
        Ok(EventsOptions {
            id: flags::id(matches),
            interval: interval.ok_or_else(|| Error::new("duration interval must be greater than 0"))?,
            stats: is_on(matches, "stats"),
        })
    }
}

/// A line of the output. Only statistics have data.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Data {
    #[serde(flatten)]
    stats: Stats,
    intel_rdt: Empty,
    /// No container of ours has interfaces that runc would count here.
    network_interfaces: (),
}

pub(super) fn run(global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = EventsOptions::new(matches)?;
    let state = global.container(&options.id)?.state()?;
    let not_running =
        || Error::new(format!("container with id {} is not running", options.id)).of_kind(Kind::NotRunning);
    let init = state.open_init()?.ok_or_else(not_running)?;
    let cgroup = destroy::cgroup_of(&state)?;
    let cgroup = cgroup.ok_or_else(|| Error::new("unable to watch a container that has no cgroup"))?;
    if options.stats {
        print_stats(&state, &cgroup)?;
        return Ok(0);
    }
    watch(&state, &cgroup, init.as_fd(), options.interval)?;
    Ok(0)
}

/// Until init has ended, to the last OOM event.
fn watch(state: &State, cgroup: &Cgroup, init: BorrowedFd<'_>, interval: Duration) -> Result<()> {
    let mut watch = cgroup.watch_oom()?;
    let mut next = Instant::now() + interval;
    loop {
        let woken = watch.wait(init, next.saturating_duration_since(Instant::now()))?;
        for _ in 0..woken.oom {
            print(&Event { kind: "oom", id: &state.id, data: None })?;
        }
        if woken.ended {
            return Ok(());
        }
        if Instant::now() >= next {
            print_stats(state, cgroup)?;
            next = Instant::now() + interval;
        }
    }
}

fn print_stats(state: &State, cgroup: &Cgroup) -> Result<()> {
    let data = Data { stats: cgroup.stats()?, intel_rdt: Empty {}, network_interfaces: () };
    print(&Event { kind: "stats", id: &state.id, data: Some(data) })
}

fn print(event: &Event<'_>) -> Result<()> {
    let text = serde_json::to_string(event);
    output::print(&(text.map_err(|e| Error::new("unable to print JSON").because(e.to_string()))? + "\n"))
}
