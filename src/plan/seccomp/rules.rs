// SPDX-License-Identifier: Apache-2.0
//! The conditional rules of one syscall: which of them is asked first, and the tests that ask.
//!
//! With one verdict among them the order is of no account. Where verdicts differ and two rules match, the first in
//! libseccomp's order decides: it keeps the rules in a tree whose levels are the words compared, and sorts each level.

use std::cmp::Ordering;

use oci_spec::runtime::LinuxSeccompOperator as Operator;

use super::{
    abi::Abi,
    decision::{Comparison, Facts, Graph, Target, Test, Word},
    profile::Condition,
};

/// One rule of one syscall on one architecture: conditions by rising argument, the verdict if all hold.
#[derive(Debug)]
pub(super) struct Rule {
    conditions: Vec<Condition>,
    verdict: u32,
}

/// What one level of libseccomp's tree compares.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Key {
    /// Later arguments and higher words are asked first.
    word: u8,
    comparison: Comparison,
    mask: u32,
    masked: bool,
    value: u32,
    /// Of comparisons of the same word: equality, then "less", then "greater".
    class: u8,
}

impl Key {
    /// Whether `self`, already in the level, comes after a new `other`.
    fn yields_to(&self, other: &Self) -> bool {
        let order = self.word.cmp(&other.word).then(self.class.cmp(&other.class)).then(match self.class {
            LESS => other.value.cmp(&self.value),
            _ => self.value.cmp(&other.value),
        });
        order == Ordering::Less
    }

    /// Whether both are one node of the tree: a test and its negation are.
    fn same_node(&self, other: &Self) -> bool {
        Self { class: 0, ..*self } == Self { class: 0, ..*other }
    }
}

const EQUALITY: u8 = 3;
const LESS: u8 = 2;
const GREATER: u8 = 1;

impl Rule {
    /// Cuts conditions to the words of the architecture and drops those that hold for every value.
    pub(super) fn new(abi: Abi, conditions: impl IntoIterator<Item = Condition>, verdict: u32) -> Self {
        let words = if abi.wide() { u64::MAX } else { u64::from(u32::MAX) };
        let cut = |c: Condition| Condition { mask: c.mask & words, value: c.value & words, ..c };
        let conditions = conditions.into_iter().map(cut).filter(|c| c.mask != 0).collect();
        Self { conditions, verdict }
    }

    /// The verdict, if the rule has no conditions.
    pub(super) fn always(&self) -> Option<u32> {
        self.conditions.is_empty().then_some(self.verdict)
    }

    fn keys(&self, abi: Abi) -> Vec<Key> {
        let mut keys = Vec::with_capacity(2 * self.conditions.len());
        for condition in &self.conditions {
            let (comparison, class) = match condition.operator {
                Operator::ScmpCmpEq | Operator::ScmpCmpNe | Operator::ScmpCmpMaskedEq => {
                    (Comparison::Equal, EQUALITY)
                }
                Operator::ScmpCmpLt => (Comparison::GreaterOrEqual, LESS),
                Operator::ScmpCmpLe => (Comparison::Greater, LESS),
                Operator::ScmpCmpGe => (Comparison::GreaterOrEqual, GREATER),
                Operator::ScmpCmpGt => (Comparison::Greater, GREATER),
            };
            let masked = condition.operator == Operator::ScmpCmpMaskedEq;
            let (mask, value) = (condition.mask as u32, condition.value as u32);
            let low = Key { word: 2 * condition.argument, comparison, mask, masked, value, class };
            if abi.wide() {
                let comparison = if class == EQUALITY { Comparison::Equal } else { Comparison::Greater };
                let (mask, value) = ((condition.mask >> 32) as u32, (condition.value >> 32) as u32);
                keys.push(Key { word: low.word + 1, comparison, mask, masked, value, class });
            }
            keys.push(low);
        }
        keys
    }
}

/// The rules in the order in which they are asked, and whether one of them had to yield to another's verdict: of rules
/// with the same conditions the first stays, and a rule that asks for less than another replaces it.
pub(super) fn sort(abi: Abi, rules: impl Iterator<Item = Rule>) -> (Vec<Rule>, bool) {
    let mut sorted: Vec<(Vec<Key>, Rule)> = Vec::new();
    let mut contradiction = false;
    for rule in rules {
        if let Some((_, general)) =
            sorted.iter().find(|(_, other)| rule.conditions.starts_with(&other.conditions))
        {
            contradiction |= general.verdict != rule.verdict;
            continue;
        }
        sorted.retain(|(_, other)| {
            let covered = other.conditions.starts_with(&rule.conditions);
            contradiction |= covered && other.verdict != rule.verdict;
            !covered
        });
        let mut keys = rule.keys(abi);
        sorted.insert(place(&sorted, &mut keys), (keys, rule));
    }
    (sorted.into_iter().map(|(_, rule)| rule).collect(), contradiction)
}

/// Where the rule belongs, by walking the tree that the sorted rules are as libseccomp does to add one.
fn place(sorted: &[(Vec<Key>, Rule)], keys: &mut [Key]) -> usize {
    let mut level = 0..sorted.len();
    'levels: for (depth, key) in keys.iter_mut().enumerate() {
        let at_depth = |entry: &(Vec<Key>, Rule)| entry.0.get(depth).copied();
        let mut at = level.start;
        while at < level.end {
            let Some(other) = at_depth(&sorted[at]) else {
                at += 1;
                continue;
            };
            let same = |entry: &&(Vec<Key>, Rule)| at_depth(entry).is_some_and(|key| key.same_node(&other));
            let end = at + sorted[at..level.end].iter().take_while(same).count();
            if other.same_node(key) {
                // The node keeps the class of the rule that made it.
                key.class = other.class;
                level = at..end;
                continue 'levels;
            }
            if other.yields_to(key) {
                return at;
            }
            at = end;
        }
        return level.end;
    }
    // A rule that goes on from here asks for more, and is asked later.
    level.start + sorted[level].iter().take_while(|entry| entry.0.len() == keys.len()).count()
}

/// Adds the tests of the sorted rules; `otherwise` is where a call goes that no rule matches.
pub(super) fn tests(graph: &mut Graph, abi: Abi, rules: &[Rule], otherwise: u32) -> Target {
    rules.iter().rev().fold(Target::Return(otherwise), |otherwise, rule| {
        let tests = Tests { abi, verdict: rule.verdict, otherwise };
        tests.all(graph, &rule.conditions, &mut Facts::new())
    })
}

struct Tests {
    abi: Abi,
    verdict: u32,
    otherwise: Target,
}

impl Tests {
    fn all(&self, graph: &mut Graph, conditions: &[Condition], facts: &mut Facts) -> Target {
        let Some((condition, rest)) = conditions.split_first() else { return Target::Return(self.verdict) };
        let negated = match condition.operator {
            // Only equality tells the rest something, so only it may be followed by a rest of its own.
            Operator::ScmpCmpEq | Operator::ScmpCmpMaskedEq => {
                return self.equal(
                    graph,
                    condition,
                    facts,
                    |graph, facts| self.all(graph, rest, facts),
                    |graph, facts| graph.follow(self.otherwise, facts),
                );
            }
            Operator::ScmpCmpGt | Operator::ScmpCmpGe => false,
            Operator::ScmpCmpNe | Operator::ScmpCmpLt | Operator::ScmpCmpLe => true,
        };
        let rest = self.all(graph, rest, facts);
        let holds = |_: &mut Graph, _: &mut Facts| rest;
        let fails = |graph: &mut Graph, facts: &mut Facts| graph.follow(self.otherwise, facts);
        match (condition.operator, negated) {
            (Operator::ScmpCmpNe, _) => self.equal(graph, condition, facts, fails, holds),
            (_, true) => self.greater(graph, condition, facts, fails, holds),
            (_, false) => self.greater(graph, condition, facts, holds, fails),
        }
    }

    fn equal(
        &self,
        graph: &mut Graph,
        condition: &Condition,
        facts: &mut Facts,
        yes: impl Fn(&mut Graph, &mut Facts) -> Target,
        no: impl Fn(&mut Graph, &mut Facts) -> Target,
    ) -> Target {
        let low = self.low(condition, Comparison::Equal);
        if !self.abi.wide() {
            return graph.branch(low, facts, yes, no);
        }
        let high = self.high(condition, Comparison::Equal);
        graph.branch(high, facts, |graph, facts| graph.branch(low, facts, &yes, &no), &no)
    }

    /// GT and GE; LT and LE are their negations.
    fn greater(
        &self,
        graph: &mut Graph,
        condition: &Condition,
        facts: &mut Facts,
        yes: impl Fn(&mut Graph, &mut Facts) -> Target,
        no: impl Fn(&mut Graph, &mut Facts) -> Target,
    ) -> Target {
        let low = match condition.operator {
            Operator::ScmpCmpGt | Operator::ScmpCmpLe => self.low(condition, Comparison::Greater),
            _ => self.low(condition, Comparison::GreaterOrEqual),
        };
        if !self.abi.wide() {
            return graph.branch(low, facts, yes, no);
        }
        let above = self.high(condition, Comparison::Greater);
        let level = self.high(condition, Comparison::Equal);
        graph.branch(above, facts, &yes, |graph, facts| {
            graph.branch(level, facts, |graph, facts| graph.branch(low, facts, &yes, &no), &no)
        })
    }

    fn low(&self, condition: &Condition, comparison: Comparison) -> Test {
        let word = Word::low(condition.argument, self.abi.little_endian());
        Test { word, mask: condition.mask as u32, comparison, value: condition.value as u32 }
    }

    fn high(&self, condition: &Condition, comparison: Comparison) -> Test {
        let word = Word::high(condition.argument, self.abi.little_endian());
        Test { word, mask: (condition.mask >> 32) as u32, comparison, value: (condition.value >> 32) as u32 }
    }
}
