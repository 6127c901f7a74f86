// SPDX-License-Identifier: Apache-2.0
//! `linux.sysctl`: only what a namespace of the container's own owns.

use oci_spec::runtime::Spec;

use super::namespaces::{IPC, NET, Namespaces};
use super::{Draft, Foreign, Request, invalid};
use crate::error::Result;
use crate::spec::c_string;
use crate::step::Step;
use crate::sys::process::{NEWUSER, NEWUTS};

const IPC_KEYS: [&str; 8] = [
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

pub(super) fn add_all(draft: &mut Draft, spec: &Spec, spaces: &Namespaces) -> Result<()> {
    let sysctls = spec.linux().as_ref().and_then(|linux| linux.sysctl().as_ref());
    let mut sysctls: Vec<_> = sysctls.into_iter().flatten().collect();
    sysctls.sort();
    for (key, value) in sysctls {
        let place = format!("/linux/sysctl/{}", crate::spec::key(key));
        let file = file_of(key).ok_or_else(|| invalid(&place, format!("invalid sysctl {key:?}")))?;
        let owner = owner(&file.replace('/', "."), key, &place, spaces)?;
        must_be_foreign(draft, owner, key, &place);
        let file = c_string(format!("sys/{file}"), || place.clone())?;
        draft.add(place.clone(), Step::Sysctl { file, value: c_string(value, || place)? });
    }
    Ok(())
}

/// The path below /proc/sys. The first separator tells which of `.` and `/` parts the names: the
/// other then stands for itself (`net/ipv4/conf/eth0.100/forwarding`).
fn file_of(key: &str) -> Option<String> {
    let first = key.find(['.', '/'])?;
    let file: String = match key.as_bytes()[first] {
        b'/' => key.to_owned(),
        _ => key
            .chars()
            .map(|c| match c {
                '.' => '/',
                '/' => '.',
                c => c,
            })
            .collect(),
    };
    let sound = file.split('/').all(|name| !name.is_empty() && name != "." && name != "..");
    sound.then_some(file)
}

/// The namespace that is joined may yet be the caller's own: only its descriptor tells.
fn must_be_foreign(draft: &mut Draft, owner: u64, key: &str, place: &str) {
    for request in &mut draft.plan.requests {
        if let Request::Namespace { namespace, foreign, .. } = request
            && *namespace == owner
        {
            let what = format!("sysctl {key:?} not allowed in host {} namespace", name(owner));
            *foreign = Some(Foreign { what, place: place.to_owned() });
        }
    }
}

fn name(namespace: u64) -> &'static str {
    match namespace {
        NET => "network",
        IPC => "ipc",
        NEWUTS => "uts",
        _ => "user",
    }
}

/// The namespace that a sysctl belongs to, which has to be the container's.
fn owner(dotted: &str, key: &str, place: &str, spaces: &Namespaces) -> Result<u64> {
    let refuse = |why: &str| Err(invalid(place, format!("sysctl {key:?} {why}")));
    if IPC_KEYS.contains(&dotted) || dotted.starts_with("fs.mqueue.") {
        return if spaces.own(IPC) { Ok(IPC) } else { refuse("is not allowed in the hosts ipc namespace") };
    }
    if dotted.starts_with("net.") {
        return if spaces.own(NET) { Ok(NET) } else { refuse("not allowed in host network namespace") };
    }
    if dotted.starts_with("user.") {
        return if spaces.own(NEWUSER) {
            Ok(NEWUSER)
        } else {
            refuse("is not allowed without a user namespace")
        };
    }
    match dotted {
        "kernel.domainname" if spaces.own(NEWUTS) => Ok(NEWUTS),
        "kernel.domainname" => refuse("is not allowed in the hosts uts namespace"),
        "kernel.hostname" => refuse("is not allowed as it conflicts with the OCI hostname field"),
        _ => refuse("is not in a separate kernel namespace"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_separators_name_the_same_file() {
        for (key, file) in [
            ("net.ipv4.ip_forward", Some("net/ipv4/ip_forward")),
            ("net/ipv4/ip_forward", Some("net/ipv4/ip_forward")),
            ("net/ipv4/conf/eth0.100/forwarding", Some("net/ipv4/conf/eth0.100/forwarding")),
            ("net.ipv4.conf.eth0/100.forwarding", Some("net/ipv4/conf/eth0.100/forwarding")),
            ("net/../kernel/core_pattern", None),
            ("net..x", None),
            ("kernel", None),
        ] {
            assert_eq!(file_of(key).as_deref(), file, "{key}");
        }
    }
}
