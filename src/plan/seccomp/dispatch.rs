// SPDX-License-Identifier: Apache-2.0
//! From the architecture to the syscall number to its verdict or rules.
//!
//! Every number of an architecture, known or not, lies in one range of numbers that fare alike; the filter is a
//! balanced search over the ranges' beginnings.

use std::collections::BTreeSet;

use oci_spec::runtime::Arch;

use super::{
    abi::{ARM_PRIVATE, Abi, Multiplexed, X32_BIT},
    decision::{Comparison, Graph, Target, Test, Word},
    profile::{ENOSYS, Entry, KILL_THREAD, Profile},
    rules::{self, Rule},
};

/// One name of one entry, on one architecture.
struct Call<'a> {
    number: u32,
    name: &'a str,
    entry: &'a Entry<'a>,
    /// Set where the number is socketcall(2)'s or ipc(2)'s.
    callee: Option<u32>,
}

/// How a syscall's number is found.
#[derive(Clone, Copy)]
pub(super) enum Lookup {
    /// In the fewest steps.
    Search,
    /// In the fewest instructions, never more than libseccomp's one for each number: for a profile that would not fit
    /// otherwise.
    Chain,
}

/// A filter being built.
pub(super) struct Filter<'a> {
    profile: &'a Profile<'a>,
    lookup: Lookup,
    pub(super) graph: Graph,
    /// Syscalls of which rules contradict each other.
    pub(super) contradictions: BTreeSet<&'a str>,
}

impl<'a> Filter<'a> {
    pub(super) fn new(profile: &'a Profile<'a>, lookup: Lookup) -> Self {
        Self { profile, lookup, graph: Graph::default(), contradictions: BTreeSet::new() }
    }

    /// Builds the whole and returns its root. `abis` begins with the native architecture.
    pub(super) fn build(&mut self, abis: &[Abi]) -> Target {
        let mut audits: Vec<u32> = Vec::new();
        for abi in abis {
            if !audits.contains(&abi.audit()) {
                audits.push(abi.audit());
            }
        }
        audits.into_iter().rev().fold(Target::Return(KILL_THREAD), |otherwise, audit| {
            let sharing: Vec<Abi> = abis.iter().copied().filter(|abi| abi.audit() == audit).collect();
            let ranges = self.ranges(&sharing);
            let numbers = match self.lookup {
                Lookup::Search => search(&mut self.graph, &ranges),
                Lookup::Chain => chain(&mut self.graph, &ranges, Target::Return(self.profile.default)),
            };
            let arch = Test { word: Word::ARCH, mask: u32::MAX, comparison: Comparison::Equal, value: audit };
            self.graph.unique(arch, numbers, otherwise)
        })
    }

    /// The ranges of the architectures that share one audit value (x86_64 and x32; else it is one).
    fn ranges(&mut self, abis: &[Abi]) -> Vec<(u32, Target)> {
        let mut special: Vec<(u32, Target)> = Vec::new();
        let mut background = Ranges::default();
        let mut per_abi = Vec::with_capacity(abis.len());
        for &abi in abis {
            let newest = newest(self.profile, abi);
            special.extend(self.verdicts(abi));
            if newest.is_some() && matches!(abi.arch, Arch::ScmpArchS390 | Arch::ScmpArchS390x) {
                // A number above 255 comes in another register; the kernel leaves 0, setup(2), where it knows none such.
                special.retain(|(number, _)| *number != 0);
                special.push((0, Target::Return(ENOSYS)));
            }
            per_abi.push((abi, newest));
        }
        special.sort_unstable_by_key(|(number, _)| *number);
        for (start, verdict) in unlisted(self.profile.default, &per_abi) {
            background.push(start, Target::Return(verdict));
        }
        overlay(&background, &special)
    }

    /// The outcome of each number that the profile gives one.
    fn verdicts(&mut self, abi: Abi) -> Vec<(u32, Target)> {
        let calls = calls(self.profile, abi);
        let mut verdicts = Vec::with_capacity(calls.len());
        for same in calls.chunk_by(|a, b| a.number == b.number) {
            let rules = || same.iter().flat_map(|call| call.rules(abi));
            // In libseccomp an unconditional rule replaces the conditional ones, and nothing replaces it.
            let target = match rules().find_map(|rule| rule.always()) {
                Some(verdict) => Target::Return(verdict),
                None => {
                    let (rules, contradiction) = rules::sort(abi, rules());
                    if contradiction {
                        self.contradictions.insert(same[0].name);
                    }
                    rules::tests(&mut self.graph, abi, &rules, self.profile.default)
                }
            };
            verdicts.push((same[0].number, target));
        }
        verdicts
    }
}

/// Beginnings of ranges, rising from 0, neighbours different.
#[derive(Default)]
struct Ranges(Vec<(u32, Target)>);

impl Ranges {
    fn push(&mut self, start: u32, target: Target) {
        while self.0.last().is_some_and(|last| last.0 >= start) {
            self.0.pop();
        }
        if self.0.last().is_none_or(|last| last.1 != target) {
            self.0.push((start, target));
        }
    }
}

/// Puts single numbers over ranges.
fn overlay(background: &Ranges, special: &[(u32, Target)]) -> Vec<(u32, Target)> {
    let mut result = Ranges::default();
    let mut special = special.iter().peekable();
    for (index, &(start, target)) in background.0.iter().enumerate() {
        let end = background.0.get(index + 1).map_or(u32::MAX, |next| next.0 - 1);
        result.push(start, target);
        while let Some(&(number, own)) = special.next_if(|(number, _)| *number <= end) {
            result.push(number, own);
            if number < end {
                result.push(number + 1, target);
            }
        }
    }
    result.0
}

/// How numbers fare that the profile does not name: as ranges, possibly empty ones, rising from 0.
fn unlisted(default: u32, abis: &[(Abi, Option<u32>)]) -> Vec<(u32, u32)> {
    let of = |arch| abis.iter().find(|(abi, _)| abi.arch == arch).map(|(_, newest)| *newest);
    let (x86_64, x32) = (of(Arch::ScmpArchX86_64), of(Arch::ScmpArchX32));
    if x86_64.is_none() && x32.is_none() {
        let (abi, newest) = abis[0];
        let mut ranges = vec![(0, default)];
        ranges.extend(newest.map(|newest| (newest + 1, ENOSYS)));
        if abi.arch == Arch::ScmpArchArm {
            ranges.push((ARM_PRIVATE, default));
        }
        return ranges;
    }
    // libseccomp kills what is of the other kind than the profile lists. runc's test for newer numbers, made before,
    // looks at the x32 bit alone, and so tells 64-bit numbers from x32 ones above the sign bit too.
    let listed = |newest: Option<Option<u32>>| if newest.is_some() { default } else { KILL_THREAD };
    let (newest_64, newest_32) = (x86_64.flatten(), x32.flatten());
    let mut ranges = vec![(0, listed(x86_64))];
    ranges.extend(newest_64.map(|newest| (newest + 1, ENOSYS)));
    ranges.push((X32_BIT, listed(x32)));
    ranges.extend(newest_32.map(|newest| (newest + 1, ENOSYS)));
    ranges.push((1 << 31, if newest_64.is_some() { ENOSYS } else { listed(x32) }));
    ranges.push((1 << 31 | X32_BIT, if newest_32.is_some() { ENOSYS } else { listed(x32) }));
    if x32.is_none() {
        // A tracer sets -1 to skip a syscall, which must not be taken for an x32 one.
        ranges.push((u32::MAX, default));
    }
    ranges
}

/// The highest number the profile names, whatever it says of it, unless the newer ones fare like the unlisted ones.
///
/// Unlike runc's, this one counts a direct socket(2) where there is a socketcall(2), lest the named be absent; and not
/// ARM's private calls, above which nothing is ever newer.
fn newest(profile: &Profile<'_>, abi: Abi) -> Option<u32> {
    let names = profile.entries.iter().flat_map(|entry| &entry.names);
    let private = |number: &u32| abi.arch == Arch::ScmpArchArm && *number >= ARM_PRIVATE;
    let newest = names.filter_map(|(_, name)| abi.number(*name)).filter(|number| !private(number)).max();
    newest.filter(|newest| profile.newer_is_absent && *newest != 0)
}

/// What the profile says of each number, by number, then in the profile's order.
fn calls<'a>(profile: &'a Profile<'a>, abi: Abi) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    // runc leaves out what is no different from the default.
    for entry in profile.entries.iter().filter(|entry| entry.verdict != profile.default) {
        for &(name, known) in &entry.names {
            if let Some(Multiplexed { number, callee }) = abi.multiplexed(name) {
                calls.push(Call { number, name, entry, callee: Some(callee) });
            }
            if let Some(number) = abi.number(known) {
                calls.push(Call { number, name, entry, callee: None });
            }
        }
    }
    calls.sort_by_key(|call| call.number);
    calls
}

impl Call<'_> {
    /// The rules of the entry. The first argument of a multiplexed call tells the callee; what the callee's first
    /// argument is the filter cannot see, so libseccomp forgoes the condition, and so must we: not to allow the call
    /// at all would break the 32-bit programs that make it.
    fn rules(&self, abi: Abi) -> impl Iterator<Item = Rule> {
        self.entry.alternatives.iter().map(move |conditions| {
            let callee = self.callee.map(super::profile::Condition::callee);
            let own = conditions.iter().copied().filter(|own| callee.is_none() || own.argument != 0);
            Rule::new(abi, callee.into_iter().chain(own), self.entry.verdict)
        })
    }
}

/// A balanced search for the range that holds the number: each of its leaves is one test, or none.
fn search(graph: &mut Graph, ranges: &[(u32, Target)]) -> Target {
    let mut leaves = Vec::with_capacity(ranges.len() / 2 + 1);
    let mut rest = ranges;
    while !rest.is_empty() {
        let count = match rest {
            _ if is_single(rest) => 3,
            // As many leaves as pairs would be, and a test less.
            [_, next @ ..] if is_single(next) => 1,
            _ => rest.len().min(2),
        };
        let (leaf, after) = rest.split_at(count);
        leaves.push(leaf);
        rest = after;
    }
    search_leaves(graph, &leaves)
}

/// Whether a single number comes first among others: one test tells it apart.
fn is_single(ranges: &[(u32, Target)]) -> bool {
    matches!(*ranges, [(_, before), (single, _), (next, after), ..] if before == after && next == single + 1)
}

fn number(comparison: Comparison, value: u32) -> Test {
    Test { word: Word::NUMBER, mask: u32::MAX, comparison, value }
}

fn search_leaves(graph: &mut Graph, leaves: &[&[(u32, Target)]]) -> Target {
    match *leaves {
        [[(_, only)]] => *only,
        [[(_, before), (single, own), _]] => graph.unique(number(Comparison::Equal, *single), *own, *before),
        [[(_, low), (start, high)]] => graph.unique(number(Comparison::GreaterOrEqual, *start), *high, *low),
        _ => {
            let (low, high) = leaves.split_at(leaves.len() / 2);
            let start = high[0][0].0;
            let high = search_leaves(graph, high);
            let low = search_leaves(graph, low);
            graph.unique(number(Comparison::GreaterOrEqual, start), high, low)
        }
    }
}

/// One number after the other, then what is left of the ranges: without the single numbers many are one. What fares as
/// by default is never asked for, alone as it may be.
fn chain(graph: &mut Graph, ranges: &[(u32, Target)], default: Target) -> Target {
    let single = |index: usize| {
        let (number, target) = ranges[index];
        let alone = ranges.get(index + 1).is_some_and(|next| next.0 == number + 1);
        index > 0 && target != default && alone
    };
    let mut wide = Ranges::default();
    for (_, &(start, target)) in ranges.iter().enumerate().filter(|(index, _)| !single(*index)) {
        wide.push(start, target);
    }
    let (&(_, lowest), above) = wide.0.split_first().expect("ranges begin at 0");
    let rest = above.iter().fold(lowest, |below, &(start, target)| {
        graph.unique(number(Comparison::GreaterOrEqual, start), target, below)
    });
    (0..ranges.len()).filter(|index| single(*index)).fold(rest, |otherwise, index| {
        graph.unique(number(Comparison::Equal, ranges[index].0), ranges[index].1, otherwise)
    })
}
