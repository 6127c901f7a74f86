// SPDX-License-Identifier: Apache-2.0
//! What is accepted of the broken configs, once for real: `create` works or says why not, and nothing is left.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::accepted;
use crate::decide::full;
use crate::harness::{Container, cgroup_mounts, only_tare};
use crate::mutate::with;

/// The full config, as far as this machine has what it asks for.
fn possible(c: &Container) -> Value {
    let mut config = full();
    config["linux"]["cgroupsPath"] = json!(format!("/{}", c.id));
    config["linux"]["devices"][0]["path"] = json!("/dev/full");
    // Controllers that not every machine has.
    let has = |name: &str| cgroup_mounts().any(|m| m.data.split(',').any(|option| option == name));
    let resources = config["linux"]["resources"].as_object_mut().unwrap();
    for (property, controllers) in
        [("hugepageLimits", &["hugetlb"][..]), ("network", &["net_cls", "net_prio"]), ("blockIO", &["blkio"])]
    {
        if !controllers.iter().all(|name| has(name)) {
            resources.remove(property);
        }
    }
    // A disk that there is, and a filter that lets init live.
    let has_sectors = |disk: &fs::DirEntry| {
        fs::read_to_string(disk.path().join("size")).is_ok_and(|size| size.trim() != "0")
    };
    if let Some(disk) = fs::read_dir("/sys/block").unwrap().flatten().find(has_sectors) {
        let numbers = fs::read_to_string(disk.path().join("dev")).unwrap();
        let (major, minor) = numbers.trim().split_once(':').unwrap();
        let numbers = [("major", major), ("minor", minor)];
        let device = &mut config["linux"]["resources"]["blockIO"]["throttleReadBpsDevice"][0];
        for (name, number) in numbers {
            device[name] = json!(number.parse::<u32>().unwrap());
        }
    }
    config["linux"]["seccomp"]["defaultAction"] = json!("SCMP_ACT_ALLOW");
    config["linux"]["seccomp"]["syscalls"][0]["action"] = json!("SCMP_ACT_ERRNO");
    config["mounts"][2]["source"] = json!(c.path("data"));
    fs::create_dir_all(c.path("data")).unwrap();
    config
}

fn nothing_is_left(c: &Container, what: &str) {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let left = c.left();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "{what}: left behind: {left:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn each(part: usize) {
    // A user namespace's root must be able to get at it.
    let c = Container::new().userns();
    let (config, mut made, mut all) = (possible(&c), 0, 0);
    for (n, (place, kind)) in accepted::all().enumerate() {
        if n % 2 != part || config.pointer(place).is_none() {
            continue;
        }
        let (_, text) = crate::mutate::replacements().into_iter().find(|(name, _)| *name == kind).unwrap();
        fs::write(c.path("config.json"), with(&config, place, &text)).unwrap();
        let (out, what) = (c.create(&[]), format!("{place} is {kind}"));
        let err = out.stderr();
        assert!(out.code >= 0 && out.code != 101 && !err.contains("panicked"), "{what}: {}: {err}", out.code);
        all += 1;
        if out.code == 0 {
            made += 1;
            c.delete(&["--force"]).ok();
        } else {
            assert!(!err.trim().is_empty(), "{what}: {} without a word", out.code);
            eprintln!("{what}: {}", err.trim());
        }
        nothing_is_left(&c, &what);
    }
    eprintln!("{all} configs: {made} made");
    assert!(made > all / 2, "{made} of {all}");
    for cgroup in ["x", "text"] {
        let left = ["memory", "pids", "unified", "."].map(|dir| format!("/sys/fs/cgroup/{dir}/{cgroup}"));
        assert!(!left.iter().any(|path| fs::exists(path).unwrap()), "a cgroup {cgroup} is left");
    }
}

#[test]
fn half_of_the_accepted() {
    only_tare!("the list is of what tare accepts");
    each(0);
}

#[test]
fn the_other_half_of_the_accepted() {
    only_tare!("as above");
    each(1);
}
