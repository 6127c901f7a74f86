// SPDX-License-Identifier: Apache-2.0
//! The end: find the program, say that all is ready, wait for the word, execute.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::{Done, Fault, Init};
use crate::step::{Program, Slot};
use crate::sys::close::Brief;
use crate::sys::fs::{self, S_IFDIR};
use crate::sys::{self, Errno};

impl<'p> Init<'p> {
    /// At `create` already, so that a missing program is an error of create. Of a PATH the first
    /// entry that is a file and may be executed; the rest is "not found", as a shell has it.
    pub(super) fn find_program(&mut self, program: &'p Program) -> Done {
        for candidate in &program.candidates {
            match executable(candidate) {
                Ok(()) => {
                    self.program = Some(candidate);
                    return Ok(());
                }
                Err(errno) if !program.searched => return Err(errno.into()),
                Err(_) => {}
            }
        }
        Err(Errno::ENOENT.into())
    }

    /// From here on the parent's death is no reason to die, except that `await_order` will say Abort.
    pub(super) fn settle(&mut self) -> Done {
        sys::process::set_parent_death_signal(0)?;
        for signal in 1..=64 {
            if self.work.ignored >> (signal - 1) & 1 == 1 {
                sys::signal::default_disposition(signal)?;
            }
        }
        // What waits for `start` has nothing open that leads out of the container (CVE-2024-21626).
        let own = [&mut self.root, &mut self.proc, &mut self.null, &mut self.empty];
        let _: [Option<Brief>; 4] = own.map(|fd| fd.take().map(Brief::from));
        self.close_given();
        Ok(sys::signal::unblock_all()?)
    }

    pub(super) fn await_order(&mut self) -> Done {
        self.await_go()
    }

    /// One byte from `start`. The fifo is open for reading and writing here, so that it never ends.
    pub(super) fn await_start(&mut self, fifo: Slot) -> Done {
        self.start = Some(fifo);
        // The parent is gone, and whoever looks in finds the fifo alone.
        sys::close::close_what_a_filter_lets(self.work.preserved, self.fd(fifo).as_raw_fd());
        let mut byte = [0];
        match fs::read(self.fd(fifo), &mut byte)? {
            1 => Ok(()),
            _ => Err(Errno::EPIPE.into()),
        }
    }

    /// Every descriptor but the streams and the preserved ones is close-on-exec, the channel and the
    /// fifo too: that they close tells the other side that the program runs.
    pub(super) fn execute(&mut self) -> Done {
        let program = self.program.ok_or(Fault::from(Errno::ENOENT))?;
        Err(sys::process::exec(program, &self.exec.args, &self.exec.env).into())
    }
}

fn executable(path: &CStr) -> sys::Result<()> {
    if fs::statat(fs::CWD, path)?.is(S_IFDIR) {
        return Err(Errno::EISDIR);
    }
    match fs::may_execute(path) {
        // Not known before Linux 5.8, nor to all filters: exec itself will tell.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        result => result,
    }
}

/// The exec failed after `start`: eight bytes in the fifo for it, and a line for who reads the
/// container's output.
pub(super) fn tell_start(fifo: BorrowedFd<'_>, step: usize, errno: Errno, program: Option<&CStr>) {
    let mut record = [0; 8];
    record[..4].copy_from_slice(&(step as u32).to_ne_bytes());
    record[4..].copy_from_slice(&sys::number(errno).to_ne_bytes());
    // Both are a courtesy of a process that is about to end: there is nobody to tell if they fail.
    let _ = fs::write(fifo, &record);
    let Ok(stderr) = fs::inherited(2) else { return };
    for text in [
        b"exec ".as_slice(),
        program.unwrap_or_default().to_bytes(),
        b": ",
        sys::words(errno).as_bytes(),
        b"\n",
    ] {
        let _ = fs::write(stderr, text);
    }
}
