// SPDX-License-Identifier: Apache-2.0
//! Many at once, and deaths at any moment.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::*;
use crate::container::{Phase, State, Status};
use crate::error::Kind;
use crate::sys::process;

const PAUSE: Duration = Duration::from_millis(1);

#[test]
fn of_64_creators_of_one_id_one_wins() {
    if let Some(dir) = child_dir() {
        fs::write(dir.join(format!("ready-{}", std::process::id())), "").unwrap();
        while !dir.join("go").exists() {
            std::thread::sleep(PAUSE);
        }
        let store = Store::make(&dir.join("root")).unwrap();
        let code = match store.create(&id("c"), "create") {
            Ok(container) => {
                container.save(&State::creating(&id("c"), this_process()).unwrap()).unwrap();
                17
            }
            Err(error) if error.to_string().starts_with("container with given ID already exists") => 18,
            Err(error) => panic!("{error}"),
        };
        process::exit_now(code);
    }
    let scratch = Scratch::new();
    let mut children: Vec<Child> =
        (0..64).map(|_| spawn("race::of_64_creators_of_one_id_one_wins", &scratch.0)).collect();
    while fs::read_dir(&scratch.0).unwrap().count() < children.len() {
        assert!(children.iter_mut().all(|child| child.try_wait().unwrap().is_none()));
        std::thread::sleep(PAUSE);
    }
    fs::write(scratch.0.join("go"), "").unwrap();
    let mut codes: Vec<_> = children.iter_mut().map(|child| child.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    assert_eq!(codes[0], 17);
    assert!(codes[1..].iter().all(|&code| code == 18), "{codes:?}");
    assert_eq!(scratch.names(), ["c"]);
}

/// Asks for the state again and again; `seen` that there was one, and that there was none.
fn poll_state(root: &Path, seen: [&AtomicBool; 2], done: &AtomicBool) {
    let store = Store::make(root).unwrap();
    while !done.load(Ordering::Relaxed) {
        let asked = store.get(&id("c")).and_then(|container| Ok(container.status(&container.state()?)));
        match asked {
            Ok(status) => assert!(matches!(status, Status::Creating | Status::Stopped), "{status}"),
            Err(ref error) => assert_eq!(error.kind(), Kind::NotFound, "{error}"),
        }
        seen[usize::from(asked.is_err())].store(true, Ordering::Relaxed);
        store.ids().unwrap();
    }
}

/// `delete --force`, in the midst of everything.
fn keep_deleting(root: &Path, done: &AtomicBool) {
    let store = Store::make(root).unwrap();
    while !done.load(Ordering::Relaxed) {
        if let Err(error) = store.get(&id("c")).and_then(|container| container.lock("delete")?.remove()) {
            assert_eq!(error.kind(), Kind::NotFound, "{error}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// A life without processes: journal, state, end.
fn live(store: &Store) {
    let container = match store.create(&id("c"), "create") {
        Ok(container) => container,
        Err(error) => {
            let text = error.to_string();
            let lost =
                ["container with given ID already exists", "unable to create container c: it was deleted"];
            assert!(lost.iter().any(|lost| text.starts_with(lost)), "{text}");
            return;
        }
    };
    let mut state = State::creating(&id("c"), this_process()).unwrap();
    container.save(&state).unwrap();
    container.save_config(b"{}").unwrap();
    container.fifo_make().unwrap();
    state.phase = Phase::Created;
    container.save(&state).unwrap();
    container.remove().unwrap();
}

#[test]
fn state_is_told_or_not_found_while_others_create_and_delete() {
    let scratch = Scratch::new();
    let root = scratch.root();
    let [done, told, missed] = [const { AtomicBool::new(false) }; 3];
    std::thread::scope(|scope| {
        let poller = scope.spawn(|| poll_state(&root, [&told, &missed], &done));
        let deleter = scope.spawn(|| keep_deleting(&root, &done));
        let lived = std::panic::catch_unwind(|| {
            let mut lives = 0;
            while lives < 500 || !told.load(Ordering::Relaxed) || !missed.load(Ordering::Relaxed) {
                live(&scratch.store());
                lives += 1;
                assert!(lives < 1_000_000, "the poller sees nothing");
            }
        });
        done.store(true, Ordering::Relaxed);
        poller.join().unwrap();
        deleter.join().unwrap();
        lived.unwrap();
    });
    assert_eq!(scratch.names(), Vec::<String>::new());
}

#[test]
fn a_kill_at_any_moment_leaves_what_delete_removes() {
    if let Some(dir) = child_dir() {
        let store = Store::make(&dir).unwrap();
        loop {
            live(&store);
        }
    }
    let scratch = Scratch::new();
    let store = scratch.store();
    let mut found = [0, 0];
    for round in 0..60 {
        let mut child = spawn("race::a_kill_at_any_moment_leaves_what_delete_removes", &scratch.root());
        // Past the start of the program, and then a little more each time.
        while scratch.names().is_empty() {
            assert!(child.try_wait().unwrap().is_none());
        }
        std::thread::sleep(Duration::from_micros(round * 37));
        child.kill().unwrap();
        child.wait().unwrap();
        match store.get(&id("c")) {
            Ok(container) => {
                let state = container.state().unwrap();
                assert!(matches!(container.status(&state), Status::Creating | Status::Stopped));
                container.lock("delete").unwrap().remove().unwrap();
                found[0] += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), Kind::NotFound);
                store.sweep(&id("c")).unwrap();
                found[1] += 1;
            }
        }
        assert!(scratch.names().is_empty(), "round {round}: {:?}", scratch.names());
    }
    assert!(found[0] > 0, "{found:?}");
}
