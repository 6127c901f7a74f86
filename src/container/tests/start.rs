// SPDX-License-Identifier: Apache-2.0
//! The fifo, with a shell in the place of init: it holds the fifo as init does, and executes.

use std::io::{BufRead, BufReader};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use super::*;
use crate::container::{Phase, ProcessRef, Started, State, Status};
use crate::error::{Kind, Result};
use crate::sys::{Errno, process, signal};

struct Init {
    child: Child,
    pidfd: OwnedFd,
    state: State,
}

impl Init {
    /// Runs `script` with the fifo open as 3.
    fn new(scratch: &Scratch, container: &Locked, script: &str) -> Init {
        container.fifo_make().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("exec 3<>\"$0\"; echo ready; {script}")])
            .arg(scratch.root().join("c/exec.fifo"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let pid = child.id() as i32;
        let init = Some(ProcessRef::of(pid).unwrap());
        let state =
            State { phase: Phase::Created, init, ..State::creating(container.id(), this_process()).unwrap() };
        Init { child, pidfd: process::pidfd_open(pid).unwrap(), state }
    }

    fn start(&self, container: &Locked) -> Result<Started> {
        container.fifo_start(self.pidfd.as_fd(), Some(Instant::now() + Duration::from_secs(60)))
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        assert!(signal::wait_readable(self.pidfd.as_fd(), 60_000).unwrap());
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const READ: &str = "head -c1 <&3 >/dev/null";
const EXEC: &str = "exec sleep 60 3>&-";

fn fifo_exists(scratch: &Scratch) -> bool {
    scratch.root().join("c/exec.fifo").exists()
}

#[test]
fn an_init_that_executes_is_started_and_no_second_time() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let init = Init::new(&scratch, &container, &format!("{READ}; sleep 0.1; {EXEC}"));
    assert_eq!(container.status(&init.state), Status::Created);
    assert_eq!(init.start(&container).unwrap(), Started::Executed);
    assert_eq!(container.status(&init.state), Status::Running);
    assert!(!fifo_exists(&scratch));
    let again = init.start(&container).unwrap_err().to_string();
    assert_eq!(again, "cannot start an already running container");
}

#[test]
fn a_program_that_ends_at_once_was_started() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let init = Init::new(&scratch, &container, &format!("{READ}; exec true 3>&-"));
    assert_eq!(init.start(&container).unwrap(), Started::Executed);
}

#[test]
fn an_init_that_fails_says_at_which_step() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let record =
        if cfg!(target_endian = "little") { r"\005\001\0\0\002\0\0\0" } else { r"\0\0\001\005\0\0\0\002" };
    let init = Init::new(&scratch, &container, &format!("{READ}; printf '{record}' >&3; exit 1"));
    let failed = Started::Failed { step: 0x105, errno: Errno::ENOENT };
    assert_eq!(init.start(&container).unwrap(), failed);
    assert!(!fifo_exists(&scratch));
}

#[test]
fn a_dead_init_cannot_be_started() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let check = |init: &Init| {
        let error = init.start(&container).unwrap_err();
        assert_eq!(error.to_string(), "cannot start a container that has stopped");
        assert_eq!(error.kind(), Kind::NotRunning);
    };
    // Dead before the byte; with the byte unread; and without a fifo.
    let mut before = Init::new(&scratch, &container, "exec sleep 60");
    before.kill();
    check(&before);
    fs::remove_file(scratch.root().join("c/exec.fifo")).unwrap();
    check(&Init::new(&scratch, &container, "sleep 0.2; exit 1"));
    fs::remove_file(scratch.root().join("c/exec.fifo")).unwrap();
    check(&before);
}

#[test]
fn an_init_that_dies_while_another_has_the_fifo_ends_the_wait() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let init = Init::new(&scratch, &container, &format!("{READ}; exit 1"));
    let _held = container.fifo_open().unwrap();
    assert_eq!(init.start(&container).unwrap_err().kind(), Kind::NotRunning);
}

#[test]
fn an_init_that_never_executes_is_waited_for_until_the_deadline() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    let init = Init::new(&scratch, &container, "exec sleep 60");
    let deadline = Instant::now() + Duration::from_millis(50);
    let error = container.fifo_start(init.pidfd.as_fd(), Some(deadline)).unwrap_err().to_string();
    assert!(error.contains("did not execute the program in time"), "{error}");
    assert!(Instant::now() >= deadline);
    assert_eq!(container.status(&init.state), Status::Created);
}

#[test]
fn a_start_that_was_killed_can_be_done_again() {
    let scratch = Scratch::new();
    let container = create(&scratch.store(), "c");
    // Killed after its byte: init sees two, and its record comes after the one that is left.
    let record = r"\001\001\001\001\002\0\0\0";
    let failing =
        Init::new(&scratch, &container, &format!("{READ}; sleep 0.2; printf '{record}' >&3; exit 1"));
    let past = Some(Instant::now());
    assert!(container.fifo_start(failing.pidfd.as_fd(), past).is_err());
    let Started::Failed { step: 0x0101_0101, .. } = failing.start(&container).unwrap() else { panic!() };
    let executing = Init::new(&scratch, &container, &format!("{READ}; sleep 0.2; {EXEC}"));
    assert!(container.fifo_start(executing.pidfd.as_fd(), past).is_err());
    assert_eq!(executing.start(&container).unwrap(), Started::Executed);

    // Killed before it removed the fifo: init has long executed.
    container.fifo_make().unwrap();
    assert_eq!(container.status(&executing.state), Status::Running);
    assert_eq!(executing.start(&container).unwrap(), Started::Executed);
    assert!(!fifo_exists(&scratch));
}
