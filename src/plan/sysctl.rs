// SPDX-License-Identifier: Apache-2.0
//! `linux.sysctl`: only what a namespace of the container's own owns.

use oci_spec::runtime::Spec;

use super::namespaces::{IPC, NET, Namespaces};
use super::{Draft, invalid};
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
        allow(&file.replace('/', "."), key, &place, spaces)?;
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

fn allow(dotted: &str, key: &str, place: &str, spaces: &Namespaces) -> Result<()> {
    let refuse = |why: &str| Err(invalid(place, format!("sysctl {key:?} {why}")));
    if IPC_KEYS.contains(&dotted) || dotted.starts_with("fs.mqueue.") {
        return if spaces.own(IPC) { Ok(()) } else { refuse("is not allowed in the hosts ipc namespace") };
    }
    if dotted.starts_with("net.") {
        return if spaces.own(NET) { Ok(()) } else { refuse("not allowed in host network namespace") };
    }
    if dotted.starts_with("user.") {
        return if spaces.own(NEWUSER) { Ok(()) } else { refuse("is not allowed without a user namespace") };
    }
    match dotted {
        "kernel.domainname" if spaces.own(NEWUTS) => Ok(()),
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
