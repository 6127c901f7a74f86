// SPDX-License-Identifier: Apache-2.0
//! Whatever an annotation gives as the value of a unit's property.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = tare::plan::cgroup::variant::parse(text);
});
