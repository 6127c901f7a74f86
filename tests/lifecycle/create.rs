// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{Container, alive, finish, processes};

#[test]
fn the_process_waits_for_start() {
    let c = Container::new().args(&["echo", "ran"]);
    let created = c.create(&[]).ok();
    assert_eq!(c.status(), "created");
    assert_eq!(created.stdout(), "");
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!(created.stdout(), "ran\n");
}

/// containerd and conmon parse the pid file with strconv.Atoi: a newline breaks them.
#[test]
fn pid_file_is_a_number_without_a_newline() {
    let c = Container::new();
    c.create(&["--pid-file", "pid"]).ok();
    assert_eq!(fs::read_to_string(c.path("pid")).unwrap(), c.pid().to_string());
    assert_eq!(fs::metadata(c.path("pid")).unwrap().permissions().mode() & 0o777, 0o644);
}

/// A shim is a subreaper and waits for init itself, so no process may be left between the two.
#[test]
fn init_is_the_child_of_the_caller_and_the_only_process() {
    let c = Container::new();
    c.create(&[]).ok();
    assert!(alive(c.pid()));
    assert_eq!(processes(&c.id), [c.pid()]);
    let status = fs::read_to_string(format!("/proc/{}/status", c.pid())).unwrap();
    assert!(status.contains(&format!("PPid:\t{}\n", std::process::id())), "{status}");
}

#[test]
fn bundle_is_the_working_directory_or_the_flag() {
    for flags in [vec![], vec!["--bundle", "."], vec!["--bundle=."], vec!["-b", "."], vec!["-bundle", "."]] {
        let c = Container::new();
        c.create(&flags).ok();
        assert_eq!(c.state()["bundle"].as_str(), c.bundle().to_str(), "{flags:?}");
    }
    let c = Container::new();
    let mut create = c.on("create", &["--bundle", c.bundle().to_str().unwrap()]);
    finish(std::mem::replace(create.current_dir("/"), std::process::Command::new("true"))).ok();
    assert_eq!(c.state()["bundle"].as_str(), c.bundle().to_str());
}

/// The specification: changes to config.json after create have no effect.
#[test]
fn config_is_read_once() {
    let c = Container::new().args(&["echo", "first"]);
    let created = c.create(&[]).ok();
    let c = c.args(&["echo", "second"]);
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!(created.stdout(), "first\n");
}

#[test]
fn created_container_is_deleted_without_force() {
    let c = Container::new();
    c.create(&[]).ok();
    let pid = c.pid();
    c.delete(&[]).ok();
    assert!(!alive(pid));
}

#[test]
fn name_may_have_all_its_characters() {
    let c = Container::new();
    let id = format!("{}_aZ09+.-", c.id);
    c.cmd(&["create", &id]).ok();
    c.cmd(&["delete", &id]).ok();
}

#[test]
fn stdio_of_the_caller_becomes_that_of_the_container() {
    let c = Container::new().sh("read line; echo out $line; echo err $line >&2");
    fs::write(c.path("in"), "text\n").unwrap();
    let mut create = c.on("create", &[]);
    create.stdin(fs::File::open(c.path("in")).unwrap());
    let created = finish(create).ok();
    c.start().ok();
    c.wait_status("stopped");
    assert_eq!((created.stdout().as_str(), created.stderr().as_str()), ("out text\n", "err text\n"));
}
