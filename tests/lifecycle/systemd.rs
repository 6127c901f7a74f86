// SPDX-License-Identifier: Apache-2.0
//! Cgroups by systemd (`--systemd-cgroup`). Where it is not there, as on most build machines, the tests say so and
//! end; `unified.rs` runs them below systemds of their own, on v1 and v2, `hack/test-vm` where v2 has all controllers.
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::update::resources;
use crate::harness::{Container, finish, has_systemd, is_v2, needs, only_tare, wait_for};

/// Where the cgroups of a v1 controller are, or all.
fn hierarchy(v1: &str) -> PathBuf {
    let all = PathBuf::from("/sys/fs/cgroup");
    if is_v2() { all } else { all.join(v1) }
}

/// `slice:prefix:name`, its unit and its cgroup.
pub(super) struct Unit {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) cgroup: PathBuf,
}

pub(super) fn unit(c: &Container) -> Unit {
    let name = format!("unit-{}.scope", c.id);
    let cgroup = hierarchy("systemd").join("tare.slice/tare-test.slice").join(&name);
    Unit { path: format!("tare-test.slice:unit:{}", c.id), name, cgroup }
}

fn systemctl(args: &[&str]) -> String {
    let mut cmd = Command::new("systemctl");
    cmd.args(args);
    finish(cmd).ok().stdout()
}

fn property(unit: &str, name: &str) -> String {
    systemctl(&["show", "--value", "--property", name, unit]).trim().to_owned()
}

pub(super) fn is_known(unit: &str) -> bool {
    !systemctl(&["list-units", "--all", "--no-legend", unit]).trim().is_empty()
}

pub(super) fn by_systemd(c: &Container, command: &str, flags: &[&str]) -> Command {
    let mut cmd = c.runtime(["--systemd-cgroup", command]);
    cmd.args(flags).arg(&c.id);
    cmd
}

/// Runs, in a unit of its own.
pub(super) fn up(resources: &Value) -> (Container, Unit) {
    let c = Container::new().args(&["sleep", "1000"]);
    let unit = unit(&c);
    let c = c.set("/linux/cgroupsPath", json!(unit.path)).config(|config| {
        let all = config["linux"]["resources"].as_object_mut().unwrap();
        all.extend(resources.as_object().unwrap().clone());
    });
    finish(by_systemd(&c, "run", &["--detach"])).ok();
    (c, unit)
}

/// Beside v1, which has them, v2 has no controllers of these.
fn has_limits() -> bool {
    if !is_v2() {
        return true;
    }
    let all = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    ["cpu", "cpuset", "memory", "pids"].iter().all(|name| all.split_whitespace().any(|one| one == *name))
}

pub(super) fn limits() -> Value {
    let mut all = json!({ "devices": [
        { "allow": false, "access": "rwm" },
        { "allow": true, "type": "c", "major": 10, "minor": 229, "access": "rw" },
    ] });
    if has_limits() {
        all["memory"] = json!({ "limit": 64 << 20, "reservation": 32 << 20 });
        all["cpu"] = json!({ "quota": 33333, "period": 100_000, "cpus": "0" });
        all["pids"] = json!({ "limit": 23 });
    }
    all
}

/// systemd shows them and the files hold them, to the exact value where systemd rounds.
pub(super) fn limited(unit: &Unit) {
    assert_eq!(property(&unit.name, "DevicePolicy"), "strict");
    assert_eq!(property(&unit.name, "Delegate"), "yes");
    assert!(property(&unit.name, "DeviceAllow").contains("/dev/char/10:229 rw"));
    if has_limits() {
        memory(unit, 64 << 20, 32 << 20);
        shown(unit, &[("TasksMax", "23"), ("AllowedCPUs", "0"), ("CPUQuotaPerSecUSec", "340ms")]);
        held(unit, &[("pids.max", "23"), ("cpuset.cpus", "0")]);
    }
}

fn shown(unit: &Unit, properties: &[(&str, &str)]) {
    for (name, value) in properties {
        assert_eq!(property(&unit.name, name), *value, "{name}");
    }
}

fn held(unit: &Unit, files: &[(&str, &str)]) {
    for (file, value) in files {
        let dir = hierarchy(file.split('.').next().unwrap());
        let path = dir.join("tare.slice/tare-test.slice").join(&unit.name).join(file);
        assert_eq!(fs::read_to_string(path).unwrap().trim(), *value, "{file}");
    }
}

fn memory(unit: &Unit, limit: u64, reservation: u64) {
    let (limit, reservation) = (limit.to_string(), reservation.to_string());
    if is_v2() {
        shown(unit, &[("MemoryMax", &limit), ("MemoryLow", &reservation)]);
        held(unit, &[("memory.max", &limit), ("memory.low", &reservation)]);
    } else {
        shown(unit, &[("MemoryLimit", &limit)]);
        held(unit, &[("memory.limit_in_bytes", &limit), ("memory.soft_limit_in_bytes", &reservation)]);
    }
}

/// To the microsecond, though systemd rounds.
fn quota(unit: &Unit, quota: &str) {
    if is_v2() {
        held(unit, &[("cpu.max", &format!("{quota} 100000"))]);
    } else {
        held(unit, &[("cpu.cfs_quota_us", quota), ("cpu.cfs_period_us", "100000")]);
    }
}

/// A reload rounds the quotas of all again: held by who asks for one, and who looks for the exact value.
static RELOADS: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    RELOADS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn limits_are_shown_and_in_force() {
    needs!(has_systemd(), "no systemd");
    let _alone = alone();
    let (c, unit) = up(&limits());
    limited(&unit);
    if has_limits() {
        quota(&unit, "33333");
    }
    assert!(fs::read_to_string(unit.cgroup.join("cgroup.procs")).unwrap().contains(&c.pid().to_string()));
    // /dev/full is everybody's, /dev/mem nobody's; one that is made is of no use without a rule.
    let read = "mknod /dev/m c 1 1 && dd if=/dev/m of=/dev/null count=0 2>/dev/null; echo $?";
    assert_eq!(c.exec(&["--cap", "CAP_MKNOD"], &["sh", "-c", read]).ok().stdout(), "1\n");
}

#[test]
fn limits_survive_a_reload() {
    needs!(has_systemd(), "no systemd");
    let _alone = alone();
    let (c, unit) = up(&limits());
    systemctl(&["daemon-reload"]);
    limited(&unit);
    c.exec(&[], &["true"]).ok();
    assert_eq!(c.status(), "running");
}

/// New limits are in both, and a reload of the units does not take them back.
#[test]
fn update_changes_properties_and_files() {
    needs!(has_systemd() && has_limits(), "no systemd, or v1 has the controllers");
    let _alone = alone();
    let (c, unit) = up(&limits());
    let new = json!({
        "memory": { "limit": 96 << 20, "reservation": 48 << 20 },
        "cpu": { "quota": 77777, "period": 100_000, "cpus": "0-1" },
        "pids": { "limit": 31 },
    });
    resources(&c, &new.to_string()).ok();
    let updated = || {
        memory(&unit, 96 << 20, 48 << 20);
        shown(&unit, &[("TasksMax", "31"), ("AllowedCPUs", "0-1"), ("CPUQuotaPerSecUSec", "780ms")]);
        held(&unit, &[("pids.max", "31"), ("cpuset.cpus", "0-1")]);
    };
    updated();
    quota(&unit, "77777");
    systemctl(&["daemon-reload"]);
    updated();
    // What fails changes neither.
    resources(&c, &json!({ "pids": { "limit": 40 }, "cpu": { "cpus": "4000" } }).to_string())
        .fails(1, "cpus");
    updated();
}

/// A device that an update gives passes systemd's filter too, after a reload as well, and so does its end.
#[test]
fn update_gives_and_takes_devices() {
    needs!(has_systemd(), "no systemd");
    only_tare!("runc's update leaves the device rules alone");
    let _alone = alone();
    let (c, unit) = up(&json!({}));
    let opens = || {
        let script = "[ -e /dev/m ] || mknod /dev/m c 10 235; : <>/dev/m";
        let out = c.exec(&["--cap", "CAP_MKNOD"], &["sh", "-c", script]);
        !out.stderr().to_lowercase().contains("operation not permitted")
    };
    assert!(!opens());
    for allow in [true, false, true] {
        let rule = json!({ "allow": allow, "type": "c", "major": 10, "minor": 235, "access": "rw" });
        resources(&c, &json!({ "devices": [rule] }).to_string()).ok();
        assert_eq!(opens(), allow);
        assert_eq!(property(&unit.name, "DeviceAllow").contains("/dev/char/10:235"), allow);
        systemctl(&["daemon-reload"]);
        assert_eq!(opens(), allow);
    }
}

/// v1 has one list of devices, and systemd writes all of its own into it at a reload.
#[test]
fn on_v1_no_device_is_denied_but_by_systemd_too() {
    needs!(has_systemd() && !is_v2(), "no systemd on cgroup v1");
    only_tare!("runc's container has them after a reload");
    let deny = json!({ "allow": false, "type": "c", "major": 10, "minor": 229, "access": "rwm" });
    let c =
        Container::new().set("/linux/resources/devices", json!([{ "allow": true, "access": "rwm" }, deny]));
    finish(by_systemd(&c, "create", &[])).fails(1, "/linux/resources/devices");
    let (c, _) = up(&json!({ "devices": [{ "allow": true, "access": "rwm" }] }));
    resources(&c, &json!({ "devices": [deny] }).to_string()).fails(1, "at its next reload");
}

#[test]
fn nothing_is_left_after_delete() {
    needs!(has_systemd(), "no systemd");
    let (c, unit) = up(&json!({}));
    assert!(is_known(&unit.name) && unit.cgroup.exists());
    // The driver is in the state: no flag is needed.
    c.delete(&["--force"]).ok();
    assert!(!is_known(&unit.name) && !unit.cgroup.exists(), "{}", unit.name);
}

#[test]
fn nothing_is_left_of_a_create_that_fails() {
    needs!(has_systemd(), "no systemd");
    let c = Container::new().args(&["/no/such/program"]);
    let unit = unit(&c);
    let c = c.set("/linux/cgroupsPath", json!(unit.path));
    finish(by_systemd(&c, "create", &[])).fails(1, "no such file or directory");
    assert!(!is_known(&unit.name) && !unit.cgroup.exists());
}

#[test]
fn exec_pause_and_kill() {
    needs!(has_systemd(), "no systemd");
    let (c, unit) = up(&json!({}));
    let found = c.exec(&[], &["cat", "/proc/self/cgroup"]).ok().stdout();
    assert!(found.trim().ends_with(&unit.name) || found.trim() == "0::/", "{found}");
    c.cmd(&["pause", &c.id]).ok();
    held(&unit, &[if is_v2() { ("cgroup.freeze", "1") } else { ("freezer.state", "FROZEN") }]);
    c.cmd(&["resume", &c.id]).ok();
    c.kill("KILL").ok();
    c.wait_status("stopped");
    c.delete(&[]).ok();
    // One that has ended by itself is about to be forgotten.
    wait_for("the unit's end", || (!is_known(&unit.name)).then_some(()));
}

/// Calls to systemd, by what strace saw being sent.
fn calls(cmd: Command) -> usize {
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut traced = Command::new("strace");
    traced.args(["-s", "9999", "-e", "trace=sendto,sendmsg", "-o"]).arg(out.path());
    traced.arg(cmd.get_program()).args(cmd.get_args()).current_dir(cmd.get_current_dir().unwrap());
    finish(traced).ok();
    fs::read_to_string(out.path()).unwrap().matches("org.freedesktop.systemd1.Manager").count()
}

#[test]
fn one_call_for_a_create_and_none_for_exec() {
    needs!(has_systemd(), "no systemd");
    only_tare!("runc asks for more");
    let c = Container::new().args(&["sleep", "1000"]);
    let path = unit(&c).path;
    let c = c.set("/linux/cgroupsPath", json!(path)).config(|config| {
        config["linux"]["resources"].as_object_mut().unwrap().extend(limits().as_object().unwrap().clone());
    });
    assert_eq!(calls(by_systemd(&c, "create", &[])), 1);
    assert_eq!(calls(c.on("start", &[])), 0);
    let mut exec = c.on("exec", &[]);
    exec.arg("true");
    assert_eq!(calls(exec), 0);
}

#[test]
fn without_a_path_it_is_in_the_system_slice() {
    needs!(has_systemd(), "no systemd");
    let c = Container::new().args(&["sleep", "1000"]);
    finish(by_systemd(&c, "run", &["--detach"])).ok();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", c.pid())).unwrap();
    assert!(own.contains("/system.slice/") && own.trim().ends_with(&format!("-{}.scope", c.id)), "{own}");
}

#[test]
fn path_that_is_none_of_systemds() {
    needs!(has_systemd(), "no systemd");
    let c = Container::new().set("/linux/cgroupsPath", json!("/a/b"));
    finish(by_systemd(&c, "create", &[])).fails(1, "slice:prefix:name");
}

/// A unit that is another's is neither joined nor stopped, whatever our slice is.
#[test]
fn a_taken_name_is_left_alone() {
    needs!(has_systemd(), "no systemd");
    only_tare!("runc 1.1 waits for the other's job, and joins");
    let (first, unit) = up(&json!({}));
    let c = Container::new().set("/linux/cgroupsPath", json!(format!("system.slice:unit:{}", first.id)));
    finish(by_systemd(&c, "create", &[])).fails(1, &unit.name);
    assert!(is_known(&unit.name));
    assert_eq!(first.status(), "running");
}

#[test]
fn annotations_set_properties_that_do_no_harm() {
    needs!(has_systemd(), "no systemd");
    only_tare!("runc takes every property");
    let annotated = |name: &str, value: &str| {
        let c = Container::new().args(&["sleep", "1000"]);
        let path = unit(&c).path;
        let key = format!("org.systemd.property.{name}");
        c.set("/linux/cgroupsPath", json!(path)).set("/annotations", json!({ key: value }))
    };
    let c = annotated("TimeoutStopSec", "7");
    finish(by_systemd(&c, "create", &[])).ok();
    assert_eq!(property(&unit(&c).name, "TimeoutStopUSec"), "7s");
    let c = annotated("OnFailure", "['reboot.target']");
    finish(by_systemd(&c, "create", &[])).fails(1, "OnFailure");
}

#[test]
fn absent_systemd_is_told() {
    needs!(!std::path::Path::new("/run/systemd/private").exists(), "systemd is there");
    only_tare!("the words");
    let c = Container::new();
    finish(by_systemd(&c, "create", &[])).fails(1, "systemd");
    assert!(!c.state_root().join(&c.id).exists());
}
