// SPDX-License-Identifier: Apache-2.0
//! The device rules as a program for the kernel's eBPF machine: BPF_PROG_TYPE_CGROUP_DEVICE, run at every
//! open and mknod of a device in a v2 cgroup. It returns 1 to allow and 0 to deny.

use super::Devices;
use super::devices::{Access, Node};

// linux/bpf_common.h and linux/bpf.h.
const LDX_WORD: u8 = 0x61;
const MOV_IMM: u8 = 0xb4;
const MOV_REG: u8 = 0xbc;
const AND_IMM: u8 = 0x54;
const SHIFT_RIGHT_IMM: u8 = 0x74;
const EXIT: u8 = 0x95;
// Of the 32-bit class (Linux 5.1): the 64-bit one would extend the sign of a number.
const JUMP_IF_NOT_EQUAL: u8 = 0x56;
const JUMP_IF_EQUAL: u8 = 0x16;
const JUMP_IF_NOT_EQUAL_REG: u8 = 0x5e;

const RESULT: u8 = 0;
/// struct bpf_cgroup_dev_ctx: access << 16 | type, then major, then minor, 32 bits each.
const CONTEXT: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;
const SCRATCH: u8 = 6;

const TYPE_BLOCK: i32 = 1;
const TYPE_CHAR: i32 = 2;

struct Instruction {
    code: u8,
    to: u8,
    from: u8,
    offset: i16,
    value: i32,
}

impl Instruction {
    fn immediate(code: u8, to: u8, value: i32) -> Instruction {
        Instruction { code, to, from: 0, offset: 0, value }
    }

    fn register(code: u8, to: u8, from: u8, offset: i16) -> Instruction {
        Instruction { code, to, from, offset, value: 0 }
    }

    /// struct bpf_insn in the machine's byte order; its two 4-bit fields are bit-fields of C.
    fn encode(&self) -> u64 {
        let [o0, o1] = self.offset.to_ne_bytes();
        let [v0, v1, v2, v3] = self.value.to_ne_bytes();
        let registers =
            if cfg!(target_endian = "little") { self.from << 4 | self.to } else { self.to << 4 | self.from };
        u64::from_ne_bytes([self.code, registers, o0, o1, v0, v1, v2, v3])
    }
}

/// One block an exception, each jumping to the next when it does not apply, and the default at the end.
pub fn compile(devices: &Devices) -> Vec<u64> {
    let mut program = vec![
        Instruction::register(LDX_WORD, TYPE, CONTEXT, 0),
        Instruction::immediate(AND_IMM, TYPE, 0xffff),
        Instruction::register(LDX_WORD, ACCESS, CONTEXT, 0),
        Instruction::immediate(SHIFT_RIGHT_IMM, ACCESS, 16),
        Instruction::register(LDX_WORD, MAJOR, CONTEXT, 4),
        Instruction::register(LDX_WORD, MINOR, CONTEXT, 8),
    ];
    for (which, access) in &devices.exceptions {
        let node = match which.node {
            Node::Block => TYPE_BLOCK,
            Node::Char => TYPE_CHAR,
        };
        let mut block = vec![Instruction::immediate(JUMP_IF_NOT_EQUAL, TYPE, node)];
        if *access != Access::ALL {
            block.push(Instruction::register(MOV_REG, SCRATCH, ACCESS, 0));
            block.push(Instruction::immediate(AND_IMM, SCRATCH, i32::from(access.bits())));
            block.push(if devices.allowed {
                // To be shut it is enough that a part of the access is; runc lets O_RDWR through a rule
                // that denies "w", a v1 cgroup does not (match_exception_partial in the kernel).
                Instruction::immediate(JUMP_IF_EQUAL, SCRATCH, 0)
            } else {
                Instruction::register(JUMP_IF_NOT_EQUAL_REG, SCRATCH, ACCESS, 0)
            });
        }
        for (register, number) in [(MAJOR, which.major), (MINOR, which.minor)] {
            if let Some(number) = number {
                block.push(Instruction::immediate(JUMP_IF_NOT_EQUAL, register, number.cast_signed()));
            }
        }
        block.extend(answer(!devices.allowed));
        let length = block.len();
        for (i, instruction) in block.iter_mut().enumerate() {
            if matches!(instruction.code, JUMP_IF_NOT_EQUAL | JUMP_IF_EQUAL | JUMP_IF_NOT_EQUAL_REG) {
                // Relative to the next instruction; a block has at most eight.
                instruction.offset = (length - i - 1) as i16;
            }
        }
        program.extend(block);
    }
    program.extend(answer(devices.allowed));
    program.iter().map(Instruction::encode).collect()
}

fn answer(allow: bool) -> [Instruction; 2] {
    [Instruction::immediate(MOV_IMM, RESULT, i32::from(allow)), Instruction::immediate(EXIT, 0, 0)]
}
