// SPDX-License-Identifier: Apache-2.0
//! One binary for all tests outside the crate, so that they link once. `lifecycle` needs root; the rest does not.
#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods)]

mod config_support;
mod cves;
mod harness;
mod layers;
mod lifecycle;
mod manual;
