// SPDX-License-Identifier: Apache-2.0
//! From the graph of tests to classic BPF.

use super::decision::{Comparison, Graph, Node, Target, Word};

/// The kernel's limit on the length of a program (linux/bpf_common.h).
const BPF_MAXINSNS: usize = 4096;

const LD_W_ABS: u16 = 0x20;
const ALU_AND_K: u16 = 0x54;
const JMP_JA: u16 = 0x05;
const JMP_JEQ_K: u16 = 0x15;
const JMP_JGT_K: u16 = 0x25;
const JMP_JGE_K: u16 = 0x35;
const RET_K: u16 = 0x06;

/// `struct sock_filter`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Instruction {
    pub code: u16,
    pub jt: u8,
    pub jf: u8,
    pub k: u32,
}

/// The program needs more instructions than the kernel takes.
#[derive(Debug)]
pub(super) struct TooLong;

/// What the accumulator holds: a word and the mask it has been cut by.
type Accumulator = (Word, u32);

/// A program being written from its end: every jump leads to what is already there.
struct Writer {
    reversed: Vec<Instruction>,
    /// Where each verdict was last written.
    returns: Vec<(u32, usize)>,
}

/// Writes the nodes that `root` leads to.
pub(super) fn program(graph: &Graph, root: Target) -> Result<Vec<Instruction>, TooLong> {
    let nodes = graph.nodes();
    let entered = entered(nodes, root);
    let mut writer = Writer { reversed: Vec::new(), returns: Vec::new() };
    // Of each node written: where it begins, and where one begins that has its word at hand.
    let mut places: Vec<(usize, usize)> = vec![(0, 0); nodes.len()];
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| entered[*index].reached) {
        writer.jump(node, &places, nodes);
        let at_hand = writer.reversed.len() - 1;
        if entered[index].empty_handed {
            if node.test.mask != u32::MAX {
                writer.push(ALU_AND_K, node.test.mask);
            }
            writer.push(LD_W_ABS, node.test.word.offset());
        }
        places[index] = (writer.reversed.len() - 1, at_hand);
        if writer.reversed.len() > BPF_MAXINSNS {
            return Err(TooLong);
        }
    }
    if let Target::Return(verdict) = root {
        writer.push(RET_K, verdict);
    }
    writer.reversed.reverse();
    Ok(writer.reversed)
}

#[derive(Clone, Copy, Default)]
struct Entered {
    reached: bool,
    /// Some way to the node comes with another word in the accumulator, or with none.
    empty_handed: bool,
}

fn entered(nodes: &[Node], root: Target) -> Vec<Entered> {
    let mut entered = vec![Entered::default(); nodes.len()];
    if let Target::Test(root) = root {
        entered[root] = Entered { reached: true, empty_handed: true };
    }
    for (index, node) in nodes.iter().enumerate().rev() {
        if !entered[index].reached {
            continue;
        }
        for target in [node.yes, node.no] {
            if let Target::Test(next) = target {
                entered[next].reached = true;
                entered[next].empty_handed |= accumulator(node) != accumulator(&nodes[next]);
            }
        }
    }
    entered
}

fn accumulator(node: &Node) -> Accumulator {
    (node.test.word, node.test.mask)
}

impl Writer {
    fn push(&mut self, code: u16, k: u32) -> usize {
        self.reversed.push(Instruction { code, jt: 0, jf: 0, k });
        self.reversed.len() - 1
    }

    fn jump(&mut self, node: &Node, places: &[(usize, usize)], nodes: &[Node]) {
        let mut place = |target| match target {
            // The second place may cost one instruction more, after which the first must still be in reach.
            Target::Return(verdict) => self.verdict(verdict),
            Target::Test(next) if accumulator(node) == accumulator(&nodes[next]) => {
                self.reach(places[next].1)
            }
            Target::Test(next) => self.reach(places[next].0),
        };
        let yes = place(node.yes);
        let no = place(node.no);
        let code = match node.test.comparison {
            Comparison::Equal => JMP_JEQ_K,
            Comparison::Greater => JMP_JGT_K,
            Comparison::GreaterOrEqual => JMP_JGE_K,
        };
        let from = self.reversed.len();
        let skip = |place| u8::try_from(from - 1 - place).expect("reach() keeps jumps short");
        self.reversed.push(Instruction { code, jt: skip(yes), jf: skip(no), k: node.test.value });
    }

    /// Whether the next instruction but one can still jump to `place`.
    fn near(&self, place: usize) -> bool {
        self.reversed.len() - place <= usize::from(u8::MAX)
    }

    /// A place within reach that returns the verdict.
    fn verdict(&mut self, verdict: u32) -> usize {
        let known = self.returns.iter().position(|(written, _)| *written == verdict);
        if let Some(known) = known
            && self.near(self.returns[known].1)
        {
            return self.returns[known].1;
        }
        let place = self.push(RET_K, verdict);
        match known {
            Some(known) => self.returns[known].1 = place,
            None => self.returns.push((verdict, place)),
        }
        place
    }

    /// A place within reach that leads to `place`: itself or a long jump.
    fn reach(&mut self, place: usize) -> usize {
        if self.near(place) {
            return place;
        }
        let distance = u32::try_from(self.reversed.len() - 1 - place).expect("a program is short");
        self.push(JMP_JA, distance)
    }
}
