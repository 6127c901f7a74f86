// SPDX-License-Identifier: Apache-2.0
//! What a filter must know of an architecture: how the kernel names it to a filter, its syscall numbers, its words.

use oci_spec::runtime::Arch;

use super::tables::{self, Name, Numbers};

/// Set in the number of every x32 syscall; x32 shares its audit value with x86_64.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// ARM's private syscalls (set_tls and others) lie above this number, away from the numbers that grow.
pub(super) const ARM_PRIVATE: u32 = 0x0f_0000;

/// The convention bit of linux/audit.h for MIPS N32: a 64-bit audit value with 32-bit arguments.
const N32: u32 = 0x2000_0000;

/// A syscall that carries others, told apart by its first argument: its number and what tells the callee apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Multiplexed {
    pub(super) number: u32,
    pub(super) callee: u32,
}

#[derive(Clone, Copy)]
pub(super) struct Abi {
    pub(super) arch: Arch,
    numbers: &'static Numbers,
}

impl Abi {
    /// `None` for `SCMP_ARCH_NATIVE`, which names no architecture.
    pub(super) fn new(arch: Arch) -> Option<Self> {
        use Arch as A;
        let numbers = match arch {
            A::ScmpArchNative => return None,
            A::ScmpArchX86 => &tables::x86::NUMBERS,
            A::ScmpArchX86_64 => &tables::x86_64::NUMBERS,
            A::ScmpArchX32 => &tables::x32::NUMBERS,
            A::ScmpArchArm => &tables::arm::NUMBERS,
            A::ScmpArchAarch64 => &tables::aarch64::NUMBERS,
            A::ScmpArchMips | A::ScmpArchMipsel => &tables::mips::NUMBERS,
            A::ScmpArchMips64 | A::ScmpArchMipsel64 => &tables::mips64::NUMBERS,
            A::ScmpArchMips64n32 | A::ScmpArchMipsel64n32 => &tables::mips64n32::NUMBERS,
            A::ScmpArchPpc => &tables::ppc::NUMBERS,
            A::ScmpArchPpc64 | A::ScmpArchPpc64le => &tables::ppc64::NUMBERS,
            A::ScmpArchS390 => &tables::s390::NUMBERS,
            A::ScmpArchS390x => &tables::s390x::NUMBERS,
            A::ScmpArchParisc => &tables::parisc::NUMBERS,
            A::ScmpArchParisc64 => &tables::parisc64::NUMBERS,
            A::ScmpArchRiscv64 => &tables::riscv64::NUMBERS,
            A::ScmpArchLoongarch64 => &tables::loongarch64::NUMBERS,
            A::ScmpArchM68k => &tables::m68k::NUMBERS,
            A::ScmpArchSh | A::ScmpArchSheb => &tables::sh::NUMBERS,
        };
        Some(Self { arch, numbers })
    }

    /// `seccomp_data.arch`. oci-spec numbers its architectures as linux/audit.h does, x32 excepted.
    pub(super) fn audit(self) -> u32 {
        match self.arch {
            Arch::ScmpArchX32 => Arch::ScmpArchX86_64 as u32,
            arch => arch as u32,
        }
    }

    pub(super) fn little_endian(self) -> bool {
        self.arch as u32 & 0x4000_0000 != 0
    }

    /// Whether arguments have 64 bits.
    pub(super) fn wide(self) -> bool {
        self.arch as u32 & 0x8000_0000 != 0 && self.arch as u32 & N32 == 0
    }

    pub(super) fn number(self, name: Name) -> Option<u32> {
        let base = match self.arch {
            Arch::ScmpArchX32 => X32_BIT,
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => 4000,
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => 5000,
            Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => 6000,
            _ => 0,
        };
        Some(base + name.number(self.numbers)?)
    }

    /// The second way to make the same call: socketcall(2) or ipc(2), where the architecture has them.
    pub(super) fn multiplexed(self, name: &str) -> Option<Multiplexed> {
        use Arch as A;
        let base = match self.arch {
            A::ScmpArchX86 | A::ScmpArchS390 | A::ScmpArchS390x | A::ScmpArchM68k => 0,
            A::ScmpArchPpc | A::ScmpArchPpc64 | A::ScmpArchPpc64le | A::ScmpArchSh | A::ScmpArchSheb => 0,
            A::ScmpArchMips | A::ScmpArchMipsel => 4000,
            _ => return None,
        };
        let socketcall = |callee| Some(Multiplexed { number: base + 102, callee });
        let ipc = |callee| Some(Multiplexed { number: base + 117, callee });
        match name {
            "socket" => socketcall(1),
            "bind" => socketcall(2),
            "connect" => socketcall(3),
            "listen" => socketcall(4),
            "accept" => socketcall(5),
            "getsockname" => socketcall(6),
            "getpeername" => socketcall(7),
            "socketpair" => socketcall(8),
            "send" => socketcall(9),
            "recv" => socketcall(10),
            "sendto" => socketcall(11),
            "recvfrom" => socketcall(12),
            "shutdown" => socketcall(13),
            "setsockopt" => socketcall(14),
            "getsockopt" => socketcall(15),
            "sendmsg" => socketcall(16),
            "recvmsg" => socketcall(17),
            "accept4" => socketcall(18),
            "recvmmsg" => socketcall(19),
            "sendmmsg" => socketcall(20),
            "semop" => ipc(1),
            "semget" => ipc(2),
            "semctl" => ipc(3),
            "semtimedop" => ipc(4),
            "msgsnd" => ipc(11),
            "msgrcv" => ipc(12),
            "msgget" => ipc(13),
            "msgctl" => ipc(14),
            "shmat" => ipc(21),
            "shmdt" => ipc(22),
            "shmget" => ipc(23),
            "shmctl" => ipc(24),
            _ => None,
        }
    }
}
