// SPDX-License-Identifier: Apache-2.0
//! `terminal: true`: by console socket when detached, as a proxy of the caller's own terminal in the foreground.
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::pty::openpty;
use nix::sys::signal::Signal;
use nix::sys::termios::{LocalFlags, tcgetattr};
use serde_json::json;

use crate::harness::{Container, FdSocket, Running, Terminal, after, finish};

fn with(script: &str) -> Container {
    Container::new().set("/process/terminal", json!(true)).sh(script)
}

/// The other side of a console socket: containerd's shim or conmon.
fn create(c: &Container) -> Terminal {
    let socket = FdSocket::bind(c.bundle());
    c.create(&["--console-socket", socket.arg()]).ok();
    let (name, master) = socket.receive();
    assert!(!name.is_empty());
    Terminal::new(master)
}

#[test]
fn master_comes_by_the_console_socket() {
    let c = with("tty; for fd in 0 1 2; do [ -t $fd ] && echo fd $fd; done; exit 3");
    let terminal = create(&c);
    assert_eq!(terminal.seen(), "");
    c.start().ok();
    c.wait_status("stopped");
    terminal.expect("/dev/pts/0\r\nfd 0\r\nfd 1\r\nfd 2\r\n");
}

#[test]
fn run_detached_takes_a_console_socket_too() {
    let c = with("tty; sleep 1000");
    let socket = FdSocket::bind(c.bundle());
    c.run(&["--detach", "--console-socket", socket.arg()]).ok();
    Terminal::new(socket.receive().1).expect("/dev/pts/0");
}

#[test]
fn input_and_interrupt_key_reach_the_process() {
    let c = with(
        "trap 'echo interrupted; exit' INT; read line; echo \"got $line\"; while :; do sleep 0.02; done",
    );
    let mut terminal = create(&c);
    c.start().ok();
    terminal.master.write_all(b"text\n").unwrap();
    terminal.expect("got text");
    terminal.master.write_all(b"\x03").unwrap();
    terminal.expect("interrupted");
    c.wait_status("stopped");
}

#[test]
fn console_is_the_terminal_and_of_the_user() {
    let c = with("echo by-console >/dev/console; stat -c '%t:%T' /dev/console; stat -c '%u %g' /dev/pts/0");
    let c = c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let terminal = create(&c);
    c.start().ok();
    terminal.expect("by-console\r\n88:0\r\n1000 5\r\n");
    c.wait_status("stopped");
}

#[test]
fn size_is_that_of_the_config() {
    let c = with("stty size").set("/process/consoleSize", json!({ "height": 31, "width": 97 }));
    let terminal = create(&c);
    c.start().ok();
    terminal.expect("31 97");
    c.wait_status("stopped");
}

#[test]
fn works_in_a_user_namespace() {
    let c = with("tty; echo x >/dev/tty").userns();
    let terminal = create(&c);
    c.start().ok();
    terminal.expect("/dev/pts/0\r\nx\r\n");
    c.wait_status("stopped");
}

#[test]
fn socket_and_terminal_go_together() {
    let c = with("true");
    c.create(&[]).fails(1, "cannot allocate tty if runc will detach without setting console socket");
    c.run(&["--detach"]).fails(1, "cannot allocate tty if runc will detach without setting console socket");
    let socket = FdSocket::bind(c.bundle());
    let words = "cannot use console socket if runc will not detach or allocate tty";
    c.run(&["--console-socket", socket.arg()]).fails(1, words);
    let c = c.set("/process/terminal", json!(false));
    c.create(&["--console-socket", socket.arg()]).fails(1, words);
}

#[test]
fn missing_console_socket_is_named() {
    let c = with("true");
    c.create(&["--console-socket", "/nosuch/console.sock"]).fails(1, "/nosuch/console.sock");
}

/// The caller's own terminal, `script`'s or CRI-O's, with 24 rows and 80 columns.
pub(super) struct Outer {
    pub(super) terminal: Terminal,
    slave: OwnedFd,
}

impl Outer {
    pub(super) fn new() -> Self {
        let pty = openpty(None, None).unwrap();
        let this = Self { terminal: Terminal::new(pty.master), slave: pty.slave };
        this.resize(24, 80);
        this
    }

    pub(super) fn resize(&self, rows: u16, columns: u16) {
        let mut stty = Command::new("stty");
        stty.args(["rows", &rows.to_string(), "cols", &columns.to_string()]).stdin(self.stdio());
        finish(stty).ok();
    }

    pub(super) fn spawn(&self, cmd: Command) -> Running {
        Running::spawn_on(cmd, || self.stdio())
    }

    fn stdio(&self) -> Stdio {
        self.slave.try_clone().unwrap().into()
    }

    /// Raw while the runtime passes everything on.
    pub(super) fn is_cooked(&self) -> bool {
        tcgetattr(self.slave.as_fd()).unwrap().local_flags.contains(LocalFlags::ICANON | LocalFlags::ECHO)
    }
}

#[test]
fn foreground_passes_both_ways_and_restores() {
    let mut outer = Outer::new();
    let c = with("tty; echo ready; read line; echo \"got $line\"; exit 7");
    let run = outer.spawn(c.on("run", &[]));
    outer.terminal.expect("/dev/pts/0\r\nready\r\n");
    assert!(!outer.is_cooked());
    outer.terminal.master.write_all(b"text\r").unwrap();
    outer.terminal.expect("got text");
    run.wait().code(7);
    assert!(outer.is_cooked());
}

#[test]
fn foreground_follows_the_size() {
    let outer = Outer::new();
    let c = with("trap 'stty size' WINCH; stty size; echo ready; while :; do sleep 0.02; done");
    let run = outer.spawn(c.on("run", &[]));
    outer.terminal.expect("ready");
    outer.terminal.expect("24 80");
    outer.resize(33, 99);
    // buildkit sends it to the runtime itself.
    run.signal(Signal::SIGWINCH);
    outer.terminal.expect("33 99");
    c.kill("KILL").ok();
    run.wait().code(137);
}

#[test]
fn foreground_passes_signals_and_keys() {
    let mut outer = Outer::new();
    let c =
        with("trap 'echo int' INT; trap 'echo term; exit 9' TERM; echo ready; while :; do sleep 0.02; done");
    let run = outer.spawn(c.on("run", &[]));
    outer.terminal.expect("ready");
    outer.terminal.master.write_all(b"\x03").unwrap();
    outer.terminal.expect("int");
    run.signal(Signal::SIGTERM);
    outer.terminal.expect("term");
    run.wait().code(9);
}

/// All of it arrives, though the process is gone when the last is read.
#[test]
fn foreground_loses_nothing_at_the_end() {
    let outer = Outer::new();
    let c = with("i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i+1)); done");
    let run = outer.spawn(c.on("run", &[]));
    run.wait().ok();
    outer.terminal.expect("line 4999\r\n");
    assert_eq!(outer.terminal.seen().lines().count(), 5000);
}

#[test]
fn foreground_ends_with_its_process() {
    let c = with("sleep 1000 & exit 4");
    Outer::new().spawn(c.on("run", &[])).wait().code(4);
}

/// What goes to a file has the lines that the program wrote.
#[test]
fn foreground_leaves_newlines_to_who_shows_them() {
    let outer = Outer::new();
    let c = with("echo one; echo two");
    let to_file = after(&format!("exec >{}", c.path("out").display()), &c.on("run", &[]));
    outer.spawn(to_file).wait().ok();
    assert_eq!(std::fs::read_to_string(c.path("out")).unwrap(), "one\ntwo\n");
}
