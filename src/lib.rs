// SPDX-License-Identifier: Apache-2.0
//! tare: a low-level OCI container runtime for Linux.
#![deny(unsafe_code)]

pub mod error;
pub mod sys;
