// SPDX-License-Identifier: Apache-2.0
//! Whatever the bytes in the place of a plan, init's reader refuses them or has work that is the same when it is written.
#![no_main]

use tare::work::Work;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(work) = postcard::from_bytes::<Work>(bytes) else { return };
    let written = postcard::to_allocvec(&work).expect("a plan");
    let again: Work = postcard::from_bytes(&written).expect("what was written");
    assert_eq!(postcard::to_allocvec(&again).expect("a plan"), written);
});
