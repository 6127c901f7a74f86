// SPDX-License-Identifier: Apache-2.0
//! The seccomp compiler: what it makes of a profile is run in an interpreter, beside what libseccomp makes of it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod behaviour;
mod cost;
mod differential;
mod features;
mod generate;
mod interpreter;
mod libseccomp;
mod measure;
mod model;
mod profiles;
mod properties;
