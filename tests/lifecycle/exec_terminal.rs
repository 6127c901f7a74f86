// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::io::Write;

use nix::sys::signal::Signal;
use serde_json::json;

use super::terminal::Outer;
use crate::harness::{Container, FdSocket, Terminal, alive, base};

#[test]
fn detached_by_console_socket() {
    let c = Container::new().up();
    let socket = FdSocket::bind(c.bundle());
    let flags = ["--tty", "--detach", "--console-socket", socket.arg(), "--pid-file", "pid"];
    c.exec(&flags, &["sh", "-c", "tty; echo ready; exec sleep 1000"]).ok();
    let terminal = Terminal::new(socket.receive().1);
    terminal.expect("/dev/pts/0\r\nready");
    assert!(alive(fs::read_to_string(c.path("pid")).unwrap().parse().unwrap()));
}

/// What containerd does for `docker exec -t`.
#[test]
fn by_process_file() {
    let c = Container::new().up();
    let mut process = base()["process"].take();
    process["args"] = json!(["sh", "-c", "stty size; tty; exec sleep 1000"]);
    process["terminal"] = json!(true);
    process["consoleSize"] = json!({ "height": 31, "width": 97 });
    fs::write(c.path("process.json"), process.to_string()).unwrap();
    let socket = FdSocket::bind(c.bundle());
    let args = ["exec", "--process", "process.json", "--console-socket", socket.arg(), "--detach", &c.id];
    c.cmd(&args).ok();
    Terminal::new(socket.receive().1).expect("31 97\r\n/dev/pts/0");
}

#[test]
fn foreground() {
    let mut outer = Outer::new();
    let c = Container::new().up();
    let mut exec = c.on("exec", &["-t"]);
    // A trap before `read` would let the first WINCH interrupt it.
    let script = "echo ready; read x; trap 'stty size' WINCH; trap 'exit 6' INT; echo got $x; while :; do sleep 0.02; done";
    exec.args(["sh", "-c", script]);
    let exec = outer.spawn(exec);
    outer.terminal.expect("ready");
    assert!(!outer.is_cooked());
    outer.terminal.master.write_all(b"text\r").unwrap();
    outer.terminal.expect("got text");
    outer.resize(33, 99);
    exec.signal(Signal::SIGWINCH);
    outer.terminal.expect("33 99");
    outer.terminal.master.write_all(b"\x03").unwrap();
    exec.wait().code(6);
    assert!(outer.is_cooked());
}

/// `--tty` decides, not the terminal of the config.
#[test]
fn without_the_flag_there_is_none() {
    let c = Container::new().set("/process/terminal", json!(true));
    let socket = FdSocket::bind(c.bundle());
    let c = c.args(&["sleep", "1000"]);
    c.run(&["--detach", "--console-socket", socket.arg()]).ok();
    let _terminal = socket.receive();
    c.exec(&[], &["sh", "-c", "[ -t 1 ] || exit 5"]).code(5);
    c.exec(&["--tty", "--detach"], &["true"])
        .fails(255, "cannot allocate tty if runc will detach without setting console socket");
}
