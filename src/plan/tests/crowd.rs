// SPDX-License-Identifier: Apache-2.0
//! Which configs may leave a host's very many mounts at once.

use super::*;

fn asks(case: &Case) -> bool {
    questions(&case.spec().unwrap(), case.options.no_pivot).crowd
}

#[test]
fn what_has_no_need_of_the_hosts_paths_may() {
    let hook = json!([{ "path": "/bin/true" }]);
    let bind = json!({ "destination": "/data", "source": "/data", "options": ["rbind", "rslave"] });
    for case in [
        Case::new(),
        Case::of(include_str!("docker.json"))
            .set("/hooks", json!({ "startContainer": hook, "poststop": hook })),
        Case::small().set("/mounts/-", bind),
        Case::small().set("/linux/rootfsPropagation", json!("rprivate")),
        Case::small().joined("network").joined("pid"),
    ] {
        assert!(asks(&case), "{}", case.config);
    }
}

#[test]
fn what_has_may_not() {
    let hook = json!([{ "path": "/bin/true" }]);
    let overlay = json!({ "destination": "/data", "type": "overlay", "options": ["lowerdir=/a:/b"] });
    let own = json!({ "destination": "/data", "source": "/proc/self/fd/5", "options": ["bind"] });
    let bind = |n| json!({ "destination": format!("/{n}"), "source": "/data", "options": ["bind"] });
    let many = (0..101).map(bind).collect::<Vec<_>>();
    let none = Case::small().set("/linux/namespaces", json!([]));
    for case in [
        Case::small().set("/mounts/-", overlay),
        Case::small().set("/mounts/-", own),
        Case::small().set("/mounts", json!(many)),
        Case::small().set("/hooks", json!({ "prestart": hook })),
        Case::small().set("/hooks", json!({ "createRuntime": hook })),
        Case::small().set("/hooks", json!({ "createContainer": hook })),
        Case::small().set("/linux/rootfsPropagation", json!("shared")),
        Case::small().set("/linux/rootfsPropagation", json!("unbindable")),
        Case::small().set("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0")),
        Case::small().with(|options| options.no_pivot = true),
        Case::small().userns(),
        Case::small().joined("user"),
        none.joined("mount"),
    ] {
        assert!(!asks(&case), "{}", case.config);
    }
}

/// A hierarchy where nobody has it: what shows the cgroups could not be taken along.
#[test]
fn unusual_cgroups_keep_the_copy() {
    let crowded = |host: &mut Host| host.kdevtmpfs = Some("/proc/25/ns/mnt".into());
    let copies =
        |case: Case| !case.plan().unwrap().steps.iter().any(|p| matches!(p.step, Step::KernelsMounts { .. }));
    assert!(!copies(Case::new().on(crowded)));
    assert!(copies(
        Case::new().on(crowded).on(|host| host.cgroups.hierarchies[1].mount = "/cgroup/memory".into())
    ));
}
