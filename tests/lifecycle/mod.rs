// SPDX-License-Identifier: Apache-2.0
//! The life of real containers, a file for each subject. `RUNTIME=runc cargo test --test main lifecycle::` runs
//! the same tests on runc.

mod capabilities;
mod create;
mod delete;
mod devices;
mod exec;
mod exec_process;
mod features;
mod kill;
mod list;
mod mounts;
mod namespaces;
mod paths;
mod process;
mod propagation;
mod ps;
mod rlimits;
mod run;
mod spec;
mod special_mounts;
mod start;
mod state;
mod user;
mod userns;
mod version;
