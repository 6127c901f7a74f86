// SPDX-License-Identifier: Apache-2.0
//! Whatever the image's /etc/passwd.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: (u32, &[u8])| assert!(tare::init::fuzz(input.1, input.0)));
