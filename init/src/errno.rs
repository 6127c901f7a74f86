// SPDX-License-Identifier: Apache-2.0
//! Error numbers by name, as the crate nix has them for tare: those that init looks at, and the words for those with
//! which execve(2) fails.

use core::sync::atomic::{AtomicI32, Ordering};

/// What the last call that failed has left.
pub(crate) static LAST: AtomicI32 = AtomicI32::new(0);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

macro_rules! errnos {
    ($($name:ident)*) => {
        impl Errno {
            $(pub const $name: Errno = Errno(libc::$name);)*
        }
    };
}

errnos! {
    E2BIG EACCES EAGAIN EBADF EBADMSG EBUSY EDEADLK EDOM EDQUOT EEXIST EFBIG EILSEQ EINTR EINVAL EIO EISDIR ELOOP EMFILE
    ENAMETOOLONG ENETRESET ENFILE ENODEV ENOENT ENOEXEC ENOLCK ENOMEM ENOSYS ENOTDIR ENOTTY ENXIO EOPNOTSUPP EPERM EPIPE
    EPROTO ERANGE EROFS ESRCH ELIBBAD ETXTBSY EXDEV ECHILD ECONNRESET
}

impl Errno {
    pub fn last() -> Errno {
        Errno(LAST.load(Ordering::Relaxed))
    }

    pub fn from_raw(number: i32) -> Errno {
        Errno(number)
    }

    pub fn raw(self) -> i32 {
        self.0
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // Nothing is ever printed here.
        Ok(())
    }
}

pub fn number(errno: Errno) -> i32 {
    errno.raw()
}

/// strerror(3)'s, for what execve(2) fails with.
pub fn words(errno: Errno) -> &'static str {
    match errno {
        Errno::E2BIG => "Argument list too long",
        Errno::EACCES => "Permission denied",
        Errno::EAGAIN => "Resource temporarily unavailable",
        Errno::EINVAL => "Invalid argument",
        Errno::EIO => "Input/output error",
        Errno::EISDIR => "Is a directory",
        Errno::ELIBBAD => "Accessing a corrupted shared library",
        Errno::ELOOP => "Too many levels of symbolic links",
        Errno::EMFILE => "Too many open files",
        Errno::ENAMETOOLONG => "File name too long",
        Errno::ENFILE => "Too many open files in system",
        Errno::ENODEV => "No such device",
        Errno::ENOENT => "No such file or directory",
        Errno::ENOEXEC => "Exec format error",
        Errno::ENOMEM => "Cannot allocate memory",
        Errno::ENOTDIR => "Not a directory",
        Errno::EPERM => "Operation not permitted",
        Errno::ETXTBSY => "Text file busy",
        _ => "Unknown error",
    }
}
