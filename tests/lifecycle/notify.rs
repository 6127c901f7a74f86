// SPDX-License-Identifier: Apache-2.0
//! sd_notify: the container gets a socket of its own, the runtime passes on READY=1 (podman --sdnotify=container).
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::harness::{Container, Running, after, only_tare, wait_for};

/// systemd's side.
fn host(c: &Container) -> UnixDatagram {
    let socket = UnixDatagram::bind(c.path("host.sock")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket
}

fn told(socket: &UnixDatagram) -> String {
    let mut buf = [0; 4096];
    let len = socket.recv(&mut buf).unwrap();
    String::from_utf8_lossy(&buf[..len]).into_owned()
}

/// The container's side.
fn tell(c: &Container, words: &str) {
    let socket = format!("/proc/{}/root/run/notify/notify.sock", c.pid());
    let ours = UnixDatagram::unbound().unwrap();
    wait_for("the socket in the container", || ours.send_to(words.as_bytes(), &socket).ok());
}

fn with_socket(c: &Container, command: &str, flags: &[&str]) -> Running {
    Running::spawn(after("export NOTIFY_SOCKET=$PWD/host.sock", &c.on(command, flags)))
}

#[test]
fn container_gets_a_socket_of_its_own() {
    let c = Container::new().sh("echo $NOTIFY_SOCKET; [ -S $NOTIFY_SOCKET ] && echo socket; sleep 1000");
    let _host = host(&c);
    let run = with_socket(&c, "run", &["--detach"]);
    wait_for("both lines", || run.stdout().ends_with("socket\n").then_some(()));
    assert_eq!(run.stdout(), "/run/notify/notify.sock\nsocket\n");
    tell(&c, "READY=1");
    run.wait().ok();
}

#[test]
fn without_a_socket_there_is_none() {
    assert_eq!(
        Container::new().sh("echo [$NOTIFY_SOCKET]; ls -d /run/notify 2>/dev/null; true").says(),
        "[]"
    );
}

#[test]
fn ready_and_the_main_pid_are_passed_on_and_nothing_else() {
    let c = Container::new().args(&["sleep", "1000"]);
    let socket = host(&c);
    let run = with_socket(&c, "run", &["--detach"]);
    wait_for("the container", || (c.cmd(&["state", &c.id]).code == 0).then_some(()));
    c.wait_status("running");
    tell(&c, "STATUS=not yet");
    tell(&c, "READY=1\nSTATUS=done\nSTOPPING=1");
    assert_eq!(told(&socket).trim(), "READY=1");
    assert_eq!(told(&socket).trim(), format!("MAINPID={}", c.pid()));
    run.wait().ok();
}

#[test]
fn ready_may_come_after_other_lines() {
    only_tare!("runc 1.1 looks at the first line only");
    let c = Container::new().args(&["sleep", "1000"]);
    let socket = host(&c);
    let run = with_socket(&c, "run", &["--detach"]);
    wait_for("the container", || (c.cmd(&["state", &c.id]).code == 0).then_some(()));
    c.wait_status("running");
    tell(&c, "STATUS=done\nREADY=1");
    assert_eq!(told(&socket).trim(), "READY=1");
    run.wait().ok();
}

#[test]
fn run_ends_with_a_process_that_was_never_ready() {
    only_tare!("runc 1.1 waits for ever");
    for (flags, code) in [(&[][..], 3), (&["--detach"], 0)] {
        let c = Container::new().sh("exit 3");
        let _host = host(&c);
        with_socket(&c, "run", flags).wait().code(code);
    }
}

/// The service is not started before it is ready.
#[test]
fn start_waits_for_ready() {
    let c = Container::new().args(&["sleep", "1000"]);
    let socket = host(&c);
    with_socket(&c, "create", &[]).wait().ok();
    let start = with_socket(&c, "start", &[]);
    c.wait_status("running");
    tell(&c, "READY=1");
    assert_eq!(told(&socket).trim(), "READY=1");
    start.wait().ok();
    assert_eq!(c.status(), "running");
}
