// SPDX-License-Identifier: Apache-2.0
use std::sync::Mutex;

use crate::harness::{Container, Running, only_tare};

/// Does `work` for 0..count, `width` at a time.
fn at_once(width: usize, count: u32, work: impl Fn(u32) + Sync) {
    let next = Mutex::new(0..count);
    std::thread::scope(|scope| {
        for _ in 0..width {
            scope.spawn(|| {
                while let Some(n) = { next.lock().unwrap().next() } {
                    work(n);
                }
            });
        }
    });
}

#[test]
fn two_hundred_runs() {
    let c = Container::new().args(&["hostname"]);
    at_once(16, 200, |n| {
        let out = c.cmd(&["run", &format!("{}-{n}", c.id)]).ok();
        assert_eq!(out.stdout(), "runc\n");
    });
}

#[test]
fn one_id_has_one_winner() {
    only_tare!("runc 1.1 makes the directory whether it is there or not: now and then two creates win");
    let c = Container::new();
    let create = |_| Running::spawn(c.on("create", &[]));
    let all: Vec<_> = (0..64).map(create).collect();
    let codes: Vec<_> = all.into_iter().map(Running::wait).collect();
    assert_eq!(codes.iter().filter(|o| o.code == 0).count(), 1);
    for loser in codes.into_iter().filter(|o| o.code != 0) {
        loser.fails(1, "container with given ID already exists");
    }
    assert_eq!(c.status(), "created");
    c.start().ok();
}

#[test]
fn parallel_execs() {
    let c = Container::new().up();
    at_once(16, 64, |n| {
        c.exec(&[], &["sh", "-c", &format!("exit {n}")]).code(n.cast_signed());
    });
    assert_eq!(c.status(), "running");
}

#[test]
fn one_start_wins() {
    only_tare!("a start of runc 1.1 that has lost now and then waits for ever");
    let c = Container::new().args(&["sleep", "1000"]);
    c.create(&[]).ok();
    let all: Vec<_> = (0..8).map(|_| Running::spawn(c.on("start", &[]))).collect();
    let won = all.into_iter().map(Running::wait).filter(|o| o.code == 0).count();
    assert_eq!(won, 1);
    assert_eq!(c.status(), "running");
}

#[test]
fn parallel_deletes_leave_nothing() {
    let c = Container::new().up();
    let all: Vec<_> = (0..8).map(|_| Running::spawn(c.on("delete", &["--force"]))).collect();
    let won = all.into_iter().map(Running::wait).filter(|o| o.code == 0).count();
    assert!(won >= 1);
}
