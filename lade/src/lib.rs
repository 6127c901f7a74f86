// SPDX-License-Identifier: Apache-2.0
//! lade brings container images to a local store and makes bundles of them.
#![deny(unsafe_code)]

pub mod builtin;
pub mod bundle;
pub mod cli;
pub mod digest;
pub mod error;
pub mod image;
pub mod import;
pub mod progress;
pub mod pull;
pub mod reference;
pub mod save;
pub mod source;
pub mod store;
#[allow(unsafe_code, reason = "the only module that may")]
pub mod sys;
pub mod tar;
pub mod time;
pub mod unpack;
pub mod view;
