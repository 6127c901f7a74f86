// SPDX-License-Identifier: Apache-2.0
//! Whatever init sends, it is refused or is a report, and the same report when it is sent again.
#![no_main]

use std::cell::OnceCell;

use tare::channel::{self, InitEnd, ParentEnd};
use tare::sys;

thread_local! {
    static PAIR: OnceCell<(ParentEnd, InitEnd)> = const { OnceCell::new() };
}

libfuzzer_sys::fuzz_target!(|packet: &[u8]| {
    if packet.is_empty() || packet.len() > 4096 {
        return;
    }
    PAIR.with(|pair| {
        let (parent, init) = pair.get_or_init(|| channel::pair().expect("a socket pair"));
        sys::fs::write(init.fd(), packet).expect("room for one packet");
        if let Ok(Some(report)) = parent.receive() {
            init.send(&report).expect("room for one packet");
            assert_eq!(parent.receive(), Ok(Some(report)));
        }
    });
});
