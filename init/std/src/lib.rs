// SPDX-License-Identifier: Apache-2.0
//! The standard library of a program without libc: what core and alloc have, and owned descriptors.
//!
//! Named `std` by Cargo.toml, so that one source serves both programs. What is not here, init cannot name.
#![no_std]

extern crate alloc as heap;

pub use heap::{borrow, boxed, string, vec};
pub use core::*;

pub mod ffi {
    pub use heap::ffi::CString;
    pub use core::ffi::{CStr, c_char};
}

pub mod os {
    pub mod fd;
}
