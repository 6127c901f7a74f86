// SPDX-License-Identifier: Apache-2.0
//! A WWW-Authenticate header of any bytes is read to its end and gives no more than it holds.
#![no_main]

use lade::source::registry::challenge::{Challenge, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|header: &str| {
    let challenges = parse(header);
    assert!(challenges.len() <= header.len());
    for challenge in challenges {
        if let Challenge::Bearer { realm, service, scope } = challenge {
            assert!(realm.len() + service.len() + scope.len() <= header.len());
        }
    }
});
