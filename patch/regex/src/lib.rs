// SPDX-License-Identifier: Apache-2.0
//! oci-spec matches one field of the runtime specification, execCPUAffinity, with the regex crate, which would be a sixth
//! of tare's binary; and the sealed copy of that binary is the dearest part of a container's start. regex-lite has the
//! same interface as far as oci-spec goes.

pub use regex_lite::{Regex, RegexBuilder};
