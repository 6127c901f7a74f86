// SPDX-License-Identifier: Apache-2.0
//! SCMP_ACT_NOTIFY, with the agent in the test itself.
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use super::seccomp::{on_mkdir, with};
use crate::harness::{Container, FdSocket, Running, wait_for};

nix::ioctl_readwrite!(notif_recv, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(notif_send, b'!', 1, libc::seccomp_notif_resp);

/// Waits for one notification; the answer is this errno, or to go on with the syscall. Its caller's pid comes back.
pub(super) fn answer(listener: &OwnedFd, errno: Option<i32>) -> i32 {
    let asked = question(listener);
    reply(listener, &asked, errno);
    asked.pid.cast_signed()
}

/// Its caller waits for the reply.
fn question(listener: &OwnedFd) -> libc::seccomp_notif {
    let mut waiting = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
    assert_eq!(poll(&mut waiting, PollTimeout::from(30_000_u16)).unwrap(), 1, "a notification");
    // SAFETY: zeroes are valid, and the kernel demands them of what it fills in.
    let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
    // SAFETY: the listener's own ioctl with its struct.
    unsafe { notif_recv(listener.as_raw_fd(), &raw mut asked) }.unwrap();
    asked
}

fn reply(listener: &OwnedFd, asked: &libc::seccomp_notif, errno: Option<i32>) {
    // SAFETY: zeroes are valid.
    let mut said: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
    said.id = asked.id;
    match errno {
        Some(errno) => said.error = -errno,
        None => said.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap(),
    }
    // SAFETY: the listener's own ioctl with its struct.
    unsafe { notif_send(listener.as_raw_fd(), &raw mut said) }.unwrap();
}

fn with_agent() -> (Container, FdSocket) {
    let c = with(on_mkdir("SCMP_ACT_NOTIFY"));
    let agent = FdSocket::bind(c.bundle());
    let c = c
        .set("/linux/seccomp/listenerPath", json!(agent.path))
        .set("/linux/seccomp/listenerMetadata", json!("for the agent"))
        .set("/annotations", json!({ "org.example.key": "value" }));
    (c, agent)
}

/// ContainerProcessState of the runtime specification.
fn is_process_state(text: &str, c: &Container, status: &str, pid: i32, init: i32) {
    let told: Value = serde_json::from_str(text).unwrap();
    assert_eq!(told["fds"], json!(["seccompFd"]));
    assert_eq!(told["pid"], pid);
    assert_eq!(told["metadata"], "for the agent");
    let state = &told["state"];
    assert_eq!((&state["id"], &state["status"], &state["pid"]), (&json!(c.id), &json!(status), &json!(init)));
    assert_eq!(state["bundle"], json!(c.bundle()));
    assert_eq!(state["annotations"]["org.example.key"], "value");
    for version in [&told["ociVersion"], &state["ociVersion"]] {
        assert!(version.as_str().unwrap().starts_with("1."), "{text}");
    }
}

#[test]
fn answers_for_init() {
    for no_new_privileges in [true, false] {
        let (c, agent) = with_agent();
        let script = "mkdir /refused || mkdir /made && ls -d /made; mkdir /killed; echo $?";
        let c = c.sh(script).set("/process/noNewPrivileges", json!(no_new_privileges));
        let out = c.create(&[]).ok();
        let (text, listener) = agent.receive();
        is_process_state(&text, &c, "creating", c.pid(), c.pid());
        c.start().ok();
        answer(&listener, Some(libc::ENOSPC));
        answer(&listener, None);
        // The agent's end is that of the syscall (ENOSYS, seccomp_unotify(2)).
        wait_for("/made", || out.stdout().contains("/made").then_some(()));
        drop(listener);
        c.wait_status("stopped");
        assert_eq!(out.stdout(), "/made\n1\n");
        assert!(out.stderr().contains("No space left on device"), "{}", out.stderr());
        assert!(out.stderr().contains("Function not implemented"), "{}", out.stderr());
    }
}

#[test]
fn answers_for_exec() {
    let (c, agent) = with_agent();
    let c = c.up();
    drop(agent.receive());
    let mut exec = c.on("exec", &["--pid-file", "pid"]);
    exec.args(["mkdir", "/dir"]);
    let exec = Running::spawn(exec);
    let (text, listener) = agent.receive();
    let pid = answer(&listener, Some(libc::ENOSPC));
    exec.wait().fails(1, "No space left on device");
    is_process_state(&text, &c, "running", pid, c.pid());
}

/// The runtime's own numbers, in a pid namespace of its own: the agent is a neighbour of the runtime's, not of the
/// container's.
#[test]
fn pids_are_those_of_the_runtimes_namespace() {
    let (c, agent) = with_agent();
    let c = c.sh("read pid rest </proc/self/stat; echo $pid >/inner; mkdir /dir; sleep 1000");
    c.run(&["--detach"]).ok();
    let (text, listener) = agent.receive();
    let told: Value = serde_json::from_str(&text).unwrap();
    let asked = question(&listener);
    let parent = std::fs::read_to_string(format!("/proc/{}/stat", asked.pid)).unwrap();
    reply(&listener, &asked, Some(libc::ENOSPC));
    let parent: i32 = parent.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    // mkdir is a child of init's, which is 1 inside.
    assert_eq!((&told["pid"], &told["state"]["pid"]), (&json!(parent), &json!(parent)));
    assert_eq!(c.pid(), parent);
    assert_eq!(std::fs::read_to_string(c.rootfs("inner")).unwrap(), "1\n");
}

#[test]
fn agent_that_is_not_there() {
    let (c, agent) = with_agent();
    drop(agent);
    c.create(&[]).code(1);
}

/// As default it would ask before the agent has its descriptor, and for write in the very message that hands it over.
#[test]
fn refused_where_it_cannot_work() {
    let c = Container::new().set("/linux/seccomp/defaultAction", json!("SCMP_ACT_NOTIFY"));
    c.create(&[]).fails(1, "SCMP_ACT_NOTIFY cannot be used as default action");
    let (c, _agent) = with_agent();
    let c = c.set("/linux/seccomp/syscalls/0/names/1", json!("write"));
    c.create(&[]).fails(1, "SCMP_ACT_NOTIFY cannot be used for the write syscall");
    with(on_mkdir("SCMP_ACT_NOTIFY")).create(&[]).fails(1, "listenerPath");
}
