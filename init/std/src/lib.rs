// SPDX-License-Identifier: Apache-2.0
//! The standard library of a program without libc: what core and alloc have, and owned descriptors.
//!
//! Named `std` by Cargo.toml, so that one source serves both programs. What is not here, init cannot name.
#![no_std]

extern crate alloc as heap;

pub use core::*;
pub use heap::{borrow, boxed, string, vec};

pub mod ffi {
    pub use core::ffi::{CStr, c_char};
    pub use heap::ffi::CString;
}

pub mod os {
    pub mod fd;
}
