// SPDX-License-Identifier: Apache-2.0
//! The life of real containers, a file for each subject. `RUNTIME=runc cargo test --test main lifecycle::` runs
//! the same tests on runc.

mod create;
mod delete;
mod exec;
mod exec_process;
mod features;
mod kill;
mod list;
mod ps;
mod run;
mod spec;
mod start;
mod state;
mod version;
