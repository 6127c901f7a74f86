// SPDX-License-Identifier: Apache-2.0
//! lade's tests drive the program itself: crafted layers, a hostile registry on loopback, real mounts. They need root, the
//! packages that hack/test installs, and no network.
#![allow(clippy::unwrap_used)]

mod bundle;
mod commands;
mod differential;
mod disputed;
mod equal;
mod faults;
mod flags;
mod network;
mod registry;
mod rootless;
mod security;
mod support;
mod tarball;
