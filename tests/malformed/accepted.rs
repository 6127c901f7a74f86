// SPDX-License-Identifier: Apache-2.0
//! What is accepted of the replacements, and why.

struct Accepted {
    why: &'static str,
    kinds: &'static [&'static str],
    places: &'static [&'static str],
}

pub(crate) fn reason(place: &str, kind: &str) -> Option<&'static str> {
    let of_both = |row: &&Accepted| row.places.contains(&place) && row.kinds.contains(&kind);
    ACCEPTED.iter().find(of_both).map(|row| row.why)
}

/// Every place with each kind.
pub(crate) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ACCEPTED
        .iter()
        .flat_map(|row| row.places.iter().flat_map(|place| row.kinds.iter().map(|kind| (*place, *kind))))
}

const TEXT: &str =
    "free text, or a name that only the kernel, the image or the host can know: `create` fails where they do";
const UNKNOWN: &str = "an object of nothing known: the specification has unknown properties ignored";
const EMPTY: &str = "a list of nothing";
const VALUE: &str = "a value that the property may have";
const UNLIMITED: &str = "no limit, to the kernel and as for memory; the specification has no negative one";
const NAMES: &str = "a system call that this machine does not know is passed over, as in runc";
const BIND: &str = "the type of a bind mount is ignored, as mount(2) does";
const VERSION: &str = "not looked at, as in runc 1.1 and 1.2";
const CAPABILITIES: &str = "an unknown capability is passed over with a warning, as in runc";
const ROOT: &str = "given apart here; `create` refuses what is no directory";

#[rustfmt::skip]
const ACCEPTED: &[Accepted] = &[
    Accepted { why: TEXT, kinds: &["text", "empty text", "a NUL", "a newline", "dots"], places: &["/annotations/a"] },
    Accepted { why: TEXT, kinds: &["text", "empty text", "a newline", "dots"], places: &[
        "/domainname", "/hooks/prestart/0/args/0", "/hooks/prestart/0/env/0", "/hostname", "/linux/resources/cpu/cpus",
        "/linux/resources/cpu/mems", "/linux/sysctl/net.ipv4.ip_forward", "/mounts/0/source", "/mounts/1/options/0",
        "/mounts/1/options/1", "/mounts/1/source", "/mounts/2/options/0",
    ] },
    Accepted { why: TEXT, kinds: &["text", "empty text", "dots"], places: &["/linux/cgroupsPath"] },
    Accepted { why: TEXT, kinds: &["text", "dots"], places: &["/linux/resources/network/priorities/0/name"] },
    Accepted { why: TEXT, kinds: &["empty text"], places: &["/linux/rootfsPropagation"] },
    Accepted { why: TEXT, kinds: &["text", "a newline", "dots"], places: &[
        "/mounts/0/destination", "/mounts/1/destination", "/mounts/1/type", "/mounts/2/destination", "/mounts/2/source",
        "/process/args/0",
    ] },
    Accepted { why: UNKNOWN, kinds: &["{x}"], places: &[
        "/hooks", "/linux/resources", "/linux/resources/blockIO", "/linux/resources/blockIO/throttleReadBpsDevice/0",
        "/linux/resources/cpu", "/linux/resources/memory", "/linux/resources/network", "/linux/resources/pids",
        "/process/capabilities", "/process/consoleSize", "/process/ioPriority", "/process/user", "/root",
    ] },
    Accepted { why: EMPTY, kinds: &["nothing"], places: &[
        "/hooks/createContainer/0", "/hooks/poststop/0", "/hooks/prestart/0", "/hooks/prestart/0/args/0",
        "/hooks/prestart/0/env/0", "/linux/devices/0", "/linux/maskedPaths/0", "/linux/readonlyPaths/0",
        "/linux/resources/blockIO/throttleReadBpsDevice/0", "/linux/resources/hugepageLimits/0",
        "/linux/resources/network/priorities/0", "/linux/seccomp/architectures/0", "/linux/seccomp/syscalls/0",
        "/linux/seccomp/syscalls/0/args/0", "/process/capabilities/bounding/0", "/process/capabilities/effective/0",
        "/process/capabilities/permitted/0", "/process/rlimits/0", "/process/user/additionalGids/0",
    ] },
    Accepted { why: VALUE, kinds: &["7", "2^32"], places: &[
        "/hooks/poststop/0/timeout", "/hooks/prestart/0/timeout",
        "/linux/resources/blockIO/throttleReadBpsDevice/0/rate", "/linux/resources/cpu/period",
        "/linux/seccomp/syscalls/0/args/0/value", "/linux/seccomp/syscalls/0/args/0/valueTwo",
        "/process/consoleSize/height", "/process/consoleSize/width",
    ] },
    Accepted { why: VALUE, kinds: &["7"], places: &[
        "/linux/devices/0/fileMode", "/linux/devices/0/gid", "/linux/devices/0/major", "/linux/devices/0/minor",
        "/linux/devices/0/uid", "/linux/gidMappings/0/hostID", "/linux/resources/blockIO/weight",
        "/linux/resources/cpu/shares", "/linux/resources/memory/swappiness", "/linux/resources/network/classID",
        "/linux/resources/network/priorities/0/priority", "/linux/seccomp/defaultErrnoRet",
        "/linux/uidMappings/0/containerID", "/linux/uidMappings/0/hostID", "/process/ioPriority/priority",
        "/process/rlimits/0/soft", "/process/user/additionalGids/0", "/process/user/gid", "/process/user/uid",
        "/process/user/umask",
    ] },
    Accepted { why: VALUE, kinds: &["7", "-1", "2^32"], places: &[
        "/linux/resources/blockIO/throttleReadBpsDevice/0/major",
        "/linux/resources/blockIO/throttleReadBpsDevice/0/minor", "/linux/resources/cpu/quota",
        "/linux/resources/memory/reservation", "/linux/resources/pids/limit",
    ] },
    Accepted { why: VALUE, kinds: &["7", "2^32"], places: &["/linux/resources/hugepageLimits/0/limit"] },
    Accepted { why: UNLIMITED, kinds: &["-1"], places: &["/linux/resources/hugepageLimits/0/limit"] },
    Accepted { why: VALUE, kinds: &["true"], places: &[
        "/linux/resources/devices/0/allow", "/linux/resources/devices/1/allow",
        "/linux/resources/memory/disableOOMKiller", "/process/noNewPrivileges", "/process/terminal", "/root/readonly",
    ] },
    Accepted { why: VALUE, kinds: &["7", "-1"], places: &[
        "/linux/resources/devices/1/major", "/linux/resources/devices/1/minor", "/linux/resources/memory/limit",
        "/process/oomScoreAdj", "/process/scheduler/nice",
    ] },
    Accepted { why: VALUE, kinds: &["-1", "2^32"], places: &["/linux/resources/memory/swap"] },
    Accepted { why: VALUE, kinds: &["2^32"], places: &["/process/rlimits/0/hard"] },
    Accepted { why: VALUE, kinds: &["[1]"], places: &["/process/user/additionalGids"] },
    Accepted { why: NAMES, kinds: &["text", "a NUL", "a newline", "dots"], places: &[
        "/linux/seccomp/syscalls/0/names/0", "/linux/seccomp/syscalls/0/names/1",
    ] },
    Accepted { why: BIND, kinds: &["text", "empty text", "a NUL", "a newline", "dots"], places: &["/mounts/2/type"] },
    Accepted { why: VERSION, kinds: &["text", "empty text", "a NUL", "a newline", "dots"], places: &["/ociVersion"] },
    Accepted { why: CAPABILITIES, kinds: &["text", "empty text", "a NUL", "a newline", "dots"], places: &[
        "/process/capabilities/bounding/0", "/process/capabilities/effective/0", "/process/capabilities/permitted/0",
    ] },
    Accepted { why: ROOT, kinds: &["text", "empty text", "a NUL", "a newline", "dots"], places: &["/root/path"] },
];
