// SPDX-License-Identifier: Apache-2.0
//! An archive of any bytes ends: in entries whose data is no more than the archive, or in an error. What is read is
//! written and read again as the same entries.
#![no_main]

use lade::tar::{Entry, Kind, Reader, Writer};
use libfuzzer_sys::fuzz_target;

fn entries(bytes: &[u8]) -> Option<Vec<(Entry, Vec<u8>)>> {
    let mut reader = Reader::new(bytes);
    let mut all = Vec::new();
    while let Some(entry) = reader.next_entry().ok()? {
        let mut data = Vec::new();
        loop {
            let chunk = reader.data().ok()?;
            if chunk.is_empty() {
                break;
            }
            data.extend_from_slice(chunk);
        }
        all.push((entry, data));
    }
    Some(all)
}

fuzz_target!(|bytes: &[u8]| {
    let Some(all) = entries(bytes) else { return };
    assert!(all.iter().map(|(_, data)| data.len() + 512).sum::<usize>() <= bytes.len());
    let mut writer = Writer::new(Vec::new());
    let plain = |entry: &Entry| entry.sparse.is_none();
    for (entry, data) in all.iter().filter(|(entry, _)| plain(entry)) {
        if writer.start(entry).is_err() {
            return;
        }
        if entry.kind == Kind::File {
            writer.data(data.as_slice()).expect("in memory");
        }
    }
    let again = entries(&writer.finish().expect("in memory")).expect("an archive of ours");
    assert!(again.iter().eq(all.iter().filter(|(entry, _)| plain(entry))));
});
