// SPDX-License-Identifier: Apache-2.0
//! Owned and borrowed descriptors, with the names and the meaning that they have in `std::os::fd`.

use core::marker::PhantomData;
use core::mem::ManuallyDrop;

pub type RawFd = i32;

/// Closed when dropped.
#[derive(Debug)]
pub struct OwnedFd(RawFd);

#[derive(Clone, Copy, Debug)]
pub struct BorrowedFd<'f>(RawFd, PhantomData<&'f OwnedFd>);

impl BorrowedFd<'_> {
    /// # Safety
    /// The descriptor is open for as long as this is used.
    pub const unsafe fn borrow_raw(fd: RawFd) -> Self {
        BorrowedFd(fd, PhantomData)
    }
}

impl Drop for OwnedFd {
    fn drop(&mut self) {
        unsafe extern "C" {
            fn close(fd: RawFd) -> i32;
        }
        // SAFETY: ours, and nobody's after this. What close(2) says is of no use to anyone.
        unsafe { close(self.0) };
    }
}

pub trait AsFd {
    fn as_fd(&self) -> BorrowedFd<'_>;
}

pub trait AsRawFd {
    fn as_raw_fd(&self) -> RawFd;
}

pub trait IntoRawFd {
    fn into_raw_fd(self) -> RawFd;
}

pub trait FromRawFd {
    /// # Safety
    /// The descriptor is open and nobody else's.
    unsafe fn from_raw_fd(fd: RawFd) -> Self;
}

impl AsFd for OwnedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        BorrowedFd(self.0, PhantomData)
    }
}

impl AsFd for BorrowedFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        *self
    }
}

impl<T: AsFd> AsFd for &T {
    fn as_fd(&self) -> BorrowedFd<'_> {
        (**self).as_fd()
    }
}

impl AsRawFd for OwnedFd {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl AsRawFd for BorrowedFd<'_> {
    fn as_raw_fd(&self) -> RawFd {
        self.0
    }
}

impl IntoRawFd for OwnedFd {
    fn into_raw_fd(self) -> RawFd {
        ManuallyDrop::new(self).0
    }
}

impl FromRawFd for OwnedFd {
    unsafe fn from_raw_fd(fd: RawFd) -> OwnedFd {
        OwnedFd(fd)
    }
}
