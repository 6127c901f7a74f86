// SPDX-License-Identifier: Apache-2.0
//! tare: a low-level OCI container runtime for Linux. `ARCHITECTURE.md` has the picture.
#![deny(unsafe_code)]

pub mod bundle;
pub mod cgroup;
pub mod channel;
pub mod cli;
pub mod container;
pub mod error;
pub mod host;
pub mod init;
pub mod log;
pub mod plan;
pub mod seal;
pub mod spawn;
pub mod spec;
pub mod step;
pub mod sys;
pub mod timings;
pub mod work;
