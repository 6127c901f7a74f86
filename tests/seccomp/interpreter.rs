// SPDX-License-Identifier: Apache-2.0
//! Runs a filter as the kernel does, after checking it as the kernel does.

use tare::plan::seccomp::Instruction;

/// `struct seccomp_data`, but for the instruction pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    pub(crate) number: u32,
    pub(crate) arch: u32,
    pub(crate) args: [u64; 6],
}

impl Data {
    fn word(&self, offset: u32) -> u32 {
        let little_endian = self.arch & 0x4000_0000 != 0;
        match (offset, offset % 8) {
            (0, _) => self.number,
            (4, _) => self.arch,
            (16..64, 0) if little_endian => self.args[offset as usize / 8 - 2] as u32,
            (16..64, 4) if !little_endian => self.args[offset as usize / 8 - 2] as u32,
            (16..64, 0 | 4) => (self.args[offset as usize / 8 - 2] >> 32) as u32,
            _ => panic!("a load from offset {offset}"),
        }
    }
}

/// What the kernel refuses (bpf_check_classic, seccomp_check_filter), and loops are impossible by it.
pub(crate) fn check(program: &[Instruction]) -> Result<(), String> {
    if program.is_empty() || program.len() > 4096 {
        return Err(format!("{} instructions", program.len()));
    }
    for (at, instruction) in program.iter().enumerate() {
        let left = program.len() - at - 1;
        let fits = match instruction.code {
            0x20 => instruction.k < 64 && instruction.k % 4 == 0 && left > 0,
            0x54 => left > 0,
            0x05 => (instruction.k as usize) < left,
            0x15 | 0x25 | 0x35 | 0x45 => usize::from(instruction.jt.max(instruction.jf)) < left,
            0x06 => true,
            _ => false,
        };
        if !fits {
            return Err(format!("instruction {at} of {}: {instruction:?}", program.len()));
        }
    }
    Ok(())
}

/// The verdict, and how many instructions it took.
pub(crate) fn run(program: &[Instruction], data: &Data) -> (u32, usize) {
    let (mut at, mut accumulator) = (0, None);
    for executed in 1.. {
        let Instruction { code, jt, jf, k } = program[at];
        at += 1;
        // The kernel zeroes the accumulator, but a program that relies on it has forgotten a load.
        let held = || accumulator.expect("a use of the accumulator before a load");
        let branch = |taken| usize::from(if taken { jt } else { jf });
        match code {
            0x20 => accumulator = Some(data.word(k)),
            0x54 => accumulator = Some(held() & k),
            0x05 => at += k as usize,
            0x15 => at += branch(held() == k),
            0x25 => at += branch(held() > k),
            0x35 => at += branch(held() >= k),
            0x45 => at += branch(held() & k != 0),
            0x06 => return (k, executed),
            _ => panic!("instruction {code:#x}"),
        }
    }
    unreachable!()
}
