// SPDX-License-Identifier: Apache-2.0
//! Whatever the resources of `update`, they are refused or become writes; and those once more are taken too.
#![no_main]

use serde_json::Value;
use tare::host::cgroup::Version;
use tare::plan::cgroup;

libfuzzer_sys::fuzz_target!(|resources: &[u8]| {
    let Ok(request) = serde_json::from_slice::<Value>(resources) else { return };
    for version in [Version::V1, Version::V2] {
        let Ok(first) = cgroup::update(&serde_json::json!({}), request.clone(), version) else { continue };
        cgroup::update(&first.resources, serde_json::json!({}), version).expect("what has been saved");
    }
});
