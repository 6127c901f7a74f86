// SPDX-License-Identifier: Apache-2.0
//! tare: a low-level OCI container runtime for Linux.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod error;
pub mod host;
pub mod plan;
pub mod sys;
