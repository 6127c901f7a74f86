// SPDX-License-Identifier: Apache-2.0
//! Which systemd looks after the caller's cgroups.

use std::ffi::OsStr;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    #[default]
    System,
    /// The manager of the calling user, `systemd --user`.
    User,
}

/// A unit that a container lives in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    pub name: String,
    pub bus: Bus,
}

/// A running systemd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manager {
    pub bus: Bus,
    /// Its cgroup, below the root of the hierarchy; its slices are in there. Empty: the root.
    pub cgroup: String,
}

impl Bus {
    /// Root's is the machine's. Root of a user namespace is most often a user's Podman or Docker, whose
    /// environment tells of the user's own; without that it is a container that has a systemd inside.
    pub fn of_caller(privileged: bool, in_user_namespace: bool, env: impl Fn(&str) -> bool) -> Bus {
        let session = || env("XDG_RUNTIME_DIR") || env("DBUS_SESSION_BUS_ADDRESS");
        match (privileged, in_user_namespace) {
            (true, false) => Bus::System,
            (true, true) if !session() => Bus::System,
            _ => Bus::User,
        }
    }
}

/// The cgroup of the user's manager, for who is below it: user@1000.service has its units.
pub fn cgroup_of_user_manager(own: &str) -> Option<String> {
    let end = own.match_indices("/user@").find_map(|(start, _)| {
        let name = own[start + 1..].split('/').next().unwrap_or_default();
        name.ends_with(".service").then_some(start + 1 + name.len())
    })?;
    Some(own[..end].to_owned())
}

/// Is there a variable with a value?
pub fn in_environment(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| value != OsStr::new(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_is_the_callers() {
        for (privileged, in_user_namespace, session, bus) in [
            (true, false, false, Bus::System),
            (true, false, true, Bus::System),
            (true, true, false, Bus::System),
            (true, true, true, Bus::User),
            (false, false, false, Bus::User),
            (false, true, true, Bus::User),
        ] {
            assert_eq!(Bus::of_caller(privileged, in_user_namespace, |_| session), bus);
        }
    }

    #[test]
    fn the_users_manager_is_an_ancestor_or_not_known() {
        let manager = "/user.slice/user-1000.slice/user@1000.service";
        let found = |own: &str| cgroup_of_user_manager(own);
        assert_eq!(found(&format!("{manager}/app.slice/a.scope")).as_deref(), Some(manager));
        assert_eq!(found(manager).as_deref(), Some(manager));
        assert_eq!(found("/user.slice/user-1000.slice/session-1.scope"), None);
        assert_eq!(found("/user@me/x"), None);
    }
}
