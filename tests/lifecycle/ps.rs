// SPDX-License-Identifier: Apache-2.0
use crate::harness::{Container, processes, wait_for};

fn two() -> (Container, Vec<i32>) {
    let c = Container::new().sh("sleep 1000 & wait");
    c.run(&["--detach"]).ok();
    let pids = wait_for("two processes", || Some(processes(&c.id)).filter(|p| p.len() == 2));
    (c, pids)
}

/// `docker top` by containerd: the pids of the host.
#[test]
fn json_is_an_array_of_pids() {
    let (c, mut pids) = two();
    for flags in [["ps", "--format", "json", &c.id], ["ps", "-f", "json", &c.id]] {
        let out = c.cmd(&flags).ok().stdout();
        assert_eq!(out.lines().count(), 1);
        let mut got: Vec<i32> = serde_json::from_str(&out).unwrap();
        got.sort_unstable();
        pids.sort_unstable();
        assert_eq!(got, pids);
    }
}

#[test]
fn table_is_the_rows_of_ps() {
    let (c, pids) = two();
    let out = c.cmd(&["ps", &c.id]).ok().stdout();
    assert!(out.lines().next().unwrap().starts_with("UID "), "{out}");
    assert_eq!(out.lines().count(), 3);
    for pid in pids {
        assert!(out.lines().any(|l| l.split_whitespace().nth(1) == Some(&pid.to_string())), "{out}");
    }
}

#[test]
fn options_are_those_of_ps() {
    let (c, _) = two();
    let out = c.cmd(&["ps", &c.id, "-o", "pid,comm"]).ok().stdout();
    let rows: Vec<_> = out.lines().filter_map(|l| l.split_whitespace().nth(1)).collect();
    assert_eq!((rows[0], rows.len()), ("COMMAND", 3), "{out}");
    c.cmd(&["ps", &c.id, "-o", "comm"]).fails(1, "PID");
}

#[test]
fn stopped_container_has_none() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    assert_eq!(c.cmd(&["ps", "--format", "json", &c.id]).ok().stdout(), "null\n");
}

#[test]
fn unknown_container_and_format() {
    let (c, _) = two();
    c.cmd(&["ps", "nosuch"]).fails(1, "container does not exist");
    c.cmd(&["ps", "--format", "yaml", &c.id]).fails(1, "invalid format option");
}
