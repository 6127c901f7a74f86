// SPDX-License-Identifier: Apache-2.0
use serde_json::{Value, json};

use super::update::{file, limited};
use crate::harness::{Container, Running, finish, is_tare, only_tare, wait_for};

fn lines(text: &str) -> Vec<Value> {
    // The last one may be half written.
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn number(event: &Value, pointer: &str) -> u64 {
    event.pointer(pointer).unwrap_or_else(|| panic!("{pointer} in {event}")).as_u64().unwrap()
}

#[test]
fn stats_are_what_the_container_uses() {
    let c = limited();
    // The threads of runc's init count until it is the container's program.
    let text = wait_for("one process", || {
        let text = finish(c.on("events", &["--stats"])).ok().stdout();
        (number(&lines(&text)[0], "/data/pids/current") == 1).then_some(text)
    });
    let [event] = &*lines(&text) else { panic!("{text}") };
    assert!(
        text.starts_with(&format!("{{\"type\":\"stats\",\"id\":\"{}\",\"data\":{{\"cpu\":", c.id)),
        "{text}"
    );
    assert!(number(event, "/data/cpu/usage/total") > 0);
    for group in ["cpuset", "blkio", "hugetlb", "intel_rdt"] {
        assert!(event["data"][group].is_object(), "{group} in {event}");
    }
    if number(event, "/data/pids/limit") == 0 || event["data"]["memory"]["usage"].is_null() {
        return eprintln!("not looked at: no pids or memory controller");
    }
    assert_eq!(number(event, "/data/pids/limit"), 20);
    assert_eq!(number(event, "/data/memory/usage/limit"), 32 << 20);
    assert!(number(event, "/data/memory/usage/usage") > 0);
    assert!(event["data"]["memory"]["raw"].as_object().unwrap().len() > 5);
}

/// They differ from a line to the next by what has been done meanwhile.
#[test]
fn stats_grow() {
    let c = limited();
    let total = || {
        let text = finish(c.on("events", &["--stats"])).ok().stdout();
        number(&lines(&text)[0], "/data/cpu/usage/total")
    };
    let before = total();
    c.exec(&[], &["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=100000"]).ok();
    assert!(total() > before + 1_000_000, "a million nanoseconds at least");
}

/// The kernel may count none of it (psi=0): its files say so then, or are not there.
#[test]
fn pressure_is_told_where_it_is_counted() {
    only_tare!("runc 1.1 does not look");
    let c = Container::new().up();
    let text = finish(c.on("events", &["--stats"])).ok().stdout();
    for (group, name) in [("cpu", "cpu.pressure"), ("memory", "memory.pressure"), ("blkio", "io.pressure")] {
        let counted = file(&c, ("none", ""), name).is_some_and(|path| std::fs::read(path).is_ok());
        for kind in ["some", "full"] {
            let told = lines(&text)[0].pointer(&format!("/data/{group}/psi/{kind}/total")).cloned();
            assert_eq!(told.is_some_and(|total| total.is_u64()), counted, "{group} {kind}: {text}");
        }
    }
}

#[test]
fn lines_come_until_the_container_ends() {
    let c = Container::new().up();
    let events = Running::spawn(c.on("events", &["--interval", "50ms"]));
    wait_for("three lines", || (lines(&events.stdout()).len() >= 3).then_some(()));
    c.kill("KILL").ok();
    c.wait_status("stopped");
    if !is_tare() {
        // runc 1.1 sees the end of the cgroup, not that of the process.
        c.delete(&[]).ok();
    }
    let out = events.wait().ok().stdout();
    assert!(lines(&out).iter().all(|event| event["type"] == "stats" && event["id"] == json!(c.id)), "{out}");
}

#[test]
fn memory_that_runs_out_is_told() {
    let c =
        Container::new().set("/linux/resources/memory", json!({ "limit": 16 << 20, "swap": 16 << 20 })).up();
    if c.cgroup("memory").is_none() && !std::path::Path::new("/sys/fs/cgroup/memory.stat").exists() {
        return eprintln!("skipped: no memory controller");
    }
    let events = Running::spawn(c.on("events", &["--interval", "50ms"]));
    wait_for("the first line", || (!lines(&events.stdout()).is_empty()).then_some(()));
    // tail keeps what it reads until a line ends, and here none does.
    c.exec(&[], &["tail", "/dev/zero"]).code(137);
    let oom = json!({ "type": "oom", "id": c.id });
    wait_for("the event", || lines(&events.stdout()).contains(&oom).then_some(()));
    c.delete(&["--force"]).ok();
    events.wait().ok();
}

#[test]
fn what_cannot_be_watched() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    for flags in [&[][..], &["--stats"]] {
        finish(c.on("events", flags)).fails(1, &format!("container with id {} is not running", c.id));
    }
    c.cmd(&["events", "nosuch"]).fails(1, "does not exist");
    let c = Container::new().up();
    for interval in ["0s", "-1s"] {
        let interval = format!("--interval={interval}");
        finish(c.on("events", &[&interval])).fails(1, "duration interval must be greater than 0");
    }
}
