// SPDX-License-Identifier: Apache-2.0
//! The words clients decide by: moby, containerd, podman, CRI-O and buildkit match substrings of the error text.
use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::harness::{Container, only_tare};

/// Neither is an executable.
fn with_files() -> Container {
    let c = Container::new();
    fs::create_dir(c.rootfs("dir")).unwrap();
    fs::write(c.rootfs("plain"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(c.rootfs("plain"), PermissionsExt::from_mode(0o644)).unwrap();
    c
}

/// moby: 127 for "executable file not found" and "no such file or directory", 126 for "permission denied" and
/// "is a directory"; podman the same by its own patterns.
const EXECUTABLES: [(&str, &str); 5] = [
    ("nosuch", "exec: \"nosuch\": executable file not found in $PATH"),
    ("/nosuch", "no such file or directory"),
    ("/plain", "permission denied"),
    ("/dir", "is a directory"),
    ("/plain/x", "not a directory"),
];

#[test]
fn executables_of_create_and_run() {
    for (name, words) in EXECUTABLES {
        // runc 1.1 takes a directory for something without permission.
        let words = if !crate::harness::is_tare() && name == "/dir" { "permission denied" } else { words };
        let c = with_files().args(&[name]);
        c.create(&[]).fails(1, words);
        c.run(&[]).fails(1, words);
        c.run(&["--detach"]).fails(1, words);
        c.cmd(&["state", &c.id]).fails(1, "container does not exist");
    }
}

#[test]
fn executables_of_exec() {
    let c = with_files().up();
    for (name, words) in EXECUTABLES {
        let words = if !crate::harness::is_tare() && name == "/dir" { "permission denied" } else { words };
        c.exec(&[], &[name]).fails(255, words);
        c.exec(&["--detach"], &[name]).fails(255, words);
    }
}

/// Docker shows the whole of it to the user.
#[test]
fn beginning_names_the_command() {
    let name = if crate::harness::is_tare() { "" } else { "runc " };
    let c = Container::new().args(&["nosuch"]);
    for (command, words) in
        [("create", "create failed: unable to start container process: "), ("run", "run failed: ")]
    {
        crate::harness::finish(c.on(command, &[])).fails(1, &format!("{name}{words}"));
    }
    let c = Container::new().up();
    c.exec(&[], &["nosuch"]).fails(255, "exec failed: ");
}

#[test]
fn commands_on_a_container_that_is_not_there() {
    let c = Container::new();
    for args in [&["start"][..], &["state"], &["kill"], &["delete"], &["pause"], &["resume"], &["ps"]] {
        c.cmd(&[args, &["nosuch"]].concat()).fails(1, "container does not exist");
    }
    c.cmd(&["exec", "nosuch", "true"]).fails(255, "container does not exist");
}

#[test]
fn commands_on_a_container_in_another_state() {
    let c = Container::new().up();
    let (id, running) = (c.id.clone(), 1);
    for (args, words) in [
        (vec!["create", &id], "container with given ID already exists"),
        (vec!["start", &id], "cannot start an already running container"),
        (vec!["delete", &id], "that is not stopped: running"),
        (vec!["resume", &id], "container not paused"),
        (vec!["kill", &id, "NOSUCH"], "unknown signal \"NOSUCH\""),
    ] {
        c.cmd(&args).fails(running, words);
    }
    c.kill("KILL").ok();
    c.wait_status("stopped");
    for (args, words) in [
        (vec!["start", &id], "cannot start a container that has stopped"),
        (vec!["kill", &id], "container not running"),
        (vec!["pause", &id], "container not running"),
    ] {
        c.cmd(&args).fails(1, words);
    }
}

#[test]
fn working_directory_and_mounts() {
    let c = Container::new();
    fs::write(c.rootfs("file"), "").unwrap();
    let c = c.set("/process/cwd", json!("/file/x"));
    c.create(&[]).fails(1, "not a directory");
    let c = Container::new().up();
    c.exec(&["--cwd", "/nosuch"], &["true"]).fails(255, "/nosuch");
    let c = Container::new().bind("/nosuch-source".as_ref(), "/mnt", &["bind"]);
    c.create(&[]).fails(1, "/nosuch-source");
}

/// What people look for when the interpreter of their entry point is missing.
#[test]
fn missing_interpreter() {
    only_tare!("runc 1.1 says it on the container's stderr");
    let script = |c: &Container| {
        fs::write(c.rootfs("run.sh"), "#!/nosuch\n").unwrap();
        fs::set_permissions(c.rootfs("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    };
    let c = Container::new().up();
    script(&c);
    let said = c.exec(&[], &["/run.sh"]).fails(255, "exec /run.sh: no such file or directory").stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    let c = Container::new().args(&["/run.sh"]);
    script(&c);
    // The program's own streams, and its last words there.
    assert_eq!(c.run(&[]).code(1).stderr(), "exec /run.sh: no such file or directory\n");
    let words = "tare run failed: exec /run.sh: no such file or directory";
    c.run(&["--detach"]).fails(1, words);
    c.cmd(&["--log", "log", "run", &c.id]).fails(1, words);
    assert!(fs::read_to_string(c.path("log")).unwrap().contains(words));
}

#[test]
fn cgroup_of_exec_that_is_not_there() {
    only_tare!("runc has these words from 1.2 on");
    let c = Container::new().up();
    c.exec(&["--cgroup", ".."], &["true"]).fails(255, "bad sub cgroup path");
    let said = c.exec(&["--cgroup", "nosuch"], &["true"]).fails(255, " adding pid ").stderr();
    assert!(said.contains("no such file or directory"), "{said}");
}

#[test]
fn seccomp_agent_that_is_not_there() {
    let calls = json!([{ "names": ["mkdir"], "action": "SCMP_ACT_NOTIFY" }]);
    let c = Container::new().set(
        "/linux/seccomp",
        json!({ "defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "/nosuch/sock", "syscalls": calls }),
    );
    c.create(&[]).fails(1, "failed to connect with seccomp agent");
}
