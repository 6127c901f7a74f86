// SPDX-License-Identifier: Apache-2.0
//! lade's tests drive the program itself: crafted layers, a hostile registry on loopback, real mounts. They need root,
//! strace and util-linux, and no network.
#![allow(clippy::unwrap_used)]

mod bundle;
mod commands;
mod equal;
mod faults;
mod hostile_layers;
mod hostile_registry;
mod network;
mod rootless;
mod support;
mod tarball;
