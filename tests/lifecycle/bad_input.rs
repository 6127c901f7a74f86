// SPDX-License-Identifier: Apache-2.0
//! Each is refused with code 1 and words that name the object, and leaves nothing (the harness looks).
use std::fs;

use serde_json::json;

use crate::harness::{Container, only_tare};

fn refused(c: &Container, words: &str) {
    c.create(&[]).fails(1, words);
    c.cmd(&["state", &c.id]).fails(1, "container does not exist");
    c.run(&[]).fails(1, words);
    c.cmd(&["state", &c.id]).fails(1, "container does not exist");
}

#[test]
fn missing_bundle() {
    let c = Container::new();
    c.create(&["--bundle", "/nosuch-bundle"]).fails(1, "/nosuch-bundle");
}

#[test]
fn missing_config() {
    let c = Container::new();
    fs::remove_file(c.path("config.json")).unwrap();
    refused(&c, "JSON specification file config.json not found");
}

#[test]
fn broken_config() {
    let c = Container::new();
    for text in ["", "{", "{\"process\": }", "[]", "\u{feff}{}", "{\"ociVersion\": 1}"] {
        fs::write(c.path("config.json"), text).unwrap();
        c.create(&[]).code(1);
    }
}

#[test]
fn broken_config_is_shown_by_line_column_and_field() {
    only_tare!("runc gives the words of Go's decoder");
    let c = Container::new();
    fs::write(c.path("config.json"), "{\n  \"process\": {\n    \"args\": \"sh\"\n  }\n}\n").unwrap();
    let err = c.create(&[]).fails(1, "config.json").stderr();
    assert!(err.contains("line 3") && err.contains("column") && err.contains("process"), "{err}");
}

#[test]
fn missing_parts_of_the_config() {
    let without = |key: &str| Container::new().config(|c| drop(c.as_object_mut().unwrap().remove(key)));
    refused(&without("process"), "process");
    refused(&without("root"), "oot");
    let without =
        |key: &str| Container::new().config(|c| drop(c["process"].as_object_mut().unwrap().remove(key)));
    refused(&without("cwd"), "wd");
    refused(&without("args"), "args must not be empty");
    refused(&Container::new().args(&[]), "args must not be empty");
    refused(&Container::new().set("/process/cwd", json!("relative")), "Cwd must be an absolute path");
}

#[test]
fn no_rootfs() {
    let c = Container::new().set("/root/path", json!("nosuch"));
    refused(&c, "nosuch");
    let c = Container::new();
    fs::write(c.path("file"), "").unwrap();
    c.set("/root/path", json!("file")).create(&[]).code(1);
}

#[test]
fn namespaces() {
    refused(&Container::new().namespace("bogus", Some(json!({ "type": "bogus" }))), "bogus");
    let twice = |c: Container| {
        c.config(|c| c["linux"]["namespaces"].as_array_mut().unwrap().push(json!({ "type": "pid" })))
    };
    refused(&twice(Container::new()), "");
    refused(
        &Container::new().namespace("network", Some(json!({ "type": "network", "path": "/nosuch-ns" }))),
        "/nosuch-ns",
    );
}

#[test]
fn namespace_of_another_type() {
    let other = json!({ "type": "network", "path": "/proc/self/ns/uts" });
    refused(&Container::new().namespace("network", Some(other)), "");
    refused(
        &Container::new().namespace("network", Some(json!({ "type": "network", "path": "/etc/passwd" }))),
        "",
    );
}

#[test]
fn hostname_of_the_host() {
    refused(&Container::new().namespace("uts", None), "UTS namespace");
}

#[test]
fn bad_ids() {
    let c = Container::new();
    for id in ["a/b", "../x", ".", "..", "a b", "é", "a\nb", "a@b", "a:b"] {
        c.cmd(&["create", id]).fails(1, "invalid");
    }
    c.cmd(&["create", ""]).fails(1, "container");
    assert_eq!(fs::read_dir(c.state_root()).into_iter().flatten().count(), 0);
}

#[test]
fn taken_id() {
    let c = Container::new().up();
    c.create(&[]).fails(1, "container with given ID already exists");
    c.run(&[]).fails(1, "container with given ID already exists");
    assert_eq!(c.status(), "running", "the first is not harmed");
}

#[test]
fn environment_without_a_name() {
    for env in ["NOVALUE", "=x"] {
        only_tare!("runc 1.1 passes over what has no '='");
        refused(&Container::new().set("/process/env", json!([env])), "environment");
    }
}

#[test]
fn unmapped_user() {
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    let c = Container::new().userns().set("/linux/uidMappings", map).set("/process/user/uid", json!(4000));
    refused(&c, "");
}

/// Two readers of one file must not disagree on it.
#[test]
fn key_twice() {
    only_tare!("for runc the last counts");
    let c = Container::new();
    let text = fs::read_to_string(c.path("config.json")).unwrap();
    fs::write(c.path("config.json"), text.replacen('{', "{\"hostname\": \"other\",", 1)).unwrap();
    refused(&c, "hostname");
}

#[test]
fn unknown_keys_are_no_error() {
    let c = Container::new().set("/futureKey", json!({ "a": 1 })).set("/linux/futureKey", json!(["x"]));
    c.set("/process/futureKey", json!(null)).run(&[]).ok();
}
