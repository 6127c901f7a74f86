// SPDX-License-Identifier: Apache-2.0
//! Ids, groups, capabilities, no_new_privs, and what must be known before they change.

use std::ffi::CString;

use oci_spec::runtime::{Capabilities, Capability, Process};

use super::namespaces::Namespaces;
use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::list;
use crate::step::{CapPlan, Identity, Step};
use crate::sys::cred::{CapSet, Caps};

pub(super) fn keyring(draft: &mut Draft, process: &Process, name: Option<CString>) -> Result<()> {
    if let Some(name) = name {
        super::labels::keyring(draft, process)?;
        draft.add("", Step::JoinKeyring(name));
    }
    Ok(())
}

/// The seccomp filter goes in while CAP_SYS_ADMIN is still there, or after no_new_privs and last of
/// all (`seccomp::add` puts the step).
pub(super) fn add(draft: &mut Draft, process: &Process, spaces: &Namespaces, privileged: bool) -> Result<()> {
    let user = process.user();
    check_id("/process/user/uid", user.uid(), spaces.maps_uid(user.uid()))?;
    check_id("/process/user/gid", user.gid(), spaces.maps_gid(user.gid()))?;
    let groups = list(user.additional_gids());
    for (i, gid) in groups.iter().enumerate() {
        check_id(&format!("/process/user/additionalGids/{i}"), *gid, spaces.maps_gid(*gid))?;
    }
    if user.umask().is_some_and(|mask| mask > 0o777) {
        return Err(invalid("/process/user/umask", "a umask has no bits but 0777"));
    }
    if process.no_new_privileges().unwrap_or(false) {
        draft.add("/process/noNewPrivileges", Step::NoNewPrivileges);
    }
    let identity = Identity {
        uid: user.uid(),
        gid: user.gid(),
        groups: Some(groups.to_vec()),
        umask: Some(user.umask().unwrap_or(0o022)),
        read_back: spaces.user() || !privileged,
        caps: capabilities(draft, process),
    };
    let cwd = super::process::working_directory(process)?;
    draft.add("/process/cwd", Step::WorkingDirectory { path: cwd.clone(), last: false });
    draft.add("/process/user", Step::Identity(identity));
    draft.add("/process/cwd", Step::WorkingDirectory { path: cwd, last: true });
    Ok(())
}

/// (uid_t)-1 means "leave it" to setresuid: crun runs such a container as root.
fn check_id(place: &str, id: u32, mapped: bool) -> Result<()> {
    if id == u32::MAX {
        return Err(invalid(place, format!("{id} is no id")));
    }
    if !mapped {
        return Err(invalid(place, format!("id {id} is not mapped in the user namespace"))
            .hint("linux.uidMappings and linux.gidMappings must cover every id of the process"));
    }
    Ok(())
}

/// A missing list is an empty set; no capabilities at all means that nothing is dropped (runc).
fn capabilities(draft: &mut Draft, process: &Process) -> Option<CapPlan> {
    let caps = process.capabilities().as_ref()?;
    let set = |names: &Option<Capabilities>| {
        names.iter().flatten().fold(CapSet::default(), |set, cap| CapSet(set.0 | 1 << number(*cap)))
    };
    let (permitted, inheritable) = (set(caps.permitted()), set(caps.inheritable()));
    let raisable = |cap: Capability| (permitted.0 & inheritable.0) >> number(cap) & 1 == 1;
    let not = caps.ambient().iter().flatten().filter(|cap| !raisable(**cap));
    let mut not: Vec<_> = not.map(|cap| format!("CAP_{cap}")).collect();
    if !not.is_empty() {
        not.sort();
        let names = not.join(", ");
        draft.warn(format!("can't raise ambient capability {names}: it must be permitted and inheritable"));
    }
    Some(CapPlan {
        bounding: set(caps.bounding()),
        sets: Caps { effective: set(caps.effective()), permitted, inheritable },
        ambient: CapSet(set(caps.ambient()).0 & permitted.0 & inheritable.0),
    })
}

/// The kernel's number, by the name that both crates know it under.
fn number(cap: Capability) -> u8 {
    let name = format!("CAP_{cap}");
    name.parse::<caps::Capability>().map_or(0, |cap| cap.index())
}
