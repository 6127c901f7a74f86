// SPDX-License-Identifier: Apache-2.0
//! Whatever the config.json, it is refused or becomes a plan whose paths stay in the root.
#![no_main]

#[allow(dead_code)]
#[path = "../../tests/malformed/decide.rs"]
mod decide;

libfuzzer_sys::fuzz_target!(|config: &[u8]| {
    let _ = decide::decide(config);
});
