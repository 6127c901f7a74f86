// SPDX-License-Identifier: Apache-2.0
//! Facts of this host, read without effect. Runs in the caller's process, before anything is made.
//! May name: sys, error.

pub mod account;
pub mod user;
