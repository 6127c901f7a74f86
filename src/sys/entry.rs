// SPDX-License-Identifier: Apache-2.0
//! The program's entry without that of Rust's standard library, which reads /proc/self/maps, makes a
//! stack for signals and sets up handlers: 17 system calls.

use super::{Errno, signal};

/// What is left to do of it: streams that the caller closed are /dev/null, or the next file opened
/// would become one (crun 1.21); and writing to nobody is an error, no death.
pub fn prepare() {
    if let Ok(closed) = signal::closed_streams() {
        for _ in closed.iter().filter(|closed| **closed) {
            // The lowest free number is the one that is closed, as they are taken in their order.
            let _ = super::close::leak(super::fs::open(c"/dev/null", super::fs::O_RDWR));
        }
    }
    let _: Result<(), Errno> = signal::ignore_sigpipe();
}

/// Defines the C `main` of a program whose `$run` gives the exit code.
#[macro_export]
macro_rules! program {
    ($run:path) => {
        #[unsafe(no_mangle)]
        extern "C" fn main() -> i32 {
            $crate::sys::entry::prepare();
            $run()
        }
    };
}
