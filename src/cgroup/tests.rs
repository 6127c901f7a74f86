// SPDX-License-Identifier: Apache-2.0
//! On the real kernel, as root, in cgroups with names of their own. On a host without one of the versions
//! its tests have nothing to look at and pass.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::ffi::CStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::host::cgroup::{Cgroups, Hierarchy, Version};
use crate::plan::cgroup::{CgroupPlan, limits, plan};
use crate::sys::process::Cloned;

/// A plan for a cgroup that no other test has.
struct Case {
    plan: CgroupPlan,
    name: String,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Case {
    fn new(host: &Cgroups, resources: Value) -> Case {
        assert_eq!(sys::cred::effective_uid(), 0, "these tests need root");
        let name =
            format!("tare-cgroup-unit-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Case { plan: planned(host, &format!("/{name}"), resources), name }
    }

    fn paths(&self) -> Vec<String> {
        self.plan.paths().into_values().collect()
    }

    fn existing(&self) -> Vec<String> {
        self.paths().into_iter().filter(|path| std::path::Path::new(path).exists()).collect()
    }
}

/// A test that fails leaves nothing either, by means that it does not test.
impl Drop for Case {
    fn drop(&mut self) {
        let existing = self.existing();
        existing.iter().for_each(|path| thaw(std::path::Path::new(path)));
        existing.iter().for_each(|path| clear(std::path::Path::new(path)));
    }
}

fn thaw(dir: &std::path::Path) {
    for (file, value) in [("freezer.state", "THAWED"), ("cgroup.freeze", "0")] {
        if dir.join(file).exists() {
            let _ = std::fs::write(dir.join(file), value);
        }
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            thaw(&entry.path());
        }
    }
}

fn clear(dir: &std::path::Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear(&entry.path());
        }
    }
    for _ in 0..100 {
        let procs = std::fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for pid in procs.lines().filter_map(|line| line.parse().ok()).filter(|pid| *pid > 1) {
            let _ = sys::process::kill(pid, 9);
        }
        if std::fs::remove_dir(dir).is_ok() || !dir.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn planned(host: &Cgroups, path: &str, resources: Value) -> CgroupPlan {
    let linux = json!({ "cgroupsPath": path, "resources": resources });
    let spec = json!({ "ociVersion": "1.2.0", "root": { "path": "rootfs" }, "linux": linux });
    plan(&serde_json::from_value(spec).unwrap(), "unused", host, false, None).unwrap()
}

fn v1() -> Option<Cgroups> {
    let host = crate::host::cgroup::read().unwrap();
    (host.version != Version::V2).then_some(host)
}

/// The v2 hierarchy of this host, also that of a hybrid one, as if it were alone.
fn v2() -> Option<Cgroups> {
    let host = crate::host::cgroup::read().unwrap();
    let hierarchies: Vec<Hierarchy> =
        host.hierarchies.into_iter().filter(|h| h.controllers.is_empty()).collect();
    (!hierarchies.is_empty()).then(|| Cgroups { version: Version::V2, hierarchies, available: Vec::new() })
}

/// A child of ours; killed and reaped on drop.
struct Process(i32);

impl Process {
    /// Joins as a container's init does, then does `run`, then sleeps. The test runner has threads, so
    /// nothing here may allocate.
    fn start(join: &Join, run: impl FnOnce()) -> Process {
        match sys::process::clone(0, join.into_cgroup()).unwrap() {
            Cloned::Child => {
                for tasks in join.tasks() {
                    if sys::fs::write(tasks.as_fd(), b"0").is_err() {
                        sys::process::exit_now(101);
                    }
                }
                run();
                loop {
                    let _ = sys::signal::poll([None], [false], -1);
                }
            }
            Cloned::Parent { pid, .. } => Process(pid),
        }
    }

    /// Waits until /proc/PID/cgroup names the cgroup as often as there are hierarchies.
    fn is_in(&self, name: &str, hierarchies: usize) {
        eventually(|| {
            let text = std::fs::read_to_string(format!("/proc/{}/cgroup", self.0)).unwrap();
            text.lines().filter(|line| line.ends_with(&format!("/{name}"))).count() == hierarchies
        });
    }

    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).unwrap();
        stat.rsplit_once(") ").unwrap().1.chars().next().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = sys::process::kill(self.0, 9);
        // One that is frozen goes when its cgroup is cleared; do not wait for ever.
        let deadline = Instant::now() + Duration::from_secs(2);
        while self.state() != 'Z' && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.state() == 'Z' {
            let _ = sys::process::wait(self.0);
        }
    }
}

fn eventually(condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "it did not come about");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn value(cgroup: &Cgroup, controller: &str, file: &str) -> String {
    cgroup.value(controller, file).unwrap().trim().to_owned()
}

#[test]
fn the_kernel_shows_the_limits_of_v1() {
    let Some(host) = v1() else { return };
    let resources = json!({
        "memory": { "limit": 33_554_432, "reservation": 16_777_216, "swap": 67_108_864, "swappiness": 30,
            "disableOOMKiller": true },
        "cpu": { "shares": 512, "quota": 20_000, "period": 50_000, "burst": 1000, "cpus": "0", "mems": "0" },
        "pids": { "limit": 77 },
        "blockIO": { "throttleReadBpsDevice": [{ "major": 7, "minor": 0, "rate": 1_048_576 }],
            "throttleWriteIOPSDevice": [{ "major": 7, "minor": 0, "rate": 100 }] },
        "devices": [{ "allow": false, "access": "rwm" },
            { "allow": true, "type": "b", "major": 7, "minor": 0, "access": "r" }],
    });
    let case = Case::new(&host, resources);
    let made = make(&case.plan).unwrap();
    made.restrict_devices().unwrap();
    made.limit().unwrap();
    let expected = [
        ("memory", "memory.limit_in_bytes", "33554432"),
        ("memory", "memory.soft_limit_in_bytes", "16777216"),
        ("memory", "memory.memsw.limit_in_bytes", "67108864"),
        ("memory", "memory.swappiness", "30"),
        ("memory", "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 0"),
        ("cpu", "cpu.shares", "512"),
        ("cpu", "cpu.cfs_quota_us", "20000"),
        ("cpu", "cpu.cfs_period_us", "50000"),
        ("cpu", "cpu.cfs_burst_us", "1000"),
        ("cpuset", "cpuset.cpus", "0"),
        ("cpuset", "cpuset.mems", "0"),
        ("pids", "pids.max", "77"),
        ("blkio", "blkio.throttle.read_bps_device", "7:0 1048576"),
        ("blkio", "blkio.throttle.write_iops_device", "7:0 100"),
    ];
    for (controller, file, shown) in expected {
        assert_eq!(value(made.cgroup(), controller, file), shown, "{file}");
    }
    let list = crate::plan::cgroup::Devices::parse_list(&value(made.cgroup(), "devices", "devices.list"));
    assert_eq!(list.as_ref(), Some(&case.plan.limits.devices));
    assert!(value(made.cgroup(), "devices", "devices.list").contains("b 7:0 r\n"));
    drop(made);
    assert_eq!(case.existing(), [""; 0]);
}

#[test]
fn a_process_joins_by_itself_and_is_killed_and_nothing_is_left() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let made = make(&case.plan).unwrap();
        made.restrict_devices().unwrap();
        made.limit().unwrap();
        let process = Process::start(&made.cgroup().join().unwrap(), || {});
        process.is_in(&case.name, host.hierarchies.len());
        let cgroup = made.keep();
        assert_eq!(cgroup.pids().unwrap(), [process.0]);
        assert_eq!(cgroup.oom_kills(), 0);

        let again = open(&case.plan.paths()).unwrap();
        let other = Process::start(&again.join().unwrap(), || {});
        other.is_in(&case.name, host.hierarchies.len());
        again.kill_all().unwrap();
        for process in [process, other] {
            assert_eq!(sys::process::wait(process.0).unwrap(), sys::process::Exit::Signal(9));
            std::mem::forget(process);
        }
        again.remove().unwrap();
        assert_eq!(case.existing(), [""; 0]);
        again.remove().unwrap();
        open(&case.plan.paths()).unwrap().remove().unwrap();
    }
}

#[test]
fn frozen_processes_stop_and_can_be_thawed_and_killed() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let made = make(&case.plan).unwrap();
        // One that counts: whether it runs can be seen.
        let (read, write) = sys::fs::pipe().unwrap();
        let process = Process::start(&made.cgroup().join().unwrap(), || {
            loop {
                let _ = sys::fs::write(write.as_fd(), b".");
                let _ = sys::signal::poll([None], [false], 1);
            }
        });
        process.is_in(&case.name, host.hierarchies.len());
        let cgroup = made.keep();
        let ticks = || sys::fs::bytes_waiting(read.as_fd()).unwrap();
        eventually(|| ticks() > 0);

        assert!(!cgroup.is_frozen().unwrap());
        cgroup.freeze().unwrap();
        assert!(cgroup.is_frozen().unwrap());
        let before = ticks();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(ticks(), before);
        cgroup.thaw().unwrap();
        assert!(!cgroup.is_frozen().unwrap());
        eventually(|| ticks() > before);

        // A cgroup of the container's own, frozen apart, with a process in it.
        let inner = cgroup.dir("freezer").unwrap().path() + "/inner";
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(format!("{inner}/cgroup.procs"), process.0.to_string()).unwrap();
        open(&[(cgroup.dir("freezer").unwrap().controllers().to_owned(), inner)].into())
            .unwrap()
            .freeze()
            .unwrap();
        cgroup.freeze().unwrap();
        cgroup.kill_all().unwrap();
        eventually(|| process.state() == 'Z');
        cgroup.remove().unwrap();
        assert_eq!(case.existing(), [""; 0]);
    }
}

#[test]
fn without_cgroup_kill_each_process_is_found_and_killed() {
    let Some(mut host) = v1() else { return };
    host.hierarchies.retain(|h| !h.controllers.is_empty());
    host.version = Version::V1;
    let case = Case::new(&host, json!({}));
    let cgroup = make(&case.plan).unwrap().keep();
    let processes: Vec<_> = (0..3).map(|_| Process::start(&cgroup.join().unwrap(), || {})).collect();
    processes.iter().for_each(|process| process.is_in(&case.name, host.hierarchies.len()));
    cgroup.kill_all().unwrap();
    eventually(|| processes.iter().all(|process| process.state() == 'Z'));
    cgroup.remove().unwrap();
    assert_eq!(case.existing(), [""; 0]);
}

#[test]
fn a_cgroup_in_use_is_refused_and_left_alone() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        refuse_used(&case.plan).unwrap();
        let cgroup = make(&case.plan).unwrap().keep();
        let process = Process::start(&cgroup.join().unwrap(), || {});
        process.is_in(&case.name, host.hierarchies.len());
        for error in [refuse_used(&case.plan).unwrap_err(), make(&case.plan).err().unwrap()] {
            assert!(
                error.to_string().contains("container's cgroup is not empty: 1 process(es) found"),
                "{error}"
            );
        }
        drop(process);
        cgroup.freeze().unwrap();
        for error in [refuse_used(&case.plan).unwrap_err(), make(&case.plan).err().unwrap()] {
            assert!(error.to_string().contains("container's cgroup unexpectedly frozen"), "{error}");
        }
        cgroup.thaw().unwrap();
        assert_eq!(case.existing(), case.paths());
        // An empty one may be used, and outlives a failed create.
        drop(make(&case.plan).unwrap());
        assert_eq!(case.existing(), case.paths());
        cgroup.remove().unwrap();
    }
}

#[test]
fn a_create_that_fails_leaves_nothing() {
    let Some(host) = v1() else { return };
    let case = Case::new(&host, json!({ "cpu": { "cpus": "4000" } }));
    let error = make(&case.plan).err().unwrap().to_string();
    assert!(error.contains("\"4000\"") && error.contains("/linux/resources/cpu/cpus"), "{error}");
    assert_eq!(case.existing(), [""; 0]);

    let deep = planned(&host, &format!("/{}/a/b", case.name), json!({ "cpu": { "cpus": "4000" } }));
    make(&deep).err().unwrap();
    assert_eq!(case.existing(), [""; 0]);
}

#[test]
fn ancestors_are_made_and_a_cpuset_is_filled_all_the_way_down() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let deep = planned(&host, &format!("/{}/a/b", case.name), json!({}));
        let cgroup = make(&deep).unwrap().keep();
        let process = Process::start(&cgroup.join().unwrap(), || {});
        process.is_in(&format!("{}/a/b", case.name), host.hierarchies.len());
        drop(process);
        if host.version != Version::V2 {
            let root = host.hierarchies.iter().find(|h| h.has("cpuset")).unwrap();
            for file in ["cpuset.cpus", "cpuset.mems"] {
                let expected = std::fs::read_to_string(format!("{}/{file}", root.mount)).unwrap();
                assert_eq!(value(&cgroup, "cpuset", file), expected.trim());
            }
        }
        // Removes what is below, too.
        open(&case.plan.paths()).unwrap().remove().unwrap();
        assert_eq!(case.existing(), [""; 0]);
    }
}

#[test]
fn a_failed_create_takes_no_cgroup_of_another_container() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let [ours, theirs] =
            ["a", "b"].map(|leaf| planned(&host, &format!("/{}/{leaf}", case.name), json!({})));
        let made = make(&ours).unwrap();
        let other = make(&theirs).unwrap().keep();
        drop(made);
        other.join().unwrap();
        open(&case.plan.paths()).unwrap().remove().unwrap();
        assert_eq!(case.existing(), [""; 0]);
    }
}

#[test]
fn a_cgroup_that_stays_busy_is_told_with_its_processes() {
    let Some(host) = v2() else { return };
    let case = Case::new(&host, json!({}));
    let cgroup = make(&case.plan).unwrap().keep();
    let process = Process::start(&cgroup.join().unwrap(), || {});
    let error = cgroup.remove().unwrap_err().to_string();
    assert!(error.contains(&format!("processes still in it: [{}]", process.0)), "{error}");
    drop(process);
    cgroup.remove().unwrap();
}

#[test]
fn a_process_that_is_about_to_end_is_waited_for() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let cgroup = make(&case.plan).unwrap().keep();
        let process = Process::start(&cgroup.join().unwrap(), || {
            let _ = sys::signal::poll([None], [false], 200);
            sys::process::exit_now(0);
        });
        process.is_in(&case.name, host.hierarchies.len());
        cgroup.remove().unwrap();
        assert_eq!(case.existing(), [""; 0]);
    }
}

/// sysfs lets nobody make a directory, as a cgroup filesystem does with a caller without rights.
#[test]
fn a_rootless_caller_without_rights_goes_on_without_limits_only() {
    for host in [v1(), v2()].into_iter().flatten() {
        let is_v2 = host.version == Version::V2;
        let mut case = Case::new(&host, json!({}));
        let index = case.plan.places.iter().position(|p| is_v2 || p.has("pids")).unwrap();
        case.plan.places[index].mount = "/sys/fs".to_owned();
        let error = make(&case.plan).err().unwrap().to_string();
        let expected = "unable to apply cgroup configuration: unable to make the cgroup /sys/fs/";
        assert!(error.starts_with(expected) && error.ends_with("operation not permitted"), "{error}");

        case.plan.optional = true;
        case.plan.limits.devices_optional = true;
        let made = make(&case.plan).unwrap();
        assert_eq!(made.cgroup().dirs.len(), case.plan.places.len() - 1);
        made.restrict_devices().unwrap();
        made.limit().unwrap();
        drop(made);
        case.plan.limits.writes = planned(&host, "/x", json!({ "pids": { "limit": 5 } })).limits.writes;
        let error = make(&case.plan).and_then(|made| made.limit()).unwrap_err().to_string();
        let words = if is_v2 { "rootless needs no limits + no cgrouppath" } else { "cannot set pids limit" };
        assert!(error.contains(words), "{error}");
        assert_eq!(case.existing(), [""; 0]);
    }
}

#[test]
fn the_state_can_name_nothing_but_cgroups() {
    let Some(host) = v2() else { return };
    let mount = &host.hierarchies[0].mount;
    let open = |path: &str| super::open(&[(String::new(), path.to_owned())].into());
    for path in ["/tmp/x", "relative", "/", &format!("{mount}/../x"), &format!("{mount}/a//b"), mount] {
        assert!(open(path).is_err(), "{path}");
    }
    let link = std::env::temp_dir().join(format!("tare-cgroup-unit-link-{}", std::process::id()));
    std::os::unix::fs::symlink(mount, &link).unwrap();
    let through_link = open(&format!("{}/x", link.display()));
    std::fs::remove_file(&link).unwrap();
    assert!(through_link.is_err());
    assert!(open(&format!("{mount}/tare-cgroup-unit-absent/x")).unwrap().dirs.is_empty());
}

#[test]
fn a_sub_cgroup_stays_below_the_container() {
    let Some(host) = v2() else { return };
    let case = Case::new(&host, json!({}));
    let cgroup = make(&case.plan).unwrap().keep();
    let below = |controller: &str, path: &str| {
        open(&case.plan.paths()).unwrap().below(&BTreeMap::from([(controller.into(), path.into())]))
    };
    for path in ["..", "../x", "a/../../x", "/.."] {
        let error = below("", path).err().unwrap();
        assert!(error.to_string().contains("bad sub cgroup path"), "{error}");
    }
    let error = below("cpu", "/").err().unwrap().to_string();
    assert!(error.contains("unknown controller cpu"), "v2 has no hierarchy of its own for it: {error}");
    assert!(below("", "absent").unwrap().join().is_err());
    std::fs::create_dir(format!("{}/sub", case.paths()[0])).unwrap();
    for (path, name) in [("sub", "/sub"), ("/x/..//./sub/", "/sub"), ("/", ""), ("", "")] {
        let process = Process::start(&below("", path).unwrap().join().unwrap(), || {});
        process.is_in(&format!("{}{name}", case.name), 1);
        // And so is who follows it.
        let follower =
            Process::start(&Join { tasks: Vec::new(), unified: birth_place_of(process.0).ok() }, || {});
        follower.is_in(&format!("{}{name}", case.name), 1);
        drop((process, follower));
    }
    cgroup.remove().unwrap();
}

#[test]
fn sub_cgroups_of_v1_are_chosen_by_controller() {
    let dirs = ["memory", "cpu,cpuacct", "pids"].map(|name| Dir::new(name, "/base", "own"));
    let paths = [("cpu", "x"), ("cpuacct", "x"), ("pids", "/y/../z")];
    let paths = paths.map(|(controller, path)| (controller.to_owned(), path.to_owned()));
    let below = Cgroup { dirs: dirs.into(), unit: None }.below(&BTreeMap::from(paths)).unwrap();
    let paths: Vec<_> = below.dirs.iter().map(Dir::relative).collect();
    assert_eq!(paths, ["own", "own/x", "own/z"]);
}

#[test]
fn an_update_finds_the_order_that_the_kernel_takes_and_is_taken_back() {
    let Some(host) = v1() else { return };
    let limited = |memory: i64, swap: i64, quota: i64, period: u64| {
        json!({ "memory": { "limit": memory, "swap": swap }, "cpu": { "quota": quota, "period": period },
            "pids": { "limit": 10 } })
    };
    let set =
        |resources: Value| limits(Some(&serde_json::from_value(resources).unwrap()), host.version).unwrap();
    let small = limited(16 << 20, 32 << 20, 10_000, 100_000);
    let case = Case::new(&host, small.clone());
    let made = make(&case.plan).unwrap();
    made.restrict_devices().unwrap();
    made.limit().unwrap();
    let cgroup = made.cgroup();
    let shown = || {
        ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "cpu.cfs_quota_us", "cpu.cfs_period_us"]
            .map(|file| value(cgroup, &file[..file.find('.').unwrap()], file).parse::<i64>().unwrap())
    };
    // Above the old memory+swap, then below the old memory.
    for (memory, swap, quota, period) in
        [(64 << 20, 128 << 20, 10_000, 1000), (8 << 20, 12 << 20, 10_000, 100_000)]
    {
        cgroup.update(&set(limited(memory, swap, quota, period)), &case.plan.limits.devices).unwrap();
        assert_eq!(shown(), [memory, swap, quota, period.cast_signed()]);
    }
    cgroup.update(&set(small.clone()), &case.plan.limits.devices).unwrap();
    let mut broken = limited(64 << 20, 128 << 20, 20_000, 50_000);
    broken["blockIO"] = json!({ "throttleReadBpsDevice": [{ "major": 4095, "minor": 9, "rate": 1 }] });
    broken["devices"] = json!([{ "allow": true, "type": "b", "major": 7, "access": "r" }]);
    let devices = value(cgroup, "devices", "devices.list");
    let error = cgroup.update(&set(broken), &case.plan.limits.devices).unwrap_err().to_string();
    assert!(error.contains("/linux/resources/blockIO/throttleReadBpsDevice/0/rate"), "{error}");
    assert_eq!(shown(), [16 << 20, 32 << 20, 10_000, 100_000]);
    let lines = |list: &str| list.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(lines(&value(cgroup, "devices", "devices.list")), lines(&devices));
}

/// What a process in the cgroup gets when it opens a device: one character a path, for "it may", "it may
/// not" and anything else.
/// As a start does, all at once.
fn make(plan: &CgroupPlan) -> Result<Made<'_>> {
    let (mut made, _) = create(plan)?;
    if plan.has_v1() {
        made.add_v1()?;
    }
    Ok(made)
}

fn tries(join: &Join, paths: [&CStr; 3]) -> String {
    let (read, write) = sys::fs::pipe().unwrap();
    let process = Process::start(join, || {
        for path in paths {
            let answer = match sys::fs::open(path, O_RDONLY) {
                Ok(_) => b"y",
                Err(Errno::EPERM) => b"n",
                Err(_) => b"?",
            };
            let _ = sys::fs::write(write.as_fd(), answer);
        }
    });
    let mut answers = [0; 3];
    eventually(|| sys::fs::bytes_waiting(read.as_fd()).unwrap() == answers.len());
    sys::fs::read(read.as_fd(), &mut answers).unwrap();
    drop(process);
    String::from_utf8(answers.to_vec()).unwrap()
}

#[test]
fn devices_are_shut_unless_a_rule_opens_them() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let made = make(&case.plan).unwrap();
        made.restrict_devices().unwrap();
        made.limit().unwrap();
        let paths = [c"/dev/null", c"/dev/kmsg", c"/dev/urandom"];
        assert_eq!(tries(&made.cgroup().join().unwrap(), paths), "yny", "{:?}", host.version);
        let resources =
            json!({ "devices": [{ "allow": true, "type": "c", "major": 1, "minor": 11, "access": "r" }] });
        let open = limits(Some(&serde_json::from_value(resources).unwrap()), host.version).unwrap();
        made.cgroup().update(&open, &case.plan.limits.devices).unwrap();
        assert_eq!(tries(&made.cgroup().join().unwrap(), paths), "yyy", "{:?}", host.version);
        made.cgroup().update(&case.plan.limits, &open.devices).unwrap();
        assert_eq!(tries(&made.cgroup().join().unwrap(), paths), "yny", "{:?}", host.version);
        if host.version == Version::V2 {
            let dir = made.cgroup().unified().unwrap().open("", O_RDONLY).unwrap();
            let attached = || sys::device::attached(dir.as_fd()).unwrap().len();
            assert_eq!(attached(), 1, "replaced, not added");
            let other = sys::device::load(&crate::plan::cgroup::compile(&case.plan.limits.devices)).unwrap();
            sys::device::attach(dir.as_fd(), other.as_fd(), None).unwrap();
            assert_eq!(attached(), 2);
            made.cgroup().update(&open, &case.plan.limits.devices).unwrap();
            assert_eq!(tries(&made.cgroup().join().unwrap(), paths), "yyy");
            assert_eq!(attached(), 1);
        }
    }
}

#[test]
fn an_oom_kill_is_counted() {
    let Some(host) = v1() else { return };
    let case = Case::new(&host, json!({ "memory": { "limit": 16 << 20, "swap": 16 << 20 } }));
    let made = make(&case.plan).unwrap();
    made.restrict_devices().unwrap();
    made.limit().unwrap();
    assert_eq!(made.cgroup().oom_kills(), 0);
    // tail keeps what it reads until a line ends, and here none does.
    let mut child = std::process::Command::new("sh")
        .args(["-c", "read go; exec tail /dev/zero"])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let procs = made.cgroup().dir("memory").unwrap().path() + "/cgroup.procs";
    std::fs::write(procs, child.id().to_string()).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"\n").unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
    assert_eq!(made.cgroup().oom_kills(), 1);
}

#[test]
fn a_v2_controller_that_is_missing_is_named() {
    let Some(host) = v2() else { return };
    let case = Case::new(&host, json!({ "unified": { "absent.max": "1" } }));
    let made = make(&case.plan).unwrap();
    let error = made.limit().unwrap_err().to_string();
    assert!(error.contains("controller \"absent\" not available"), "{error}");
    assert!(error.contains("/linux/resources/unified/absent.max"), "{error}");
}

/// Also on a v2 hierarchy without a single controller: what is not there is zero, and what is there is told.
#[test]
fn what_a_process_uses_is_counted() {
    for host in [v1(), v2()].into_iter().flatten() {
        let case = Case::new(&host, json!({}));
        let made = make(&case.plan).unwrap();
        let process = Process::start(&made.cgroup().join().unwrap(), || {});
        process.is_in(&case.name, host.hierarchies.len());
        let seen = serde_json::to_value(made.cgroup().stats().unwrap()).unwrap();
        assert_eq!(seen["pids"], json!({ "current": 1, "limit": 0 }), "{:?}", host.version);
        assert!(seen["cpu"]["usage"]["total"].is_u64(), "{seen}");
        let mut watch = made.cgroup().watch_oom().unwrap();
        let init = sys::process::pidfd_open(process.0).unwrap();
        let mut wait = || watch.wait(init.as_fd(), Duration::from_millis(1)).unwrap();
        assert_eq!(wait(), Woken { oom: 0, ended: false });
        sys::process::kill(process.0, 9).unwrap();
        eventually(|| process.state() == 'Z');
        assert_eq!(wait(), Woken { oom: 0, ended: true });
        drop(process);
    }
}

#[test]
fn a_path_below_the_mount_is_systemds() {
    for hierarchy in cgroup::read().unwrap_or_else(|e| panic!("{e}")).hierarchies {
        let mount = &hierarchy.mount;
        for (base, relative) in [(mount.clone(), "a.slice/b.scope"), (format!("{mount}/a.slice"), "b.scope")]
        {
            assert_eq!(Dir::new("", &base, relative).below_mount(), Ok("/a.slice/b.scope".to_owned()));
        }
    }
}
