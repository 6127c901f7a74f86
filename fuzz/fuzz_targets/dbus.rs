// SPDX-License-Identifier: Apache-2.0
//! Whatever comes over systemd's socket.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tare::cgroup::systemd::fuzz(bytes));
