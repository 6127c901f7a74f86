// SPDX-License-Identifier: Apache-2.0
//! `exec --cgroup`, and where a process goes when the container has moved itself.
use std::fs;
use std::path::PathBuf;

use crate::harness::{Container, Output, cgroup_mounts};

fn exec(c: &Container, cgroups: &[&str], args: &[&str]) -> Output {
    let flags: Vec<_> = cgroups.iter().flat_map(|cgroup| ["--cgroup", *cgroup]).collect();
    c.exec(&flags, args)
}

/// The lines of /proc/self/cgroup, from the controllers on.
fn cgroups(c: &Container, cgroups: &[&str]) -> Vec<String> {
    let out = exec(c, cgroups, &["cat", "/proc/self/cgroup"]).ok().stdout();
    out.lines().map(|line| line.split_once(':').unwrap().1.to_owned()).collect()
}

/// The container's cgroup on a host with v2 alone.
fn v2(c: &Container) -> Option<PathBuf> {
    if cgroup_mounts().any(|mount| mount.fs == "cgroup") {
        eprintln!("skipped: cgroup v1 is in use here");
        return None;
    }
    let own = fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    Some(cgroup_mounts().next()?.at.join(own.lines().find_map(|line| line.strip_prefix("0::/"))?))
}

#[test]
fn of_v1_by_controller() {
    let c = Container::new().up();
    let (Some(memory), Some(cpu), Some(cpuacct)) = (c.cgroup("memory"), c.cgroup("cpu"), c.cgroup("cpuacct"))
    else {
        return eprintln!("skipped: no memory and cpu controllers of cgroup v1");
    };
    fs::create_dir(memory.join("submem")).unwrap();
    for dir in [cpu, cpuacct] {
        fs::create_dir_all(dir.join("subcpu")).unwrap();
    }
    let own = cgroups(&c, &[]);
    assert_eq!(cgroups(&c, &["/"]), own);
    let moved = cgroups(&c, &["memory:submem", "cpu,cpuacct:/subcpu"]);
    for (before, after) in own.iter().zip(&moved) {
        let (controllers, _) = before.split_once(':').unwrap();
        let expected = match controllers {
            "memory" => format!("{before}/submem"),
            cpu if cpu.starts_with("cpu") && cpu != "cpuset" => format!("{before}/subcpu"),
            _ => before.clone(),
        };
        assert_eq!(after, &expected);
    }
}

#[test]
fn that_cannot_be_joined() {
    let c = Container::new().up();
    for (cgroups, words) in [
        (&[".."][..], "bad sub cgroup path"),
        (&["whaaat:/"], "unknown controller"),
        (&["nonexistent"], "no such file or directory"),
        (&["cpu,:x"], "empty <controller> prefix"),
        (&["cpu:x", "y"], "missing <controller>: prefix"),
        (&["cpu:x", "cpu:y"], "specified multiple times"),
    ] {
        if !crate::harness::is_tare() && !["nonexistent", "whaaat:/"].contains(&cgroups[0]) {
            // runc 1.1 takes them for something else.
            continue;
        }
        exec(&c, cgroups, &["true"]).fails(255, words);
    }
}

/// What systemd or Docker in a container do: v2 lets no process into a cgroup whose children have controllers.
#[test]
fn of_v2_is_that_of_init_when_its_own_takes_no_process() {
    let c = Container::new().up();
    let Some(dir) = v2(&c) else { return };
    let sub = dir.join("sub");
    fs::create_dir(&sub).unwrap();
    fs::write(sub.join("cgroup.procs"), c.pid().to_string()).unwrap();
    let own = |suffix: &str| cgroups(&c, &[]).iter().any(|line| line.ends_with(&format!("{}{suffix}", c.id)));
    assert!(own(""));
    let controllers = fs::read_to_string(dir.join("cgroup.controllers")).unwrap();
    if !controllers.split_whitespace().any(|controller| controller == "memory") {
        return eprintln!("not looked at: no memory controller");
    }
    fs::write(dir.join("cgroup.subtree_control"), "+memory").unwrap();
    assert!(own("/sub"));
    exec(&c, &["/"], &["true"]).fails(255, "esource busy");
    exec(&c, &["sub"], &["true"]).ok();
}

#[test]
fn of_v2_is_that_of_init_when_its_own_is_gone() {
    let c = Container::new().up();
    let Some(dir) = v2(&c) else { return };
    let other = dir.with_extension("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("cgroup.procs"), c.pid().to_string()).unwrap();
    fs::remove_dir(&dir).unwrap();
    let seen = exec(&c, &[], &["cat", "/proc/self/cgroup"]);
    c.delete(&["--force"]).ok();
    fs::remove_dir(&other).unwrap();
    assert!(seen.ok().stdout().trim_end().ends_with(".other"));
}
