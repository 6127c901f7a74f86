// SPDX-License-Identifier: Apache-2.0
//! Whatever the process.json of `exec`, it is refused or becomes a plan.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/malformed/decide.rs"]
mod decide;

libfuzzer_sys::fuzz_target!(|process: &[u8]| {
    let _ = decide::decide_exec(process);
});
