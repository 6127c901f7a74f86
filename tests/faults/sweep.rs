// SPDX-License-Identifier: Apache-2.0
//! Every system call of a command fails once, alone, in each of several ways.

use crate::harness::{Container, is_tare};
use crate::inject::{Act, trace};
use crate::peers::is_schedulers;
use crate::points::{Point, faults};
use crate::rich::rich;
use crate::subject::{Subject, Verb};
use crate::tally::Tally;
use crate::whole::{Seeded, bounded};

/// The calls of the command as they are without a fault.
pub(crate) fn calls_of(subject: &mut Subject) -> Vec<crate::call::Call> {
    subject.ready();
    let mut tally = Tally::new("without a fault");
    let done = trace(subject.command(), None);
    subject.judge(&done, "without a fault", &mut tally);
    tally.point(done.code == 0, done.took);
    assert_eq!(done.code, 0, "{}", done.stderr());
    tally.close();
    done.calls.into_iter().filter(|call| !is_schedulers(call)).collect()
}

/// One point of any kind: the place must be the call that was there.
pub(crate) fn hit(subject: &mut Subject, point: &Point, tally: &mut Tally) -> Option<crate::inject::Traced> {
    subject.ready();
    let done = trace(subject.command(), Some((point.call.place, point.act)));
    if done.hit.as_ref().is_none_or(|call| call.number != point.call.number) {
        tally.moved();
        if is_tare() {
            subject.clear("moved", tally);
        } else {
            println!("moved: {}: {} {:?} [{}]", point.call, done.code, done.took, done.stderr().trim());
            subject.clear("moved", &mut Tally::new("without a fault"));
        }
        return None;
    }
    tally.point(done.code == 0, done.took);
    Some(done)
}

fn sweep(name: &str, c: Container, verb: Verb, in_ci: usize) {
    let mut subject = Subject::new(c, verb);
    let points = faults(&calls_of(&mut subject));
    let mut tally = Tally::new(&format!("faults in {name}"));
    let all = points.len();
    let chosen = Seeded::new(name).choose(points, bounded(in_ci, usize::MAX));
    println!("faults in {name}: {} of {all} points", chosen.len());
    for point in chosen {
        if let Some(done) = hit(&mut subject, &point, &mut tally) {
            let Act::Fail(errno) = point.act else { unreachable!() };
            subject.judge(&done, &format!("{} = {errno:?}", done.hit.as_ref().unwrap()), &mut tally);
        }
    }
    tally.close();
}

#[test]
fn create() {
    sweep("create", rich(), Verb::Create, 25);
}

#[test]
fn start() {
    sweep("start", rich(), Verb::Start, 20);
}

#[test]
fn run() {
    sweep("run", rich(), Verb::Run, 20);
}

#[test]
fn exec() {
    sweep("exec", rich(), Verb::Exec, 20);
}

#[test]
fn kill() {
    sweep("kill", rich(), Verb::Kill, 20);
}

#[test]
fn pause() {
    sweep("pause", rich(), Verb::Pause, 20);
}

#[test]
fn resume() {
    sweep("resume", rich(), Verb::Resume, 20);
}

#[test]
fn update() {
    sweep("update", rich(), Verb::Update, 15);
}

#[test]
fn state() {
    sweep("state", rich(), Verb::State, 20);
}

#[test]
fn list_ps_and_events() {
    for (name, verb) in [("list", Verb::List), ("ps", Verb::Ps), ("events", Verb::Events)] {
        sweep(name, rich(), verb, 8);
    }
}

#[test]
fn delete() {
    sweep("delete", rich(), Verb::Delete, 12);
}

#[test]
fn create_in_a_user_namespace() {
    // A device is the host's there, and the host has none of this name.
    let c = rich().userns().set("/linux/devices", serde_json::json!([]));
    sweep("create in a user namespace", c, Verb::Create, 15);
}
