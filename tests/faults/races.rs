// SPDX-License-Identifier: Apache-2.0
//! Two commands on one container at once, a little apart: each succeeds or says why, none hangs or dies of a signal, and
//! nothing is left.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::{Container, Running, alive, only_tare, wait_for};
use crate::left::what_stays;
use crate::tally::{Bad, Tally};
use crate::whole::{Seeded, bounded, light};

fn command(c: &Container, words: &str) -> Command {
    let mut words = words.split(' ');
    let verb = words.next().unwrap();
    let (flags, rest): (Vec<_>, Vec<_>) = words.partition(|w| w.starts_with("--"));
    let mut cmd = if verb == "list" { c.runtime([verb]) } else { c.on(verb, &flags) };
    cmd.args(rest);
    light(&cmd)
}

fn pairs(first: &str, second: &str, before: &[&str]) {
    let c = Container::new().args(&["sleep", "1000"]);
    let mut tally = Tally::new(&format!("{first} and {second}"));
    let mut random = Seeded::new(&format!("{first} and {second}"));
    for n in 0..bounded(5, 1000) {
        for words in before {
            Running::spawn(command(&c, words)).wait().ok();
        }
        let began = Instant::now();
        let apart = i64::try_from(random.below(30)).unwrap() - 15;
        let pause = Duration::from_millis(apart.unsigned_abs());
        let (one, other) = if apart < 0 { (second, first) } else { (first, second) };
        let spawned = [one, other].map(|words| {
            let running = Running::spawn(command(&c, words));
            std::thread::sleep(pause);
            running
        });
        if first == "pause" {
            // An exec that is caught by the frost waits for the thaw.
            std::thread::sleep(Duration::from_millis(100));
            resume_until(&c, &spawned);
        }
        let done = spawned.map(Running::wait);
        tally.point(done.iter().all(|d| d.code == 0), began.elapsed());
        for out in &done {
            // 137: the program that `exec` ran was killed.
            if out.code < 0 || out.code == 101 {
                tally.bad(Bad::Panicked, format!("pair {n}: {} {}", out.code, out.stderr()));
            } else if ![0, 137, 143].contains(&out.code) && out.stderr().trim().is_empty() {
                tally.bad(Bad::Silent, format!("pair {n}: {}", out.code));
            }
        }
        let out = Running::spawn(command(&c, "delete --force")).wait();
        if out.code != 0 {
            tally.bad(Bad::Refused, format!("pair {n}: delete --force: {}", out.stderr()));
        }
        let (left, time) = what_stays(&c);
        tally.lived(time);
        if !left.is_empty() {
            tally.bad(Bad::Left, format!("pair {n}: {left:?}"));
        }
    }
    tally.close();
}

fn resume_until(c: &Container, spawned: &[Running]) {
    wait_for("both commands", || {
        let over = spawned.iter().all(|running| !alive(running.pid().as_raw()));
        if !over {
            Running::spawn(command(c, "resume")).wait();
        }
        over.then_some(())
    });
}

const RUN: &[&str] = &["run --detach"];

#[test]
fn start_and_delete() {
    only_tare!("a start of runc 1.1 that has lost now and then waits for ever");
    pairs("start", "delete --force", &["create"]);
}

#[test]
fn start_and_start() {
    only_tare!("as above");
    pairs("start", "start", &["create"]);
}

#[test]
fn exec_and_kill() {
    pairs("exec sleep 0.01", "kill KILL", RUN);
}

#[test]
fn exec_and_delete() {
    pairs("exec sleep 0.01", "delete --force", RUN);
}

#[test]
fn pause_and_exec() {
    // --ignore-paused would wait for the thaw.
    pairs("pause", "exec --detach true", RUN);
}

#[test]
fn pause_and_kill() {
    pairs("pause", "kill KILL", RUN);
}

#[test]
fn update_and_delete() {
    pairs("update --pids-limit=50", "delete --force", RUN);
}

#[test]
fn state_and_delete() {
    pairs("state", "delete --force", RUN);
}

#[test]
fn list_and_delete() {
    pairs("list", "delete --force", RUN);
}

#[test]
fn creates_at_once() {
    let c = Container::new().args(&["sleep", "1000"]);
    let (count, next) = (bounded(40, 1000), AtomicUsize::new(0));
    let at = |n: usize, verb: &str, flags: &[&str]| {
        let mut cmd = c.runtime([verb]);
        cmd.args(flags).arg(format!("{}-{n}", c.id));
        Running::spawn(light(&cmd)).wait().ok();
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        break;
                    }
                    at(n, "create", &[]);
                }
            });
        }
    });
    println!("{count} creates at once: all succeeded, in {:?}", began.elapsed());
    (0..count).for_each(|n| at(n, "delete", &["--force"]));
    let (left, _) = what_stays(&c);
    assert!(left.is_empty(), "{left:?}");
}
