// SPDX-License-Identifier: Apache-2.0
//! Whatever the tables of mounts and cgroups in /proc.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    tare::spawn::fuzz(text);
    tare::host::cgroup::fuzz(&String::from_utf8_lossy(text));
});
