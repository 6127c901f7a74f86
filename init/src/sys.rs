// SPDX-License-Identifier: Apache-2.0
//! Of tare's `sys` what init calls.
#![allow(unsafe_code)]

#[path = "../../src/sys/call.rs"]
mod call;
#[path = "../../src/sys/close.rs"]
pub mod close;
#[path = "../../src/sys/cred.rs"]
pub mod cred;
#[path = "errno.rs"]
mod errno;
#[path = "../../src/sys/fs.rs"]
pub mod fs;
#[path = "../../src/sys/keyring.rs"]
pub mod keyring;
#[path = "../../src/sys/mount.rs"]
pub mod mount;
#[path = "../../src/sys/net.rs"]
pub mod net;
#[path = "../../src/sys/packet.rs"]
pub mod packet;
#[path = "../../src/sys/process.rs"]
pub mod process;
#[path = "../../src/sys/signal.rs"]
pub mod signal;
#[path = "../../src/sys/tty.rs"]
pub mod tty;

pub use call::Result;
use call::{Newer, check, check_unit, own, owned, retry};
pub(crate) use errno::LAST;
pub use errno::{Errno, number, words};
