// SPDX-License-Identifier: Apache-2.0
//! U10: what our reader makes of an archive is what GNU tar, libarchive and Python make of it, or it is refused (by us or by them). The
//! archives are made and broken at random from a seed, so that each run has the same ones.

mod archives;
mod readers;

use std::collections::BTreeMap;
use std::fs;

use archives::{Random, archive, broken};
use readers::{listed, of_python, ours};

use crate::support::Scratch;

/// Of each seed an archive, and that archive broken in some ways.
const SEEDS: u64 = 400;
const BROKEN: u64 = 6;
const READERS: [&str; 3] = ["tar", "bsdtar", "python3"];

#[test]
fn u10_all_readers_see_one_archive() {
    let scratch = Scratch::new();
    let dir = scratch.path("archives");
    fs::create_dir(&dir).unwrap();
    let mut accepted = BTreeMap::new();
    for seed in 1..=SEEDS {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let whole = archive(&mut random);
        let all = (0..BROKEN).map(|_| broken(&whole, &mut random)).chain([whole.clone()]).collect::<Vec<_>>();
        for (i, bytes) in all.iter().enumerate() {
            let Some(lines) = ours(bytes) else { continue };
            let name = format!("{seed:03}-{i}.tar");
            fs::write(dir.join(&name), bytes).unwrap();
            accepted.insert(name, lines);
        }
    }
    assert!(accepted.len() > 150, "only {} archives were not refused", accepted.len());
    let python = of_python(&dir);
    let (mut differing, mut agreed) = (Vec::new(), BTreeMap::from(READERS.map(|r| (r, 0))));
    for (name, ours) in &accepted {
        let file = dir.join(name);
        for reader in READERS {
            let theirs = if reader == "python3" { python[name].clone() } else { listed(reader, &file) };
            match theirs {
                Some(theirs) if theirs == *ours => *agreed.entry(reader).or_default() += 1,
                Some(theirs) => differing.push(format!("{name}: {reader}\n  {ours:?}\n  {theirs:?}")),
                // Who refuses aloud is not deceived; but it may not be all of them.
                None => {}
            }
        }
    }
    if !differing.is_empty() {
        let kept = std::env::temp_dir().join("lade-differing");
        let _ = fs::remove_dir_all(&kept);
        fs::rename(&dir, &kept).unwrap();
    }
    assert!(differing.is_empty(), "of {} archives:\n{}", accepted.len(), differing.join("\n"));
    assert!(agreed.values().all(|n| n * 10 > accepted.len() * 7), "{agreed:?} of {}", accepted.len());
}
