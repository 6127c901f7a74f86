// SPDX-License-Identifier: Apache-2.0
//! The program that every process of a container begins as: takes its plan from the parent, performs it, and ends in
//! the container's own program.
//!
//! The sources are tare's, which tests them. Here they are without the standard library and libc, so that the sealed
//! copy that each container gets is small: an entry (`entry`), the calls that the crate libc only declares (`c`).
#![no_std]
#![no_main]
#![allow(dead_code, unused_imports, reason = "sys and channel serve the parent too")]

extern crate alloc;

mod c;
#[path = "../../src/channel.rs"]
mod channel;
mod entry;
#[path = "../../src/init/mod.rs"]
mod init;
#[path = "../../src/step.rs"]
mod step;
mod sys;
#[path = "../../src/work.rs"]
mod work;

use channel::InitEnd;

/// `tare init NUMBER`: the descriptor is the channel to the parent. Whoever else executes this program, as a container
/// may by its /proc/self/exe, gets nothing from it.
fn main(args: &[Option<&core::ffi::CStr>; 3]) -> ! {
    let number = args[2].and_then(|text| text.to_str().ok()?.parse().ok()).unwrap_or(-1);
    if let Ok(channel) = InitEnd::inherited(number)
        && let Ok((work, given)) = work::receive(&channel)
    {
        init::run(work, given, channel);
    }
    sys::process::exit_now(1)
}
