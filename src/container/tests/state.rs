// SPDX-License-Identifier: Apache-2.0
//! What is believed of a state file, and what the status is then.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::fs::{chown, symlink};

use super::*;
use crate::container::{CgroupRecord, Driver, Phase, ProcessRef, ResctrlRecord, State, Status, signal};
use crate::error::Kind;
use crate::host::systemd::{Bus, Unit};
use crate::sys::{self, cred};

fn full(name: &str) -> State {
    State {
        phase: Phase::Running,
        init: Some(ProcessRef { pid: 1, start_time: u64::MAX }),
        bundle: "/b".into(),
        rootfs: "/b/rootfs".into(),
        annotations: BTreeMap::from([("key".to_owned(), "v\"alue".to_owned())]),
        cgroup: Some(CgroupRecord {
            driver: Driver::Systemd,
            unit: Some(Unit { name: "c.scope".into(), bus: Bus::System }),
            paths: BTreeMap::from([(String::new(), "/sys/fs/cgroup/c".to_owned())]),
        }),
        namespaces: 0x7e02_0080,
        keyring: Some("_ses.0".into()),
        resctrl: Some(ResctrlRecord { group: "/r/c".into(), monitor: Some("/r/c/m".into()), remove: None }),
        ..State::creating(&id(name), this_process()).unwrap()
    }
}

#[test]
fn what_is_saved_is_read() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container = create(&store, "c");
    for state in [State::creating(&id("c"), this_process()).unwrap(), full("c")] {
        container.save(&state).unwrap();
        assert_eq!(get(&store, "c").state().unwrap(), state);
    }
    container.save_config(b"{\"a\":1}").unwrap();
    assert_eq!(get(&store, "c").config().unwrap(), b"{\"a\":1}");
    let mut names: Vec<_> =
        fs::read_dir(scratch.root().join("c")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["config.json", "lock", "state.json"]);
}

#[test]
fn a_newer_runtime_may_have_written_more() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container = create(&store, "c");
    let json = r#"{"id":"c","phase":"running","from_the_future":[1],"init":{"pid":5,"start_time":6,"x":7}}"#;
    fs::write(scratch.root().join("c/state.json"), json).unwrap();
    let state = container.state().unwrap();
    assert_eq!((state.phase, state.init), (Phase::Running, Some(ProcessRef { pid: 5, start_time: 6 })));
}

#[test]
fn a_state_that_was_never_finished_is_of_a_container_being_created() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container = create(&store, "c");
    let file = scratch.root().join("c/state.json");
    let check = |what: &str| {
        let state = container.state().unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!((state.phase, state.id.as_str(), state.init), (Phase::Creating, "c", None), "{what}");
        assert_eq!(container.status(&state), Status::Creating, "{what}");
    };
    check("missing");
    container.save(&full("c")).unwrap();
    let json = fs::read(&file).unwrap();
    for length in 0..json.len() {
        fs::write(&file, &json[..length]).unwrap();
        check(&format!("cut at {length}"));
    }
    fs::write(&file, &json).unwrap();
    assert_eq!(container.state().unwrap().phase, Phase::Running);
}

#[test]
fn a_file_that_we_did_not_write_is_refused() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container = create(&store, "c");
    let file = scratch.root().join("c/state.json");
    let elsewhere = scratch.0.join("elsewhere");
    container.save(&full("c")).unwrap();
    fs::copy(&file, &elsewhere).unwrap();
    let refused = |why: &str, plant: &dyn Fn()| {
        let _ = fs::remove_file(&file);
        plant();
        let text = container.state().unwrap_err().to_string();
        assert!(text.starts_with(&format!("unable to read state.json of container c: {why}")), "{text}");
        let _ = fs::remove_dir(&file);
    };
    let write = |text: &str| fs::write(&file, text).unwrap();
    refused("it is a symbolic link", &|| symlink(&elsewhere, &file).unwrap());
    refused("it is not a regular file", &|| {
        sys::fs::mkfifoat(container.dir(), c"state.json", 0o600).unwrap();
    });
    refused("it is not a regular file", &|| fs::create_dir(&file).unwrap());
    refused("it has more than one name", &|| fs::hard_link(&elsewhere, &file).unwrap());
    refused("it has 4194305 bytes", &|| fs::File::create(&file).unwrap().set_len((4 << 20) + 1).unwrap());
    refused("expected value", &|| write("garbage"));
    refused("expected", &|| write("\0\0\0"));
    refused("trailing", &|| write("{\"id\":\"c\"}{}"));
    refused("invalid type", &|| write("{\"id\":\"c\",\"init\":7}"));
    refused("it tells of container \"d\"", &|| write("{\"id\":\"d\"}"));
    refused("it tells of container \"\"", &|| write("{}"));
    if cred::effective_uid() == 0 {
        refused("it belongs to user 1", &|| {
            fs::copy(&elsewhere, &file).unwrap();
            chown(&file, Some(1), None).unwrap();
        });
    }
}

#[test]
fn status_follows_the_processes() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let container = create(&store, "c");
    let mut child = Command::new("sleep").arg("60").spawn().unwrap();
    let init = ProcessRef::of(child.id() as i32).unwrap();
    let gone = ProcessRef { start_time: init.start_time + 1, ..init };
    let journal = State::creating(&id("c"), this_process()).unwrap();
    let status = |phase, creator, init| {
        container.status(&State { phase, creator: Some(creator), init: Some(init), ..journal.clone() })
    };
    assert_eq!(container.status(&journal), Status::Creating);
    assert_eq!(status(Phase::Creating, gone, init), Status::Creating);
    assert_eq!(status(Phase::Creating, gone, gone), Status::Stopped);
    assert_eq!(status(Phase::Running, gone, init), Status::Running);
    assert_eq!(status(Phase::Running, init, gone), Status::Stopped);
    // No fifo; a fifo that nobody has open; one that init has.
    assert_eq!(status(Phase::Created, gone, init), Status::Running);
    container.fifo_make().unwrap();
    assert_eq!(status(Phase::Created, gone, init), Status::Running);
    let held = container.fifo_open().unwrap();
    assert_eq!(status(Phase::Created, gone, init), Status::Created);
    assert_eq!(status(Phase::Created, init, gone), Status::Stopped);
    drop(held);
    let other_boot =
        State { boot_id: "other".into(), phase: Phase::Running, init: Some(init), ..journal.clone() };
    assert_eq!(container.status(&other_boot), Status::Stopped);
    assert!(other_boot.open_init().unwrap().is_none());

    let state = State { phase: Phase::Running, init: Some(init), ..journal };
    signal(state.open_init().unwrap().unwrap().as_fd(), 9).unwrap();
    child.wait().unwrap();
    assert_eq!(container.status(&state), Status::Stopped);
}

#[test]
fn paused_is_asked_only_of_what_may_be() {
    for (status, paused) in [
        (Status::Creating, Status::Creating),
        (Status::Created, Status::Paused),
        (Status::Running, Status::Paused),
        (Status::Stopped, Status::Stopped),
    ] {
        assert_eq!(status.or_paused(|| true), paused);
        assert_eq!(status.or_paused(|| false), status);
    }
}

#[test]
fn the_state_of_a_deleted_container_is_not_found() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let open = {
        let container = create(&store, "c");
        container.save(&full("c")).unwrap();
        let open = get(&store, "c");
        container.remove().unwrap();
        open
    };
    assert_eq!(open.state().unwrap_err().kind(), Kind::NotFound);
    // Nor does one that has its id by now lend it its own.
    create(&store, "c").save(&full("c")).unwrap();
    assert_eq!(open.state().unwrap_err().kind(), Kind::NotFound);
}
