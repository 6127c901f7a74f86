// SPDX-License-Identifier: Apache-2.0
//! Whatever the state.json, it is refused or read; and written it is the same again.
#![no_main]

use tare::container::State;

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(state) = serde_json::from_slice::<State>(text) else { return };
    let written = serde_json::to_vec(&state).expect("JSON");
    assert_eq!(serde_json::from_slice::<State>(&written).expect("what was written"), state);
});
