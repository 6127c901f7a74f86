// SPDX-License-Identifier: Apache-2.0
//! Decides, from config.json and the facts of this host, everything that will be done. Pure: no I/O, no
//! system call; runs in the parent only. May name: spec, step, host's and bundle's types, error.

pub mod cgroup;
