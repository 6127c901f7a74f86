// SPDX-License-Identifier: Apache-2.0
//! What enters a container runs from a sealed copy (CVE-2019-5736).
//!
//! A container can make the kernel open `/proc/self/exe` of the process that becomes its init: as
//! args[0], as a script's interpreter, as an ELF interpreter. What it then holds must not be the
//! binary on the host's disk, and must not share page cache with it (CVE-2022-0847): it is an
//! anonymous file that nobody can change any more. A fork would keep the host's binary as its exe, so
//! it has to be an exec: of a program of its own (`init/`), which is small, and is nothing but init.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use crate::error::{Error, Result, While};
use crate::sys;
use crate::sys::process::ExecArgs;

/// The program that every process of a container begins as, a few dozen kilobytes.
const INIT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tare-init"));

/// A sealed copy of it, for one container.
///
/// # Errors
/// There is no room for it, or the kernel has no anonymous files that can be executed.
pub fn init() -> Result<OwnedFd> {
    let unable = || "make a sealed copy of init's program".to_owned();
    let copy = sys::fs::memfd(c"tare-init").or_unable(unable)?;
    sys::fs::write_all(copy.as_fd(), INIT).or_unable(unable)?;
    sys::fs::seal(copy.as_fd()).or_unable(unable)?;
    if sys::fs::is_sealed(copy.as_fd()).or_unable(unable)? {
        return Ok(copy);
    }
    Err(Error::not_in_force(unable()))
}

/// Every descriptor above the streams and `preserved` more becomes close-on-exec (CVE-2024-21626).
///
/// # Errors
/// A preserved descriptor is not there: nothing has been touched then.
pub fn close_all_but(preserved: u32) -> Result<()> {
    for i in 0..preserved {
        let number = 3 + i;
        sys::fs::inherited(number as i32)
            .or_unable(|| format!("stat preserved-fd {number} (of {preserved})"))?;
    }
    sys::close::cloexec_from(3 + preserved).or_unable(|| "close inherited descriptors".into())
}

/// Goes on only in a sealed copy of the whole program: for who makes processes of the caller's program in a pid
/// namespace that others live in (hooks of `createContainer`). The first call makes it and executes it.
///
/// # Errors
/// When no copy can be made: nothing has been touched then.
pub fn enter() -> Result<()> {
    let own =
        sys::fs::open(c"/proc/self/exe", sys::fs::O_RDONLY).or_unable(|| "open /proc/self/exe".into())?;
    if sys::fs::is_sealed(own.as_fd()).unwrap_or(false) {
        return Ok(());
    }
    let copy = sys::fs::memfd(c"tare").or_unable(|| "make the sealed copy of the runtime".into())?;
    copy_all(&copy, &own).or_unable(|| "copy the runtime's binary".into())?;
    let unable = || "seal the runtime's copy".to_owned();
    sys::fs::seal(copy.as_fd()).or_unable(unable)?;
    // Or it would find itself to be no copy, and make the next.
    if !sys::fs::is_sealed(copy.as_fd()).or_unable(unable)? {
        return Err(Error::not_in_force(unable()));
    }
    let args = ExecArgs::new(std::env::args_os().filter_map(c_string).collect());
    let env = std::env::vars_os().filter_map(|(name, value)| {
        let (mut variable, value) = (name.into_vec(), value.into_vec());
        variable.push(b'=');
        variable.extend_from_slice(&value);
        CString::new(variable).ok()
    });
    let env = ExecArgs::new(env.collect());
    Err(sys::process::exec_fd(copy.as_fd(), &args, &env))
        .or_unable(|| "execute the runtime's sealed copy".into())
}

/// A sendfile that gives less than it was asked for has come to the end.
fn copy_all(to: &OwnedFd, from: &OwnedFd) -> sys::Result<()> {
    const ASKED: usize = 64 << 20;
    while sys::fs::sendfile(to.as_fd(), from, ASKED)? == ASKED {}
    Ok(())
}

fn c_string(text: OsString) -> Option<CString> {
    CString::new(text.into_vec()).ok()
}

/// 128 random bits: the name of a container's keyring must not be guessed by another container.
pub fn random_name() -> String {
    let mut bytes = [0; 16];
    // Without entropy the pid must do: only the name of a keyring hangs on it.
    if sys::process::random(&mut bytes).is_err() {
        bytes[..4].copy_from_slice(&sys::process::getpid().to_ne_bytes());
    }
    bytes.iter().fold(String::from("_ses."), |name, byte| name + &format!("{byte:02x}"))
}
