// SPDX-License-Identifier: Apache-2.0
//! SIGKILL at each system call and at random moments: of the runtime, of the process that becomes the container's.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::call::Call;
use crate::harness::{Running, processes};
use crate::inject::Act;
use crate::peers;
use crate::points::Point;
use crate::rich::rich;
use crate::subject::{Subject, Verb};
use crate::sweep::{calls_of, hit};
use crate::tally::{Bad, Tally};
use crate::whole::{Seeded, bounded, is_whole, patience};

/// The runtime where it makes a call itself, both where another process makes it.
fn points(calls: &[Call]) -> Vec<Point> {
    let acts = |call: &Call| match call.place.process {
        0 => vec![Act::Kill],
        _ => vec![Act::Kill, Act::KillCommand],
    };
    calls.iter().flat_map(|c| acts(c).into_iter().map(|act| Point { call: c.clone(), act })).collect()
}

impl Subject {
    /// After the death of the command itself: what it was about to make ends by itself, and whoever asks is answered.
    fn judge_killed(&mut self, what: &str, tally: &mut Tally) {
        // An orphan, unless it is a container that is recorded as such.
        let limit = if is_whole() { Duration::from_secs(1) } else { patience() };
        let began = Instant::now();
        let own = usize::from(self.verb == Verb::Exec);
        let has_container = |s: Option<String>| s.is_some_and(|s| s == "created" || s == "running");
        while processes(&self.c.id).len() > own && !(own == 0 && has_container(self.status())) {
            if began.elapsed() > limit {
                let living = processes(&self.c.id);
                tally.bad(Bad::Left, format!("{what}: {living:?} live on, {:?}", self.status()));
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        tally.lived(began.elapsed());
        let state = self.on("state", &[]);
        if state.code != 0 && !peers::is_of_none(&state.stderr()) {
            tally.bad(Bad::Refused, format!("{what}: state: {}", state.stderr()));
        }
        let list = peers::finish(crate::whole::light(&self.c.runtime(["list"])));
        if list.code != 0 {
            tally.bad(Bad::Refused, format!("{what}: list: {}", list.stderr()));
        }
        self.clear(what, tally);
    }
}

fn at_each_call(name: &str, verb: Verb, in_ci: usize) {
    let mut subject = Subject::new(rich(), verb);
    let points = points(&calls_of(&mut subject));
    let mut tally = Tally::new(&format!("kills at calls of {name}"));
    println!("kills at calls of {name}: {} points in all", points.len());
    for point in Seeded::new(&format!("kill {name}")).choose(points, bounded(in_ci, usize::MAX)) {
        let Some(done) = hit(&mut subject, &point, &mut tally) else { continue };
        let what = format!("{:?} at {}", point.act, done.hit.as_ref().unwrap());
        if point.act == Act::KillCommand || point.call.place.process == 0 {
            subject.judge_killed(&what, &mut tally);
        } else {
            subject.judge(&done, &what, &mut tally);
            subject.clear(&what, &mut tally);
        }
    }
    tally.close();
}

fn at_moments(name: &str, verb: Verb, in_ci: usize) {
    let mut subject = Subject::new(rich(), verb);
    let mut tally = Tally::new(&format!("kills at moments of {name}"));
    let mut random = Seeded::new(&format!("moments of {name}"));
    // The shortest of some: what was slow once would have most kills come after the end.
    let times = (0..5).map(|_| {
        subject.clear("before", &mut tally);
        subject.ready();
        let began = Instant::now();
        Running::spawn(subject.command()).wait().ok();
        began.elapsed()
    });
    let whole = times.min().unwrap();
    for n in 0..bounded(in_ci, 400) {
        subject.clear("before", &mut tally);
        subject.ready();
        let share = u32::try_from(random.below(1150)).unwrap();
        let running = Running::spawn(subject.command());
        std::thread::sleep(whole * share / 1000);
        running.signal(Signal::SIGKILL);
        let code = running.wait().code;
        tally.point(code == 0, Duration::ZERO);
        subject.judge_killed(&format!("moment {n}, {share}/1000 of {whole:?}"), &mut tally);
    }
    tally.close();
}

#[test]
fn create_at_each_call() {
    at_each_call("create", Verb::Create, 30);
}

#[test]
fn run_at_each_call() {
    at_each_call("run", Verb::Run, 20);
}

#[test]
fn start_at_each_call() {
    at_each_call("start", Verb::Start, 12);
}

#[test]
fn exec_at_each_call() {
    at_each_call("exec", Verb::Exec, 15);
}

#[test]
fn delete_at_each_call() {
    at_each_call("delete", Verb::Delete, 15);
}

#[test]
fn create_at_moments() {
    at_moments("create", Verb::Create, 12);
}

#[test]
fn run_at_moments() {
    at_moments("run", Verb::Run, 8);
}

#[test]
fn start_at_moments() {
    at_moments("start", Verb::Start, 8);
}

#[test]
fn exec_at_moments() {
    at_moments("exec", Verb::Exec, 8);
}

#[test]
fn delete_at_moments() {
    at_moments("delete", Verb::Delete, 8);
}
