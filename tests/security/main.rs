// SPDX-License-Identifier: Apache-2.0
//! Attacks: each class that docs/cves.md lists, run for real. A config or rootfs is crafted, a thread swaps paths where
//! the class is a race, and a tree outside the container is watched for any event. These ask tare alone: older
//! runtimes fall to some, and `RUNTIME=runc` or `RUNTIME=crun` shows where a test bites.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

mod canary;
#[allow(dead_code, unused_imports, unused_macros, reason = "other tests use the rest")]
#[path = "../harness/mod.rs"]
mod harness;
mod swapper;
mod verdict;

mod cgroup_paths;
mod console;
mod cwd;
mod defaults;
mod dev;
mod devices;
mod fake_proc;
mod hooks;
mod ids;
mod image_files;
mod join;
mod keyring;
mod lengths;
mod masks;
mod mount_targets;
mod null;
mod races;
mod sockets;
mod state_files;
mod sysctls;
