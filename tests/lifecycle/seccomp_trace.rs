// SPDX-License-Identifier: Apache-2.0
//! `SCMP_ACT_TRACE` with somebody there who traces.
use std::ptr::null_mut;

use serde_json::json;

use super::seccomp::{on_mkdir, with};
use crate::harness::{hold, only_tare, release};

/// A traced process that stops as a filter says TRACE (ptrace(2), PTRACE_O_TRACESECCOMP).
struct Traced(i32);

impl Traced {
    fn seize(pid: i32) -> Traced {
        // It is a child of ours by now, and its stops are for nobody else to wait for.
        hold(pid);
        // SAFETY: PTRACE_SEIZE takes no address, and the options as a number.
        let seized = unsafe { libc::ptrace(libc::PTRACE_SEIZE, pid, 0, libc::PTRACE_O_TRACESECCOMP) };
        assert_eq!(seized, 0, "{}", std::io::Error::last_os_error());
        Traced(pid)
    }

    fn wait(&self) -> i32 {
        let mut status = 0;
        // SAFETY: `status` outlives the call.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, libc::__WALL) }, self.0);
        status
    }

    fn message(&self) -> u64 {
        let mut message = 0_u64;
        // SAFETY: PTRACE_GETEVENTMSG writes one unsigned long.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_GETEVENTMSG, self.0, 0, &raw mut message) }, 0);
        message
    }

    fn go_on(&self) {
        // SAFETY: PTRACE_CONT takes no address, and a signal's number: none.
        assert_eq!(unsafe { libc::ptrace(libc::PTRACE_CONT, self.0, null_mut::<u8>(), 0) }, 0);
    }
}

#[test]
fn tracer_is_told_and_decides() {
    only_tare!("runc's init has several threads, and it need not be the traced one that executes");
    let mut syscalls = on_mkdir("SCMP_ACT_TRACE");
    syscalls[0]["errnoRet"] = json!(77);
    let c = with(syscalls).args(&["mkdir", "/dir"]);
    c.create(&[]).ok();
    let init = Traced::seize(c.pid());
    c.start().ok();

    let stop = init.wait();
    assert_eq!(stop >> 8, libc::SIGTRAP | libc::PTRACE_EVENT_SECCOMP << 8);
    assert_eq!(init.message(), 77, "errnoRet is the message");
    assert!(!c.rootfs("dir").exists());

    init.go_on();
    assert_eq!(init.wait(), 0, "it has ended well");
    release(init.0);
    assert!(c.rootfs("dir").exists());
}
