// SPDX-License-Identifier: Apache-2.0
//! The filter as a graph of two-way tests, before it becomes instructions.
//!
//! Equal tests of arguments are one node, and a test whose answer the path already knows is not made again: rules that begin alike
//! share their beginning, architectures whose rules are equal share them whole.

use std::collections::BTreeMap;

/// A 32-bit word of `struct seccomp_data`, by its offset.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Word(u8);

impl Word {
    pub(super) const NUMBER: Self = Self(0);
    pub(super) const ARCH: Self = Self(4);

    pub(super) fn low(argument: u8, little_endian: bool) -> Self {
        Self(16 + 8 * argument + if little_endian { 0 } else { 4 })
    }

    pub(super) fn high(argument: u8, little_endian: bool) -> Self {
        Self(16 + 8 * argument + if little_endian { 4 } else { 0 })
    }

    pub(super) fn offset(self) -> u32 {
        u32::from(self.0)
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterOrEqual,
}

/// `word & mask COMPARISON value`
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Test {
    pub(super) word: Word,
    pub(super) mask: u32,
    pub(super) comparison: Comparison,
    pub(super) value: u32,
}

/// Where a test leads: to a verdict (a value of SECCOMP_RET_*) or to a further test.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Target {
    Return(u32),
    Test(usize),
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Node {
    pub(super) test: Test,
    pub(super) yes: Target,
    pub(super) no: Target,
}

/// What the path to a node has found out.
pub(super) type Facts = Vec<(Test, bool)>;

/// Nodes in the order of their making, hence each after those it leads to.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    known: BTreeMap<Node, usize>,
}

impl Graph {
    pub(super) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A test that is not like any other: of the architecture or the number.
    pub(super) fn unique(&mut self, test: Test, yes: Target, no: Target) -> Target {
        self.nodes.push(Node { test, yes, no });
        Target::Test(self.nodes.len() - 1)
    }

    fn test(&mut self, test: Test, yes: Target, no: Target) -> Target {
        if yes == no {
            return yes;
        }
        let node = Node { test, yes, no };
        Target::Test(*self.known.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            self.nodes.len() - 1
        }))
    }

    /// Makes both sides of a test, each knowing its answer; only one side where the answer is known beforehand.
    pub(super) fn branch(
        &mut self,
        test: Test,
        facts: &mut Facts,
        yes: impl FnOnce(&mut Self, &mut Facts) -> Target,
        no: impl FnOnce(&mut Self, &mut Facts) -> Target,
    ) -> Target {
        match answer(test, facts) {
            Some(true) => yes(self, facts),
            Some(false) => no(self, facts),
            None => {
                facts.push((test, true));
                let on_yes = yes(self, facts);
                facts.pop();
                facts.push((test, false));
                let on_no = no(self, facts);
                facts.pop();
                self.test(test, on_yes, on_no)
            }
        }
    }

    /// The first test from `target` on whose answer is not known.
    pub(super) fn follow(&self, mut target: Target, facts: &Facts) -> Target {
        while let Target::Test(index) = target {
            let node = self.nodes[index];
            match answer(node.test, facts) {
                Some(true) => target = node.yes,
                Some(false) => target = node.no,
                None => break,
            }
        }
        target
    }
}

/// The answer to `test`, as far as `facts` tell.
fn answer(test: Test, facts: &Facts) -> Option<bool> {
    // The masked word lies within low..=high.
    let (mut low, mut high) = (0, test.mask);
    for &(fact, holds) in facts {
        if fact == test {
            return Some(holds);
        }
        if (fact.word, fact.mask) != (test.word, test.mask) {
            continue;
        }
        match (fact.comparison, holds) {
            (Comparison::Equal, true) => (low, high) = (fact.value, fact.value),
            (Comparison::Equal, false) => {}
            (Comparison::Greater, true) => low = low.max(fact.value.saturating_add(1)),
            (Comparison::Greater, false) => high = high.min(fact.value),
            (Comparison::GreaterOrEqual, true) => low = low.max(fact.value),
            (Comparison::GreaterOrEqual, false) => high = high.min(fact.value.saturating_sub(1)),
        }
    }
    match test.comparison {
        Comparison::Equal if test.value < low || test.value > high => Some(false),
        Comparison::Equal if low == high => Some(true),
        Comparison::Greater if low > test.value => Some(true),
        Comparison::Greater if high <= test.value => Some(false),
        Comparison::GreaterOrEqual if low >= test.value => Some(true),
        Comparison::GreaterOrEqual if high < test.value => Some(false),
        _ => None,
    }
}
