// SPDX-License-Identifier: Apache-2.0
//! Extended attributes, by descriptor or by `(directory descriptor, name)`. The kernel had no `*xattrat` before 6.13,
//! so the second form goes through the directory's link in /proc and names the leaf without following it.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::check;

/// The kernel's own limit on one value and on one list (XATTR_SIZE_MAX, XATTR_LIST_MAX).
const MAX: usize = 64 << 10;

fn cstring(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

fn leaf(dir: impl AsFd, name: &[u8]) -> io::Result<CString> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name);
    cstring(&path)
}

pub fn set(fd: impl AsFd, key: &[u8], value: &[u8]) -> io::Result<()> {
    let key = cstring(key)?;
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: key is NUL-terminated, value is valid for its length, both outlive the call.
    check(i64::from(unsafe { libc::fsetxattr(fd, key.as_ptr(), value.as_ptr().cast(), value.len(), 0) }))?;
    Ok(())
}

pub fn set_at(dir: impl AsFd, name: &[u8], key: &[u8], value: &[u8]) -> io::Result<()> {
    let (path, key) = (leaf(dir, name)?, cstring(key)?);
    // SAFETY: both strings are NUL-terminated, value is valid for its length, all outlive the call.
    let ret = unsafe { libc::lsetxattr(path.as_ptr(), key.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    check(i64::from(ret))?;
    Ok(())
}

pub fn get_at(dir: impl AsFd, name: &[u8], key: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let (path, key) = (leaf(dir, name)?, cstring(key)?);
    let mut buf = vec![0u8; 256];
    loop {
        // SAFETY: both strings are NUL-terminated and the buffer is writable for its length.
        let ret = unsafe { libc::lgetxattr(path.as_ptr(), key.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) };
        match check(ret as i64) {
            Ok(n) => {
                buf.truncate(usize::try_from(n).unwrap_or(0));
                return Ok(Some(buf));
            }
            Err(e) => match e.raw_os_error() {
                Some(libc::ENODATA | libc::EOPNOTSUPP) => return Ok(None),
                Some(libc::ERANGE) if buf.len() < MAX => buf.resize(MAX, 0),
                _ => return Err(e),
            },
        }
    }
}

/// The keys of every attribute the caller may see.
pub fn list_at(dir: impl AsFd, name: &[u8]) -> io::Result<Vec<Vec<u8>>> {
    let path = leaf(dir, name)?;
    let mut buf = vec![0u8; 1024];
    loop {
        // SAFETY: the path is NUL-terminated and the buffer is writable for its length.
        let ret = unsafe { libc::llistxattr(path.as_ptr(), buf.as_mut_ptr().cast(), buf.len()) };
        match check(ret as i64) {
            Ok(n) => {
                buf.truncate(usize::try_from(n).unwrap_or(0));
                return Ok(buf.split(|b| *b == 0).filter(|k| !k.is_empty()).map(<[u8]>::to_vec).collect());
            }
            Err(e) => match e.raw_os_error() {
                Some(libc::EOPNOTSUPP) => return Ok(Vec::new()),
                Some(libc::ERANGE) if buf.len() < MAX => buf.resize(MAX, 0),
                _ => return Err(e),
            },
        }
    }
}
