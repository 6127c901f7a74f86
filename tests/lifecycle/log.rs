// SPDX-License-Identifier: Apache-2.0
//! `--log` and `--log-format`. containerd reads the last line with level "error"; podman takes the whole file for one
//! JSON object, so a second line is a failure.
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

#[test]
fn json_is_one_line() {
    let c = Container::new().args(&["nosuch"]);
    for args in
        [vec!["create", &c.id], vec!["run", &c.id], vec!["state", "nosuch"], vec!["exec", "nosuch", "true"]]
    {
        let out = c.cmd(&[&["--log", "log.json", "--log-format", "json"], &args[..]].concat());
        assert!(out.code != 0);
        let log = fs::read_to_string(c.path("log.json")).unwrap();
        assert_eq!(log.lines().count(), 1, "{args:?}: {log}");
        let line: Value = serde_json::from_str(&log).unwrap();
        assert_eq!(line["level"], "error");
        assert!(
            line["time"].as_str().unwrap().ends_with('Z') || line["time"].as_str().unwrap().contains('+')
        );
        let msg = line["msg"].as_str().unwrap();
        assert!(msg.contains("nosuch") || msg.contains("container does not exist"), "{msg}");
        // containerd falls back to stderr; docker shows it when there is no log.
        assert!(out.stderr().contains(msg), "{msg} in {}", out.stderr());
        fs::remove_file(c.path("log.json")).unwrap();
    }
}

#[test]
fn nothing_is_logged_when_all_is_well() {
    let c = Container::new();
    let out = c.cmd(&["--log", "log.json", "--log-format=json", "run", &c.id]).ok();
    assert_eq!(fs::read_to_string(c.path("log.json")).unwrap_or_default(), "");
    assert_eq!(out.stderr(), "");
}

#[test]
fn text_goes_to_stderr() {
    let err = Container::new().cmd(&["state", "nosuch"]).code(1).stderr();
    assert!(
        err.starts_with("time=\"") && err.contains("level=error msg=\"container does not exist"),
        "{err}"
    );
    assert_eq!(err.lines().count(), 1);
}

#[test]
fn text_goes_to_the_file() {
    let c = Container::new();
    c.cmd(&["--log", "log", "state", "nosuch"]).fails(1, "container does not exist");
    c.cmd(&["--log", "log", "state", "nosuch"]).code(1);
    let log = fs::read_to_string(c.path("log")).unwrap();
    assert_eq!(log.lines().count(), 2, "appended: {log}");
    assert!(log.lines().all(|l| l.contains("level=error msg=\"container does not exist")), "{log}");
}

#[test]
fn debug_tells_more() {
    let c = Container::new();
    c.cmd(&["--debug", "--log", "log", "--log-format", "json", "run", &c.id]).ok();
    let log = fs::read_to_string(c.path("log")).unwrap();
    assert!(log.lines().count() > 0);
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["level"], "debug", "{line}");
    }
}

/// People look for these words when they read a log of runc's.
#[test]
fn debug_names_the_stages_as_runc_does() {
    let c = Container::new();
    let log = c.cmd(&["--debug", "run", &c.id]).ok().stderr();
    let stages = ["nsexec container setup", "child process in init()"];
    for stage in [&stages[..], &["init: closing the pipe to signal completion"]].concat() {
        assert!(log.contains(stage), "{stage}: {log}");
    }
    let c = Container::new().up();
    let log = c.cmd(&["--debug", "exec", &c.id, "true"]).ok().stderr();
    for stage in [&stages[..], &["setns_init: about to exec"]].concat() {
        assert!(log.contains(stage), "{stage}: {log}");
    }
}

#[test]
fn debug_tells_the_cpus_of_exec() {
    only_tare!("execCPUAffinity came with runc 1.3");
    let c = Container::new().set("/process/execCPUAffinity", json!({ "initial": "0", "final": "0" })).up();
    let log = c.cmd(&["--debug", "exec", &c.id, "true"]).ok().stderr();
    assert!(log.contains("nsexec: affinity: 0x1)"), "{log}");
}

#[test]
fn unknown_format_is_refused() {
    Container::new().cmd(&["--log-format", "xml", "list"]).fails(1, "xml");
}
