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
    let name = if Path::new(program).file_name() == Some(OsStr::new("runc")) { "runc" } else { "tare" };
    format!("{name} version {TARE}\ncommit: {}\nspec: {SPEC}\n", commit())
}

pub(super) fn commit() -> &'static str {
    COMMIT.unwrap_or("unknown")
}
