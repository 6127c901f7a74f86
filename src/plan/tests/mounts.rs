// SPDX-License-Identifier: Apache-2.0
//! What is refused of `mounts`.

use super::refusals::refused;
use super::*;

fn mount(destination: &str, kind: &str, options: &[&str]) -> Value {
    json!({ "destination": destination, "type": kind, "source": "/src", "options": options })
}

fn with(mut mount: Value, key: &str, value: Value) -> Value {
    mount[key] = value;
    mount
}

#[test]
fn mounts() {
    let new = "/mounts/-";
    let inside = "it is inside /proc (config.json: /mounts/2/destination)";
    refused(
        Case::small,
        &[
            (new, mount("/", "tmpfs", &[]), "on the root itself (config.json: /mounts/2/destination)"),
            (
                new,
                mount("/a/..", "none", &["bind"]),
                "on the root itself (config.json: /mounts/2/destination)",
            ),
            (new, mount("", "tmpfs", &[]), "needs a destination (config.json: /mounts/2/destination)"),
            (
                new,
                mount("/a\0b", "tmpfs", &[]),
                "(config.json: /mounts/2/destination): it contains a NUL byte",
            ),
            (new, mount("/proc/self/attr", "tmpfs", &[]), inside),
            (new, mount("/proc/sys", "none", &["bind"]), inside),
            (new, mount("/./proc//sys", "tmpfs", &[]), inside),
            (new, mount("proc/sys", "tmpfs", &[]), inside),
            (new, mount("/a/../proc/sys", "tmpfs", &[]), inside),
            (new, mount("/proc/cpuinfo/../sys", "tmpfs", &[]), inside),
            (new, mount("/a", "", &[]), "needs a type (config.json: /mounts/2/type)"),
            (
                new,
                json!({ "destination": "/a", "source": "/b" }),
                "needs a type (config.json: /mounts/2/type)",
            ),
            (new, mount("/a", "t\0", &[]), "(config.json: /mounts/2/type): it contains a NUL byte"),
            (
                new,
                mount("/a", "tmpfs", &["size=\0"]),
                "(config.json: /mounts/2/options): it contains a NUL byte",
            ),
            (
                new,
                mount("/a", "none", &["bind", "size=1k"]),
                "options applied: size (config.json: /mounts/2/options)",
            ),
            (new, mount("/a", "none", &["bind", "x"]), "options applied: x (config.json: /mounts/2/options)"),
            (
                new,
                with(mount("/a", "none", &["bind"]), "source", json!("")),
                "needs a source (config.json: /mounts/2/source)",
            ),
            (
                new,
                with(mount("/a", "none", &["bind"]), "source", json!("a\0")),
                "(config.json: /mounts/2/source)",
            ),
        ],
    );
}

#[test]
fn id_mapped_mounts() {
    let ids = json!([{ "containerID": 0, "hostID": 1, "size": 1 }]);
    let both = |mount: Value| with(with(mount, "uidMappings", ids.clone()), "gidMappings", ids.clone());
    let bind = || mount("/a", "none", &["bind"]);
    let new = "/mounts/-";
    let both_lists = "must have both uid and gid mappings specified (config.json: /mounts/2)";
    let no_bind = "only supported for bind-mounts (config.json: /mounts/2)";
    let empty = json!([{ "containerID": 0, "hostID": 1, "size": 0 }]);
    refused(
        Case::small,
        &[
            (new, mount("/a", "none", &["bind", "ridmap"]), both_lists),
            (new, with(bind(), "uidMappings", ids.clone()), both_lists),
            (new, with(bind(), "gidMappings", ids.clone()), both_lists),
            (new, both(mount("/a", "tmpfs", &[])), no_bind),
            (new, mount("/a", "tmpfs", &["idmap"]), no_bind),
            (new, with(both(bind()), "gidMappings", empty), "(config.json: /mounts/2/gidMappings/0/size)"),
        ],
    );
    let rootless = Case::small().on(|host| host.privileged = false).set(new, both(bind()));
    let error = rootless.plan().unwrap_err().to_string();
    assert!(error.contains("not supported for rootless containers (config.json: /mounts/2)"), "{error}");
}

/// What lxcfs mounts, and names that only begin like those that are forbidden.
#[test]
fn mounts_that_are_not_inside_proc() {
    for destination in ["/proc/cpuinfo", "/proc/../process", "/process/x", "/a/proc/sys", "/proc/"] {
        let mount = json!({ "destination": destination, "source": "/x", "options": ["bind"] });
        let plan = Case::small().set("/mounts/-", mount).plan();
        assert!(plan.is_ok(), "{destination}: {plan:?}");
    }
}
