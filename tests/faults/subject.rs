// SPDX-License-Identifier: Apache-2.0
//! A command under test: what has to be there before it, and what must hold after it.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::harness::{Container, Output, Running, is_tare};
use crate::inject::Traced;
use crate::left::{files, what_stays};
use crate::peers;
use crate::report::{Report, script, whole};
use crate::tally::{Bad, Tally};
use crate::whole::{light, patience};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Start,
    Run,
    Exec,
    Kill,
    Pause,
    Resume,
    Update,
    State,
    List,
    Ps,
    Events,
    Delete,
}

use Verb::{Create, Delete, Events, Exec, Kill, List, Pause, Ps, Resume, Run, Start, State, Update};

/// One container's place, used for point after point; nothing of one is left at the next.
pub(crate) struct Subject {
    pub(crate) c: Container,
    pub(crate) verb: Verb,
    /// More words for `create`.
    flags: &'static [&'static str],
    /// What the program tells when nothing goes wrong.
    want: Option<Report>,
    files: BTreeSet<String>,
    /// The `create` whose streams are the container's.
    created: Option<Output>,
    memory: u64,
}

impl Subject {
    /// One life without a fault, which leaves the places of mounts and tells what is right.
    pub(crate) fn new(c: Container, verb: Verb) -> Self {
        Self::with(c, verb, &[])
    }

    pub(crate) fn with(c: Container, verb: Verb, flags: &'static [&'static str]) -> Self {
        let reports = matches!(verb, Create | Start | Run);
        let c = if reports { c.sh(&script()) } else { c.args(&["sleep", "1000"]) };
        let mut this =
            Self { c, verb, flags, want: None, files: BTreeSet::new(), created: None, memory: 64 << 20 };
        this.ready();
        let out = Running::spawn(this.command()).wait().ok();
        this.want = match verb {
            Create => {
                this.on("start", &[]).ok();
                Some(this.report_of(|| out.stdout()))
            }
            Start => Some(this.report_of(|| this.created.as_ref().unwrap().stdout())),
            Run | Exec => Some(this.report_of(|| out.stdout())),
            _ => None,
        };
        this.on("delete", &["--force"]).ok();
        let (left, _) = what_stays(&this.c);
        assert!(left.is_empty(), "{verb:?}: {left:?}");
        this.files = files(&this.c);
        this
    }

    fn report_of(&self, text: impl Fn() -> String) -> Report {
        let text = whole(&text);
        Report::of(&text).unwrap_or_else(|| panic!("{:?}: no report: {text}", self.verb))
    }

    pub(crate) fn on(&self, verb: &str, flags: &[&str]) -> Output {
        peers::finish(light(&self.c.on(verb, flags)))
    }

    pub(crate) fn command(&mut self) -> Command {
        let c = &self.c;
        light(&match self.verb {
            Create => c.on("create", self.flags),
            Start => c.on("start", &[]),
            Run => c.on("run", &[]),
            Exec => {
                let mut exec = c.on("exec", &[]);
                exec.args(["sh", "-c", &script()]);
                exec
            }
            Kill => c.runtime(["kill", &c.id, "KILL"]),
            Pause => c.on("pause", &[]),
            Resume => c.on("resume", &[]),
            Update => {
                self.memory += 1 << 20;
                c.on("update", &["--memory", &self.memory.to_string(), "--pids-limit", "77"])
            }
            State => c.on("state", &[]),
            List => c.runtime(["list", "--format", "json"]),
            Ps => c.on("ps", &["--format", "json"]),
            Events => c.on("events", &["--stats"]),
            Delete => c.on("delete", &["--force"]),
        })
    }

    pub(crate) fn status(&self) -> Option<String> {
        let state: Value = serde_json::from_str(&self.on("state", &[]).stdout()).ok()?;
        Some(state["status"].as_str()?.to_owned())
    }

    /// What the command acts on; what the point before has left is used again where it is as it was.
    pub(crate) fn ready(&mut self) {
        let (needs, make): (&str, &[&str]) = match self.verb {
            Create | Run => return,
            Start => ("created", &["create"]),
            Resume => ("paused", &["run --detach", "pause"]),
            _ => ("running", &["run --detach"]),
        };
        let status = if self.verb == Start { None } else { self.status() };
        match status {
            Some(status) if status == needs => return,
            Some(status) if status == "running" && needs == "paused" => {
                self.on("pause", &[]).ok();
                return;
            }
            Some(status) if status == "paused" && needs == "running" => {
                self.on("resume", &[]).ok();
                return;
            }
            _ => {}
        }
        self.on("delete", &["--force"]).ok();
        for words in make {
            let words: Vec<_> = words.split(' ').collect();
            self.created = Some(self.on(words[0], &words[1..]).ok());
        }
    }

    /// What must hold after the command, whatever went wrong; then the container goes, if it may have come to harm.
    pub(crate) fn judge(&mut self, done: &Traced, what: &str, tally: &mut Tally) {
        let ok = done.code == 0;
        let err = done.stderr();
        let mut bad = |kind, why: &str| {
            tally.bad(kind, format!("{what}: {why} [{}: {}]", done.code, err.trim()));
        };
        if done.took > Duration::from_secs(5) {
            println!("slow: {what}: {:?} [{}: {}]", done.took, done.code, err.trim());
        }
        if done.hung || done.took > patience() {
            bad(Bad::Hung, &format!("{:?}", done.took));
        } else if done.code < 0 || done.code == 101 || peers::has_panicked(&err) {
            bad(Bad::Panicked, "");
        } else if !ok && done.code != 137 && err.trim().is_empty() {
            // 137: what it waited for was killed.
            bad(Bad::Silent, "");
        }
        if ok {
            if let Some(why) = self.is_wrong(done) {
                bad(Bad::Wrong, &why);
            }
        } else if matches!(self.verb, Create | Run) {
            let (left, _) = what_stays(&self.c);
            if !left.is_empty() {
                bad(Bad::Left, &format!("without delete: {left:?}"));
            }
        } else if self.verb == Exec {
            self.no_process_more(&mut bad);
        }
        let more: Vec<_> = files(&self.c).difference(&self.files).cloned().collect();
        if !more.is_empty() {
            bad(Bad::Left, &format!("files: {more:?}"));
        }
        let reusable = !matches!(self.verb, Create | Start | Run | Delete);
        if tally.is_bad_now() || !(reusable && self.status().is_some_and(|s| s == "running" || s == "paused"))
        {
            self.clear(what, tally);
        }
    }

    fn no_process_more(&self, bad: &mut impl FnMut(Bad, &str)) {
        let end = Instant::now() + peers::leaving();
        let running = loop {
            let running = crate::harness::processes(&self.c.id);
            if running.len() <= 1 || Instant::now() > end {
                break running;
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        if running.len() > 1 {
            bad(Bad::Left, &format!("processes {running:?}"));
        }
    }

    /// One `delete --force`: it succeeds, and nothing is left.
    pub(crate) fn clear(&mut self, what: &str, tally: &mut Tally) {
        let out = self.on("delete", &["--force"]);
        if out.code != 0 {
            tally.bad(Bad::Refused, format!("{what}: delete --force: {} {}", out.code, out.stderr()));
        }
        let (left, time) = what_stays(&self.c);
        tally.lived(time);
        if !left.is_empty() {
            tally.bad(Bad::Stays, format!("{what}: after delete --force: {left:?}"));
            let _ = self.on("delete", &["--force"]);
        }
        if !is_tare() {
            peers::scrub(&self.c, &self.files);
        }
    }

    /// A command that says it has succeeded.
    fn is_wrong(&self, done: &Traced) -> Option<String> {
        match self.verb {
            Create => {
                let start = self.on("start", &[]);
                // What cannot start says so; only it must not run as something else.
                if start.code != 0 {
                    let silent = start.stderr().trim().is_empty();
                    return silent.then(|| format!("start: {} without a word", start.code));
                }
                self.differs(|| done.stdout())
            }
            Start => self.differs(|| self.created.as_ref().unwrap().stdout()),
            Run => self.differs(|| done.stdout()).or_else(|| self.is_there()),
            Exec => self.differs(|| done.stdout()),
            Kill => self.becomes("stopped"),
            Pause => self.becomes("paused"),
            Resume => self.becomes("running"),
            Update => self.c.cgroup("memory").and_then(|dir| {
                let is = std::fs::read_to_string(dir.join("memory.limit_in_bytes")).unwrap_or_default();
                (is.trim() != self.memory.to_string()).then(|| format!("the limit is {is}"))
            }),
            State => {
                let state: Value = serde_json::from_str(&done.stdout()).unwrap_or_default();
                (state["status"] != "running" || state["id"] != json!(self.c.id)).then(|| state.to_string())
            }
            // One that cannot be looked at is left out with a warning, and the others are told.
            List if done.stderr().contains(&format!("unable to list container {}", self.c.id)) => None,
            List => self.tells(done, &format!("\"id\":\"{}\"", self.c.id)),
            Ps => self.tells(done, &self.c.pid().to_string()),
            Events => self.tells(done, "\"pids\":{\"current\":1"),
            Delete => self.is_there(),
        }
    }

    fn tells(&self, done: &Traced, what: &str) -> Option<String> {
        let text = done.stdout();
        (!text.contains(what)).then(|| format!("no {what} in {text:?}"))
    }

    fn differs(&self, text: impl Fn() -> String) -> Option<String> {
        let text = whole(&text);
        match Report::of(&text) {
            Some(report) => report.differs(self.want.as_ref().unwrap()),
            None => Some(format!("no whole report: {text:?}")),
        }
    }

    fn becomes(&self, status: &str) -> Option<String> {
        let end = Instant::now() + patience();
        loop {
            let is = self.status();
            if is.as_deref() == Some(status) {
                return None;
            } else if Instant::now() > end {
                return Some(format!("it is {is:?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn is_there(&self) -> Option<String> {
        let (left, _) = what_stays(&self.c);
        (!left.is_empty()).then(|| format!("{left:?}"))
    }
}
