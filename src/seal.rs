// SPDX-License-Identifier: Apache-2.0
//! The runtime runs from a sealed copy of itself (CVE-2019-5736).
//!
//! A container can make the kernel open `/proc/self/exe` of the process that becomes its init: as
//! args[0], as a script's interpreter, as an ELF interpreter. What it then holds must not be the
//! binary on the host's disk, and must not share page cache with it (CVE-2022-0847): it is an
//! anonymous file that nobody can change any more. Runs first thing in the commands that enter a
//! container's namespaces; a fork would keep the host's binary as its exe, so it has to be an exec.

use std::ffi::CString;
use std::os::fd::AsFd;

use crate::error::{Result, While};
use crate::sys;
use crate::sys::process::ExecArgs;

/// Goes on only in the sealed copy: the first call of a process makes it and executes it.
///
/// # Errors
/// When no copy can be made: then nothing of a container may be touched.
pub fn ensure(args: impl Iterator<Item = CString>, env: impl Iterator<Item = CString>) -> Result<()> {
    let own = sys::fs::open(c"/proc/self/exe", sys::fs::O_RDONLY).or_unable(|| "open /proc/self/exe".into())?;
    if sys::fs::is_sealed(own.as_fd()).unwrap_or(false) {
        return Ok(());
    }
    let copy = sys::fs::memfd(c"tare").or_unable(|| "make the sealed copy of the runtime".into())?;
    while sys::fs::sendfile(copy.as_fd(), &own, 1 << 30).or_unable(|| "copy the runtime's binary".into())? > 0 {}
    sys::fs::fchmod(copy.as_fd(), 0o511).or_unable(|| "set the mode of the runtime's copy".into())?;
    sys::fs::seal(copy.as_fd()).or_unable(|| "seal the runtime's copy".into())?;
    let (args, env) = (ExecArgs::new(args.collect()), ExecArgs::new(env.collect()));
    Err(sys::process::exec_fd(copy.as_fd(), &args, &env)).or_unable(|| "execute the runtime's sealed copy".into())
}
