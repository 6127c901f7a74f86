// SPDX-License-Identifier: Apache-2.0
//! `--version`, in the lines that go-runc and Docker parse.

use std::ffi::OsStr;
use std::path::Path;

/// The version of the runtime specification that `state`, `features` and `spec` speak of.
pub(super) const SPEC: &str = "1.3.0";
pub(super) const TARE: &str = env!("CARGO_PKG_VERSION");
/// Set by whoever builds a release.
const COMMIT: Option<&str> = option_env!("TARE_COMMIT");

/// Installed as `runc`, the first line must say so: Docker reads the version behind that very word.
pub(super) fn text(program: &OsStr) -> String {
    format!("{} version {TARE}\ncommit: {}\nspec: {SPEC}\n", name(program), commit())
}

/// What we were called by: `runc` through a link of that name, else `tare`.
pub(super) fn program() -> &'static str {
    name(&std::env::args_os().next().unwrap_or_default())
}

fn name(program: &OsStr) -> &'static str {
    if Path::new(program).file_name() == Some(OsStr::new("runc")) { "runc" } else { "tare" }
}

pub(super) fn commit() -> &'static str {
    COMMIT.unwrap_or("unknown")
}
