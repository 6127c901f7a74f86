// SPDX-License-Identifier: Apache-2.0
//! What init is while it waits for `start`: nothing of the runtime's is open in it (CVE-2024-21626), and it goes with
//! a runtime that is killed before it has said to wait.
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, connect, listen, socket};
use serde_json::json;

use super::seccomp::{on_mkdir, with};
use crate::harness::{Container, Running, alive, only_tare, processes, wait_for};

fn open_files(pid: i32) -> Vec<(String, PathBuf)> {
    let all = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().map(|e| e.unwrap().path());
    all.map(|p| (p.file_name().unwrap().to_str().unwrap().to_owned(), p)).collect()
}

#[test]
fn no_directory_is_open() {
    let c = Container::new();
    c.create(&[]).ok();
    for (number, path) in open_files(c.pid()) {
        assert!(!fs::metadata(&path).unwrap().is_dir(), "{number}: {:?}", fs::read_link(path));
    }
}

#[test]
fn only_the_fifo_is_open() {
    only_tare!("runc holds files of Go's");
    for c in [Container::new(), Container::new().userns(), with(on_mkdir("SCMP_ACT_ERRNO"))] {
        c.create(&[]).ok();
        // It closes its end of the channel once it is told to go on.
        let fifo = wait_for("nothing open but the start fifo", || {
            let open = open_files(c.pid()).into_iter();
            let [(_, fifo)] =
                &open.filter(|(n, _)| !["0", "1", "2"].contains(&n.as_str())).collect::<Vec<_>>()[..]
            else {
                return None;
            };
            Some(fifo.clone())
        });
        assert!(fs::metadata(&fifo).unwrap().file_type().is_fifo(), "{:?}", fs::read_link(&fifo));
    }
}

#[test]
fn running_program_has_its_streams_alone() {
    let c = Container::new().up();
    let mut numbers: Vec<_> = open_files(c.pid()).into_iter().map(|(n, _)| n).collect();
    numbers.sort();
    assert_eq!(numbers, ["0", "1", "2"]);
}

/// A socket whose queue is full: who connects waits, and the runtime is where we want it.
struct Full(#[expect(dead_code, reason = "held open")] [OwnedFd; 2]);

impl Full {
    fn bind(path: &Path) -> Self {
        let stream = || socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
        let (listener, client) = (stream(), stream());
        let address = UnixAddr::new(path).unwrap();
        bind(listener.as_raw_fd(), &address).unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        connect(client.as_raw_fd(), &address).unwrap();
        Self([listener, client])
    }
}

/// Kills a `create` that waits at the socket, with an init that waits for its word.
fn kill_at(c: &Container, flags: &[&str]) {
    let create = Running::spawn(c.on("create", flags));
    let runtime = create.pid().as_raw();
    let init = wait_for("the runtime at the socket", || {
        let syscall = fs::read_to_string(format!("/proc/{runtime}/syscall")).unwrap_or_default();
        let connects = syscall.split(' ').next() == Some(&libc::SYS_connect.to_string());
        processes(&c.id).into_iter().find(|&pid| connects && pid != runtime)
    });
    assert!(alive(init));
    create.signal(Signal::SIGKILL);
    create.wait();
    wait_for("init to end", || (!alive(init)).then_some(()));
}

#[test]
fn ends_with_a_runtime_killed_before_its_word() {
    only_tare!("runc 1.1 has no --pidfd-socket to hold it at");
    let c = Container::new();
    let socket = c.path("full.sock");
    let _full = Full::bind(&socket);
    kill_at(&c, &["--pidfd-socket", socket.to_str().unwrap()]);
}

#[test]
fn ends_with_a_runtime_killed_at_the_seccomp_agent() {
    only_tare!("a create that is killed leaves runc's cgroups");
    let c = with(on_mkdir("SCMP_ACT_NOTIFY"));
    let socket = c.path("full.sock");
    let _full = Full::bind(&socket);
    let c = c.set("/linux/seccomp/listenerPath", json!(socket));
    kill_at(&c, &[]);
}
