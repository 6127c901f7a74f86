// SPDX-License-Identifier: Apache-2.0
//! Where the state directory is when --root does not say.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// `$XDG_RUNTIME_DIR/<program>` for a user who is not really root, `/run/<program>` for root. Who is root
/// only in a user namespace says so by USER, and then means the machine's directory, as with runc.
pub fn default_root(
    euid: impl FnOnce() -> u32,
    in_user_namespace: impl FnOnce() -> bool,
    env: &dyn Fn(&str) -> Option<OsString>,
    program: &str,
) -> PathBuf {
    let runtime_dir = env("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty());
    let is_root = || env("USER").as_deref() == Some(OsStr::new("root"));
    match runtime_dir {
        Some(dir) if euid() != 0 || (in_user_namespace() && !is_root()) => Path::new(&dir).join(program),
        _ => Path::new("/run").join(program),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_runc_chooses() {
        for (euid, in_user_namespace, xdg, user, root) in [
            (0, false, None, None, "/run/tare"),
            (0, false, Some("/x"), Some("me"), "/run/tare"),
            (0, true, Some("/x"), Some("root"), "/run/tare"),
            (0, true, Some("/x"), Some("me"), "/x/tare"),
            (0, true, Some("/x"), None, "/x/tare"),
            (0, true, None, None, "/run/tare"),
            (1000, false, Some("/x"), Some("root"), "/x/tare"),
            (1000, true, Some("/x"), None, "/x/tare"),
            (1000, false, Some(""), None, "/run/tare"),
            (1000, false, None, None, "/run/tare"),
        ] {
            let env = |name: &str| match name {
                "XDG_RUNTIME_DIR" => xdg.map(OsString::from),
                "USER" => user.map(OsString::from),
                _ => None,
            };
            let chosen = default_root(|| euid, || in_user_namespace, &env, "tare");
            assert_eq!(chosen, Path::new(root), "{euid} {in_user_namespace} {xdg:?} {user:?}");
        }
    }
}
