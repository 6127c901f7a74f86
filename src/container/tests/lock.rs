// SPDX-License-Identifier: Apache-2.0
//! Who waits for whom, and for how long.

use std::os::fd::AsFd;
use std::time::Duration;

use super::*;
use crate::error::Kind;
use crate::sys::process::Cloned;
use crate::sys::{self, process, signal};

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(60);

#[test]
fn one_at_a_time_and_the_other_learns_who_has_it() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container =
        create(&store, "c").unlock().lock("a verb that is longer than it can be").unwrap().unlock();
    let locked = container.lock("up\"date").unwrap();
    let text = get(&store, "c").acquire(SHORT, "start").err().unwrap().to_string();
    let holder = format!("\"up\\\"date\" (process {}) has held it for 30ms", std::process::id());
    assert_eq!(text, format!("unable to lock container c: {holder}"));
    drop(locked);
    get(&store, "c").acquire(SHORT, "start").unwrap();
}

#[test]
fn a_lock_file_that_says_nothing_sensible_is_no_trouble() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let locked = create(&store, "c");
    for text in ["", "x", "12", "x create", "-1 create", "\u{7f}\0\0", &"1".repeat(99)] {
        fs::write(scratch.root().join("c/lock"), text).unwrap();
        let error = get(&store, "c").acquire(Duration::ZERO, "start").err().unwrap().to_string();
        assert!(error.contains("another process has held it"), "{text}: {error}");
    }
    drop(locked);
}

#[test]
fn a_cloned_init_does_not_keep_the_lock() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let (wait, go) = sys::fs::pipe().unwrap();
    let locked = create(&store, "c");
    let Cloned::Parent { pid, pidfd } = process::clone(0, None).unwrap() else {
        // Like init before it executes: it has every descriptor of its parent.
        let _ = sys::fs::read(wait.as_fd(), &mut [0]);
        process::exit_now(0);
    };
    assert!(get(&store, "c").acquire(SHORT, "start").is_err());
    drop(locked);
    let lock = get(&store, "c").acquire(SHORT, "start");
    let init_lives = !signal::wait_readable(pidfd.as_fd(), 0).unwrap();
    sys::fs::write(go.as_fd(), b"x").unwrap();
    process::wait(pid).unwrap();
    assert!(init_lives && lock.is_ok(), "{:?}", lock.err());
}

#[test]
fn a_killed_holder_holds_nothing() {
    if let Some(dir) = child_dir() {
        let _locked = create(&Store::make(&dir).unwrap(), "c");
        fs::write(dir.join("ready"), "").unwrap();
        std::thread::sleep(LONG);
    }
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut child = spawn("lock::a_killed_holder_holds_nothing", &scratch.root());
    while !scratch.root().join("ready").exists() {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(1));
    }
    let text = get(&store, "c").acquire(SHORT, "delete").err().unwrap().to_string();
    assert!(text.contains(&format!("\"create\" (process {})", child.id())), "{text}");
    child.kill().unwrap();
    child.wait().unwrap();
    get(&store, "c").acquire(SHORT, "delete").unwrap();
}

#[test]
fn who_waits_for_a_container_that_is_deleted_gets_none() {
    let scratch = Scratch::new();
    let (store, root) = (scratch.store(), scratch.root());
    let locked = create(&store, "c");
    let waiter = {
        let root = root.clone();
        std::thread::spawn(move || {
            let container = get(&Store::make(&root).unwrap(), "c");
            fs::write(root.join("ready"), "").unwrap();
            container.acquire(LONG, "start").err().map(|error| error.kind())
        })
    };
    while !root.join("ready").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    // The id is taken again at once: the lock of another container is not what was waited for.
    locked.remove().unwrap();
    drop(locked);
    let _again = create(&store, "c");
    assert_eq!(waiter.join().unwrap(), Some(Kind::NotFound));
}

#[test]
fn a_directory_whose_creator_was_killed_before_its_lock_can_be_deleted() {
    let scratch = Scratch::new();
    let store = scratch.store();
    fs::create_dir(scratch.root().join("c")).unwrap();
    get(&store, "c").lock("delete").unwrap().remove().unwrap();
    assert!(scratch.names().is_empty());
}

#[test]
fn a_directory_whose_creator_comes_to_its_lock_is_waited_for() {
    let scratch = Scratch::new();
    let store = scratch.store();
    fs::create_dir(scratch.root().join("c")).unwrap();
    let root = scratch.root();
    let other = std::thread::spawn(move || {
        let container = get(&Store::make(&root).unwrap(), "c");
        container.acquire(LONG, "start").is_ok()
    });
    std::thread::sleep(Duration::from_millis(10));
    let container = get(&store, "c");
    let lock = container.claim("create").unwrap().expect("the other does not take what is another's to make");
    assert!(get(&store, "c").claim("create").unwrap().is_none(), "one claims it");
    drop(lock);
    assert!(other.join().unwrap());
}
