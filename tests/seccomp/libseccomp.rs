// SPDX-License-Identifier: Apache-2.0
//! libseccomp (Debian: libseccomp-dev), told a profile as runc v1.5.0 tells it (libcontainer/seccomp).
#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "plain calls of the library, declared as its header does"
)]

use std::{
    collections::{BTreeMap, HashMap},
    ffi::{CStr, CString, c_char, c_int, c_void},
    fs::File,
    io::{Read, Seek},
    os::fd::{AsRawFd, FromRawFd},
    sync::{Mutex, Once},
};

use oci_spec::runtime::{Arch, LinuxSeccomp, LinuxSeccompAction as Action, LinuxSeccompOperator as Operator};
use tare::plan::seccomp::Instruction;

#[repr(C)]
#[derive(Clone, Copy)]
struct Comparison {
    arg: u32,
    op: u32,
    datum_a: u64,
    datum_b: u64,
}

#[repr(C)]
pub(crate) struct Version {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) micro: u32,
}

#[link(name = "seccomp")]
unsafe extern "C" {
    fn seccomp_api_set(level: u32) -> c_int;
    fn seccomp_init(default: u32) -> *mut c_void;
    fn seccomp_release(filter: *mut c_void);
    fn seccomp_arch_native() -> u32;
    fn seccomp_arch_add(filter: *mut c_void, arch: u32) -> c_int;
    fn seccomp_arch_remove(filter: *mut c_void, arch: u32) -> c_int;
    fn seccomp_attr_set(filter: *mut c_void, attribute: c_int, value: u32) -> c_int;
    fn seccomp_rule_add_array(
        filter: *mut c_void,
        action: u32,
        number: c_int,
        count: u32,
        comparisons: *const Comparison,
    ) -> c_int;
    fn seccomp_export_bpf(filter: *mut c_void, fd: c_int) -> c_int;
    fn seccomp_syscall_resolve_name_arch(arch: u32, name: *const c_char) -> c_int;
    fn seccomp_syscall_resolve_num_arch(arch: u32, number: c_int) -> *mut c_char;
    fn seccomp_version() -> *const Version;
}

pub(crate) fn version() -> (u32, u32, u32) {
    let version = unsafe { &*seccomp_version() };
    (version.major, version.minor, version.micro)
}

/// The library's syscalls of an architecture, each by its own number.
pub(crate) fn table(arch: Arch) -> &'static HashMap<String, u32> {
    static TABLES: Mutex<BTreeMap<u32, &'static HashMap<String, u32>>> = Mutex::new(BTreeMap::new());
    TABLES.lock().unwrap().entry(arch as u32).or_insert_with(|| {
        let base = match arch {
            Arch::ScmpArchX32 => 0x4000_0000,
            Arch::ScmpArchMips | Arch::ScmpArchMipsel => 4000,
            Arch::ScmpArchMips64 | Arch::ScmpArchMipsel64 => 5000,
            Arch::ScmpArchMips64n32 | Arch::ScmpArchMipsel64n32 => 6000,
            _ => 0,
        };
        let numbers = (base..base + 600).chain(0x0f_0000..0x0f_0010);
        let known = numbers.filter_map(|number| Some((name(arch, number)?, number)));
        Box::leak(Box::new(known.collect()))
    })
}

fn name(arch: Arch, number: u32) -> Option<String> {
    let name = unsafe { seccomp_syscall_resolve_num_arch(arch as u32, number as c_int) };
    if name.is_null() {
        return None;
    }
    let text = unsafe { CStr::from_ptr(name) }.to_str().unwrap().to_owned();
    unsafe { libc::free(name.cast()) };
    Some(text)
}

/// Whether this version has the architecture.
pub(crate) fn has(arch: Arch) -> bool {
    let filter = Filter::new(0x7fff_0000);
    arch as u32 == unsafe { seccomp_arch_native() } || filter.only(&[arch]).is_ok()
}

struct Filter(*mut c_void);

impl Drop for Filter {
    fn drop(&mut self) {
        unsafe { seccomp_release(self.0) }
    }
}

impl Filter {
    fn new(default: u32) -> Self {
        // What this machine's kernel supports is not the question.
        static API: Once = Once::new();
        API.call_once(|| assert_eq!(unsafe { seccomp_api_set(6) }, 0));
        let filter = unsafe { seccomp_init(default) };
        assert!(!filter.is_null(), "seccomp_init({default:#x})");
        Self(filter)
    }

    /// The library takes the machine's own architecture for granted; here every one has its turn.
    fn only(&self, archs: &[Arch]) -> Result<(), String> {
        let native = unsafe { seccomp_arch_native() };
        if !archs.iter().any(|arch| *arch as u32 == native) {
            unsafe { seccomp_arch_remove(self.0, native) };
        }
        for arch in archs.iter().filter(|arch| **arch as u32 != native) {
            match unsafe { seccomp_arch_add(self.0, *arch as u32) } {
                0 => {}
                error if error == -libc::EEXIST => {}
                error => return Err(format!("seccomp_arch_add({arch:?}): {error}")),
            }
        }
        Ok(())
    }

    fn export(&self, little_endian: bool) -> Result<Vec<Instruction>, String> {
        let mut file =
            unsafe { File::from_raw_fd(libc::memfd_create(c"filter".as_ptr(), libc::MFD_CLOEXEC)) };
        let result = unsafe { seccomp_export_bpf(self.0, file.as_raw_fd()) };
        if result != 0 {
            return Err(format!("seccomp_export_bpf: {result}"));
        }
        let mut bytes = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let u16_of = |b: &[u8]| {
            let b = b.try_into().unwrap();
            if little_endian { u16::from_le_bytes(b) } else { u16::from_be_bytes(b) }
        };
        let u32_of = |b: &[u8]| {
            let b = b.try_into().unwrap();
            if little_endian { u32::from_le_bytes(b) } else { u32::from_be_bytes(b) }
        };
        let instruction =
            |b: &[u8]| Instruction { code: u16_of(&b[..2]), jt: b[2], jf: b[3], k: u32_of(&b[4..]) };
        Ok(bytes.chunks_exact(8).map(instruction).collect())
    }
}

/// SCMP_FLTATR_CTL_OPTIMIZE: by priority (the library's default, crun) or by a binary tree (runc, over 32 rules).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Optimize {
    Priority = 1,
    Tree = 2,
}

/// What the library makes of the profile; an error is what would keep runc from starting the container.
pub(crate) fn compile(
    seccomp: &LinuxSeccomp,
    archs: &[Arch],
    optimize: Optimize,
) -> Result<Vec<Instruction>, String> {
    const SCMP_FLTATR_CTL_OPTIMIZE: c_int = 8;
    let default = action(seccomp.default_action(), seccomp.default_errno_ret());
    let filter = Filter::new(default);
    filter.only(archs)?;
    unsafe { seccomp_attr_set(filter.0, SCMP_FLTATR_CTL_OPTIMIZE, optimize as u32) };
    for syscall in seccomp.syscalls().iter().flatten() {
        let action = action(syscall.action(), syscall.errno_ret());
        let comparisons: Vec<Comparison> = syscall.args().iter().flatten().map(comparison).collect();
        let repeated = (0..6).any(|index| comparisons.iter().filter(|c| c.arg == index).count() > 1);
        let rules = if repeated { comparisons.chunks(1).collect() } else { vec![&comparisons[..]] };
        for name in syscall.names().iter().filter(|_| action != default) {
            let text = CString::new(name.as_str()).unwrap();
            let number = unsafe { seccomp_syscall_resolve_name_arch(seccomp_arch_native(), text.as_ptr()) };
            for rule in rules.iter().filter(|_| number != -1) {
                let result = unsafe {
                    seccomp_rule_add_array(filter.0, action, number, rule.len() as u32, rule.as_ptr())
                };
                if result != 0 {
                    return Err(format!("seccomp_rule_add_array({name}): {result}"));
                }
            }
        }
    }
    let mut program = filter.export(archs[0] as u32 & 0x4000_0000 != 0)?;
    let actions =
        seccomp.syscalls().iter().flatten().map(|syscall| action(syscall.action(), syscall.errno_ret()));
    let verdicts: Vec<u32> = actions.chain([default, 0]).collect();
    for ret in program.iter_mut().filter(|instruction| instruction.code == 0x06) {
        // For a machine of the other byte order it swaps the returns twice that it adds for long jumps (2.6.1).
        if !verdicts.contains(&ret.k) {
            ret.k = ret.k.swap_bytes();
        }
    }
    Ok(program)
}

fn comparison(arg: &oci_spec::runtime::LinuxSeccompArg) -> Comparison {
    let op = match arg.op() {
        Operator::ScmpCmpNe => 1,
        Operator::ScmpCmpLt => 2,
        Operator::ScmpCmpLe => 3,
        Operator::ScmpCmpEq => 4,
        Operator::ScmpCmpGe => 5,
        Operator::ScmpCmpGt => 6,
        Operator::ScmpCmpMaskedEq => 7,
    };
    Comparison { arg: arg.index() as u32, op, datum_a: arg.value(), datum_b: arg.value_two().unwrap_or(0) }
}

fn action(action: Action, errno: Option<u32>) -> u32 {
    let errno = errno.unwrap_or(1) & 0xffff;
    match action {
        Action::ScmpActKill | Action::ScmpActKillThread => 0,
        Action::ScmpActKillProcess => 0x8000_0000,
        Action::ScmpActTrap => 0x0003_0000,
        Action::ScmpActErrno => 0x0005_0000 | errno,
        Action::ScmpActNotify => 0x7fc0_0000,
        Action::ScmpActTrace => 0x7ff0_0000 | errno,
        Action::ScmpActLog => 0x7ffc_0000,
        Action::ScmpActAllow => 0x7fff_0000,
    }
}
