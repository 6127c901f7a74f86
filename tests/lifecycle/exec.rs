// SPDX-License-Identifier: Apache-2.0
//! `exec` itself: exit codes, what it joins, when it is refused. What the process gets: exec_process.rs.
use std::fs::{self, File};

use crate::harness::{Container, Running, alive, finish, is_tare, only_tare, processes, wait_for};

#[test]
fn exit_code_is_that_of_the_process() {
    let c = Container::new().up();
    c.exec(&[], &["true"]).ok();
    c.exec(&[], &["sh", "-c", "exit 42"]).code(42);
    c.exec(&[], &["sh", "-c", "kill -9 $$"]).code(137);
}

/// podman and containerd tell a failure of the runtime by 255, and the reason by these words.
#[test]
fn failure_of_the_runtime_is_255() {
    let c = Container::new().up();
    c.exec(&[], &["nosuch"]).fails(255, "executable file not found in $PATH");
    c.exec(&[], &["/nosuch"]).fails(255, "no such file or directory");
    c.exec(&[], &["/bin"]).fails(255, "exec: \"/bin\": ");
    c.exec(&["--cwd", "/proc/1/nosuch"], &["true"]).fails(255, "/proc/1/nosuch");
    c.cmd(&["exec", "nosuch", "true"]).fails(255, "container does not exist");
}

#[test]
fn joins_every_namespace_and_cgroup() {
    let ask =
        "for n in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$n; done; cat /proc/self/cgroup";
    for c in [Container::new(), Container::new().userns()] {
        let c = c.namespace("cgroup", Some(serde_json::json!({ "type": "cgroup" }))).up();
        let inside = c.exec(&[], &["sh", "-c", ask]).ok().stdout();
        let mut init: Vec<_> = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"]
            .map(|n| fs::read_link(format!("/proc/{}/ns/{n}", c.pid())).unwrap().display().to_string())
            .into();
        init.extend(inside.lines().skip(7).map(|l| l.rsplit_once(':').unwrap().0.to_owned() + ":/"));
        assert_eq!(inside.lines().collect::<Vec<_>>(), init);
    }
}

#[test]
fn options_end_at_the_container_id() {
    let c = Container::new().up();
    assert_eq!(c.exec(&[], &["echo", "-n", "--detach", "-p"]).ok().stdout(), "--detach -p");
}

#[test]
fn stdin_comes_through_with_its_end() {
    let c = Container::new().up();
    fs::write(c.path("in"), vec![b'x'; 300_000]).unwrap();
    let mut exec = c.on("exec", &[]);
    exec.args(["wc", "-c"]).stdin(File::open(c.path("in")).unwrap());
    assert_eq!(finish(exec).ok().stdout(), "300000\n");
}

#[test]
fn signals_reach_the_process() {
    let c = Container::new().up();
    let mut exec = c.on("exec", &[]);
    exec.args(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.02; done"]);
    let exec = Running::spawn(exec);
    wait_for("the process", || exec.stdout().contains("up").then_some(()));
    exec.signal(nix::sys::signal::Signal::SIGTERM);
    exec.wait().code(7);
}

/// conmon: the pid file is there when the command returns, and the process is the caller's child.
#[test]
fn detached_process_is_left_to_the_caller() {
    let c = Container::new().up();
    c.exec(&["--detach", "--pid-file", "pid"], &["sleep", "1000"]).ok();
    let pid: i32 = fs::read_to_string(c.path("pid")).unwrap().parse().unwrap();
    assert!(alive(pid) && pid != c.pid());
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains(&format!("PPid:\t{}\n", std::process::id())), "{status}");
}

#[test]
fn foreground_process_has_a_pid_file_too() {
    let c = Container::new().up();
    c.exec(&["--pid-file", "pid"], &["true"]).ok();
    assert!(fs::read_to_string(c.path("pid")).unwrap().parse::<i32>().is_ok());
}

#[test]
fn works_before_start() {
    let c = Container::new();
    c.create(&[]).ok();
    assert_eq!(c.exec(&[], &["hostname"]).ok().stdout(), "runc\n");
    assert_eq!(c.status(), "created");
}

#[test]
fn refused_when_stopped() {
    let c = Container::new();
    c.run(&["--detach"]).ok();
    c.wait_status("stopped");
    // runc 1.1 says "a container that has stopped", as runc 1.2 and later do not.
    let words = if is_tare() { "cannot exec in a stopped container" } else { "cannot exec" };
    c.exec(&[], &["true"]).fails(255, words);
}

#[test]
fn refused_when_paused_unless_told() {
    let c = Container::new().up();
    c.cmd(&["pause", &c.id]).ok();
    c.exec(&[], &["true"]).fails(255, "cannot exec in a paused container (use --ignore-paused to override)");
    // In a frozen cgroup of v1 the new process waits with the others.
    let mut exec = c.on("exec", &["--ignore-paused"]);
    exec.args(["sh", "-c", "exit 3"]);
    let exec = Running::spawn(exec);
    std::thread::sleep(std::time::Duration::from_millis(100));
    c.cmd(&["resume", &c.id]).ok();
    exec.wait().code(3);
}

/// It runs when exec looks, and is paused before the process is there.
#[test]
fn refused_when_paused_meanwhile() {
    only_tare!("runc waits until it is resumed");
    let c = Container::new().up();
    let fifo = c.path("process.json");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    let exec = Running::spawn(c.on("exec", &["--process", fifo.to_str().unwrap()]));
    let mut process = fs::File::options().write(true).open(&fifo).unwrap();
    c.cmd(&["pause", &c.id]).ok();
    std::io::Write::write_all(&mut process, br#"{"args":["sleep","1000"],"cwd":"/"}"#).unwrap();
    drop(process);
    exec.wait().fails(255, "cannot exec in a paused container");
    c.cmd(&["resume", &c.id]).ok();
    wait_for("one process", || (processes(&c.id).len() == 1).then_some(()));
    c.exec(&[], &["true"]).ok();
}

#[test]
fn does_not_read_the_bundle_again() {
    only_tare!("runc 1.1 reads config.json again, against the specification");
    let c = Container::new().up();
    fs::remove_file(c.path("config.json")).unwrap();
    c.exec(&[], &["true"]).ok();
}

#[test]
fn supplementary_groups_are_added() {
    let c = Container::new().set("/process/user/additionalGids", serde_json::json!([7, 8])).up();
    let groups = c.exec(&["-g", "9", "-g", "10"], &["id", "-G"]).ok().stdout();
    let mut groups: Vec<u32> = groups.split_whitespace().map(|gid| gid.parse().unwrap()).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups, [0, 7, 8, 9, 10]);
    c.exec(&["--additional-gids", "x"], &["id"]).fails(if crate::harness::is_tare() { 255 } else { 1 }, "x");
}
