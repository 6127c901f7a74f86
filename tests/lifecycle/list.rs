// SPDX-License-Identifier: Apache-2.0
use serde_json::Value;

use crate::harness::{Container, is_tare, only_tare};

#[test]
fn table() {
    let c = Container::new().up();
    let out = c.cmd(&["list"]).ok().stdout();
    let (head, row) = out.trim_end().split_once('\n').unwrap();
    let columns = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), columns);
    let (state, pid) = (c.state(), c.pid().to_string());
    let created = state["created"].as_str().unwrap();
    let want = [c.id.as_str(), &pid, "running", c.bundle().to_str().unwrap(), created, "root"];
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), want);
    for (name, value) in columns.iter().zip(want) {
        assert_eq!(
            head.find(&format!("{name}   ")).unwrap_or(head.find(name).unwrap()),
            row.find(value).unwrap()
        );
    }
}

/// The directory is there once a container was.
fn empty() -> Container {
    let c = Container::new();
    std::fs::create_dir(c.state_root()).unwrap();
    c
}

#[test]
fn empty_table_is_its_head() {
    let out = empty().cmd(&["list"]).ok().stdout();
    assert_eq!(out, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
}

#[test]
fn missing_root_is_an_error_when_named() {
    only_tare!("runc 1.1 takes it for an empty one");
    let c = Container::new();
    c.cmd(&["list"]).fails(1, c.state_root().to_str().unwrap());
}

#[test]
fn json_is_an_array_of_states() {
    let c = Container::new().up();
    for flag in ["--format=json", "-fjson"] {
        if flag == "-fjson" && !is_tare() {
            continue; // runc has no joined short flags
        }
        let out = c.cmd(&["list", flag]).ok().stdout();
        assert_eq!(out.lines().count(), 1);
        let list: Value = serde_json::from_str(&out).unwrap();
        let mut state = c.state();
        state["owner"] = "root".into();
        assert_eq!(list, Value::Array(vec![state]));
    }
}

#[test]
fn empty_json_is_null() {
    assert_eq!(empty().cmd(&["list", "-f", "json"]).ok().stdout(), "null\n");
}

#[test]
fn quiet_is_ids() {
    let c = Container::new();
    let (a, b) = (format!("{}-a", c.id), format!("{}-b", c.id));
    c.cmd(&["create", &a]).ok();
    c.cmd(&["create", &b]).ok();
    assert_eq!(c.cmd(&["list", "-q"]).ok().stdout(), format!("{a}\n{b}\n"));
}

#[test]
fn unknown_format() {
    Container::new().cmd(&["list", "--format", "yaml"]).fails(1, "invalid format option");
}

/// One container that cannot be read does not hide the others.
#[test]
fn broken_container_is_skipped() {
    let c = Container::new().up();
    let broken = c.state_root().join(format!("{}-broken", c.id));
    std::fs::create_dir(&broken).unwrap();
    // What is cut short is a creation that was: this is nobody's state at all.
    std::fs::write(broken.join("state.json"), "[]").unwrap();
    assert_eq!(c.cmd(&["list", "-q"]).ok().stdout(), format!("{}\n", c.id));
    std::fs::remove_dir_all(broken).unwrap();
}
