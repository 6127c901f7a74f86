// SPDX-License-Identifier: Apache-2.0
//! Facts about the machine and the calling process, read without any effect.
//!
//! Runs in the calling process, before anything is decided. May name: sys, error.

pub mod account;
pub mod cgroup;
mod crowd;
pub mod resctrl;
pub mod systemd;
pub mod user;

use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::error::{Result, While};
use crate::sys;

/// What `plan` needs to know.
#[derive(Debug)]
pub struct Host {
    /// Major and minor version of Linux; only looked up where the plan hangs on it.
    pub kernel: (u32, u32),
    /// SELinux is in force; only looked up where labels are asked for.
    pub selinux: bool,
    /// Only looked up where it is asked for.
    pub resctrl: Option<resctrl::Resctrl>,
    pub in_user_namespace: bool,
    /// The effective user is root, here.
    pub privileged: bool,
    /// Where procfs and sysfs are mounted; only read for --no-pivot.
    pub kernel_mounts: Vec<CString>,
    /// On a host of very many mounts: the mount namespace to start from instead of a copy; only looked for where asked.
    pub kdevtmpfs: Option<PathBuf>,
    pub cgroups: cgroup::Cgroups,
}

/// What only some plans hang on: the others do not pay for the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Questions {
    pub no_pivot: bool,
    pub kernel: bool,
    pub selinux: bool,
    pub resctrl: bool,
    pub crowd: bool,
}

impl Host {
    pub fn read(questions: Questions) -> Result<Host> {
        let in_user_namespace = user::in_user_namespace()?;
        let privileged = sys::cred::effective_uid() == 0;
        let crowd = questions.crowd && privileged && !in_user_namespace;
        Ok(Host {
            kernel: if questions.kernel { kernel_version() } else { (0, 0) },
            selinux: questions.selinux && selinux(),
            resctrl: if questions.resctrl { resctrl::read()? } else { None },
            in_user_namespace,
            privileged,
            kernel_mounts: if questions.no_pivot { mounts_of(&["proc", "sysfs"])? } else { Vec::new() },
            kdevtmpfs: if crowd { crowd::kernels_namespace() } else { None },
            cgroups: cgroup::read()?,
        })
    }
}

/// The policy's filesystem is mounted where it belongs. Its root directory is there without it.
fn selinux() -> bool {
    const SELINUX_MAGIC: u64 = 0xf97c_ff8c;
    sys::fs::magic_of(c"/sys/fs/selinux") == Ok(SELINUX_MAGIC)
}

/// (0, 0) for a release that does not begin with two numbers.
fn kernel_version() -> (u32, u32) {
    let release = sys::process::kernel_release();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A line of mountinfo: id parent major:minor root target options ... - type source options.
fn mounts_of(kinds: &[&str]) -> Result<Vec<CString>> {
    const LIMIT: usize = 64 << 20;
    let file =
        sys::fs::open(c"/proc/self/mountinfo", sys::fs::O_RDONLY).or_unable(|| "read the mounts".into())?;
    let text = sys::fs::read_to_end(file.as_fd(), LIMIT).or_unable(|| "read the mounts".into())?;
    let text = String::from_utf8_lossy(&text);
    let mut targets: Vec<_> = text.lines().filter_map(|line| kernel_mount(line, kinds)).collect();
    // The last mounted first: what lies over another goes before it.
    targets.reverse();
    Ok(targets)
}

fn kernel_mount(line: &str, kinds: &[&str]) -> Option<CString> {
    let (mount, filesystem) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, target) = (fields.next()?, fields.next()?);
    let kind = filesystem.split(' ').next()?;
    if root == "/" && kinds.contains(&kind) { CString::new(unescape(target)).ok() } else { None }
}

/// The kernel writes space, tab, newline and backslash as \ and three octal digits.
fn unescape(target: &str) -> Vec<u8> {
    let mut bytes = target.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        let code =
            bytes.by_ref().take(3).fold(0u32, |code, digit| code * 8 + u32::from(digit.wrapping_sub(b'0')));
        plain.push(code as u8);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_mounts_are_found_and_unescaped() {
        let line = r"25 30 0:22 / /mnt/a\040b rw,nosuid - proc proc rw";
        let kernel_mount = |line| kernel_mount(line, &["proc", "sysfs"]);
        assert_eq!(kernel_mount(line), Some(c"/mnt/a b".to_owned()));
        assert_eq!(kernel_mount("25 30 0:22 /sys /x rw - proc proc rw"), None);
        assert_eq!(kernel_mount("25 30 0:22 / /x rw shared:1 - tmpfs t rw"), None);
    }
}
