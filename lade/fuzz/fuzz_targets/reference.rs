// SPDX-License-Identifier: Apache-2.0
//! Whatever the text, it is refused or means one thing: what a reference is written as is read as the same again.
#![no_main]

use lade::reference::Reference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(reference) = Reference::parse(text) else { return };
    let again = Reference::parse(&reference.to_string()).expect("a reference as written");
    assert_eq!(again.to_string(), reference.to_string());
    assert_eq!(again.repository(), reference.repository());
    // These become parts of URLs and of paths of registries.
    for part in [reference.domain(), reference.host(), reference.path(), &reference.selector()] {
        assert!(part.bytes().all(|b| b.is_ascii_graphic() && !b"\\?#%@\"".contains(&b)), "{part:?}");
        assert!(!part.split('/').any(|c| matches!(c, "" | "." | "..")), "{part:?}");
    }
});
