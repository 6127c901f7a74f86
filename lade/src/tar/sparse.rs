// SPDX-License-Identifier: Apache-2.0
//! Sparse files in PAX archives, in GNU's three versions. The map must be in order, inside the file, and account for
//! every byte stored: then a file of any logical size costs only its data.

use super::pax::{SparsePax, decimal};
use super::{BLOCK, Entry, SparseMap};
use crate::corrupt;
use crate::error::Result;

const MAP_MAX: usize = 1 << 20;

/// Fills in the entry from the header's records; returns how much of the data was the map itself.
pub(super) fn from_pax(
    pax: SparsePax,
    entry: &mut Entry,
    block: impl FnMut(&mut [u8; BLOCK]) -> Result<()>,
) -> Result<u64> {
    let mut used = 0;
    // A reader goes by what it finds first: records of two versions are two files.
    let (map, size) = match (pax.major, pax.minor, pax.size, pax.real_size) {
        (Some(1), Some(0), None, Some(size)) if pax.map.is_none() && pax.pairs.is_empty() => {
            let (map, blocks) = read_map(block)?;
            used = blocks * BLOCK as u64;
            (map, size)
        }
        (None | Some(0), None | Some(0 | 1), Some(size), None) => {
            let numbers = match &pax.map {
                Some(text) if pax.pairs.is_empty() => {
                    text.split(|b| *b == b',').map(decimal).collect::<Result<Vec<_>>>()?
                }
                Some(_) => corrupt!("a sparse file has two maps"),
                None => pax.pairs,
            };
            if numbers.is_empty() || numbers.len() % 2 != 0 {
                corrupt!("a sparse map has no or an odd number of values");
            }
            (numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect(), size)
        }
        _ => corrupt!("a sparse file is of no known version, or of two"),
    };
    if let Some(name) = pax.name {
        entry.path = name;
    }
    entry.size = size;
    entry.sparse = Some(map);
    Ok(used)
}

/// Version 1.0: a count and the pairs, one decimal number a line, padded to a block.
fn read_map(mut next: impl FnMut(&mut [u8; BLOCK]) -> Result<()>) -> Result<(SparseMap, u64)> {
    let (mut block, mut at, mut blocks) = ([0; BLOCK], BLOCK, 0);
    let mut number = || -> Result<(u64, u64)> {
        let mut digits = Vec::new();
        loop {
            if at == BLOCK {
                next(&mut block)?;
                (at, blocks) = (0, blocks + 1);
            }
            let byte = block[at];
            at += 1;
            match byte {
                b'\n' => return Ok((decimal(&digits)?, blocks)),
                _ if digits.len() < 20 => digits.push(byte),
                _ => corrupt!("a sparse map has a malformed number"),
            }
        }
    };
    let (count, mut used) = number()?;
    if count > MAP_MAX as u64 {
        corrupt!("a sparse map has more than {MAP_MAX} pieces");
    }
    let mut map = Vec::new();
    for _ in 0..count {
        let offset = number()?.0;
        let (len, blocks) = number()?;
        map.push((offset, len));
        used = blocks;
    }
    Ok((map, used))
}

pub(super) fn check_len(map: &[(u64, u64)]) -> Result<()> {
    if map.len() > MAP_MAX {
        corrupt!("a sparse map has more than {MAP_MAX} pieces");
    }
    Ok(())
}

pub(super) fn check(map: &[(u64, u64)], size: u64, stored: u64) -> Result<()> {
    check_len(map)?;
    let (mut end, mut total) = (0u64, 0u64);
    for (offset, len) in map {
        let stop = offset.checked_add(*len).filter(|s| *s <= size);
        let Some(stop) = stop.filter(|_| *offset >= end) else {
            corrupt!("a sparse map is out of order or outside its file");
        };
        end = stop;
        total += len;
    }
    if total != stored {
        corrupt!("a sparse map accounts for {total} bytes where {stored} are stored");
    }
    Ok(())
}
