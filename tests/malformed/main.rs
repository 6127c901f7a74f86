// SPDX-License-Identifier: Apache-2.0
//! Broken and extreme input: each property in turn is of another type, negative, huge, empty, with a NUL, a megabyte long
//! or nested deep. Each is refused in one line that names the place, or `accepted.rs` says why not; none panics.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::print_stderr)]

mod accepted;
mod bytes;
mod decide;
#[allow(dead_code, unused_imports, unused_macros, reason = "other tests use the rest")]
#[path = "../harness/mod.rs"]
mod harness;
mod mutate;
mod others;
mod properties;
mod real;
mod state;
