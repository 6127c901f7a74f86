// SPDX-License-Identifier: Apache-2.0
//! Facts of this host, read once and without effects, for the planner. Runs in the parent only. May
//! name: sys, error.

pub mod cgroup;
