// SPDX-License-Identifier: Apache-2.0
//! The life of real containers, a file for each subject. `RUNTIME=runc cargo test --test main lifecycle::` runs
//! the same tests on runc.

mod bad_input;
mod capabilities;
mod cgroup;
mod cli;
mod concurrency;
mod create;
mod created;
mod delete;
mod devices;
mod error_words;
mod escape;
mod exec;
mod exec_process;
mod exec_terminal;
mod explain;
mod fallbacks;
mod features;
mod hook_failures;
mod hooks;
mod kill;
mod killed_runtime;
mod list;
mod log;
mod mounts;
mod namespaces;
mod notify;
mod paths;
mod pause;
mod process;
mod propagation;
mod ps;
mod rlimits;
mod run;
mod seccomp;
mod seccomp_agent;
mod spec;
mod special_mounts;
mod start;
mod state;
mod stdio;
mod terminal;
mod user;
mod userns;
mod version;
