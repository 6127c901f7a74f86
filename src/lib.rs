// SPDX-License-Identifier: Apache-2.0
//! tare: a low-level OCI container runtime for Linux.
#![deny(unsafe_code)]

pub mod bundle;
pub mod cli;
pub mod container;
pub mod error;
pub mod host;
pub mod log;
pub mod sys;
