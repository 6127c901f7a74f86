// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Container, finish, only_tare};

const FORMAT: &str = "%n %F %t:%T %a %u:%g";

#[test]
fn default_nodes() {
    let c = Container::new()
        .sh(&format!("cd /dev; stat -c '{FORMAT}' null zero full random urandom tty | sed 's/ device / /; s/character special file/c/'"));
    let out = c.says();
    let want = ["null c 1:3", "zero c 1:5", "full c 1:7", "random c 1:8", "urandom c 1:9", "tty c 5:0"];
    let got: Vec<_> =
        out.lines().map(|l| l.strip_suffix(" 666 0:0").unwrap_or_else(|| panic!("{out}"))).collect();
    assert_eq!(got, want);
}

#[test]
fn default_nodes_work_and_others_are_not_there() {
    let c = Container::new()
        .sh("echo x >/dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c; ls /dev");
    let out = c.says();
    let names: Vec<_> = out.lines().skip(2).collect();
    let all = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    let all: Vec<_> = all.split(' ').filter(|n| *n != "core" || names.contains(n)).collect();
    assert_eq!((out.lines().take(2).collect::<Vec<_>>(), names), (vec!["4", "4"], all));
}

#[test]
fn symlinks() {
    let c = Container::new().sh("cd /dev; for l in fd stdin stdout stderr ptmx; do readlink $l; done");
    assert_eq!(c.says(), "/proc/self/fd\n/proc/self/fd/0\n/proc/self/fd/1\n/proc/self/fd/2\npts/ptmx");
}

fn device(value: Value) -> Container {
    Container::new().set("/linux/devices", json!([value]))
}

#[test]
fn of_the_config() {
    let at = |path: &str| format!("stat -c '%F %t:%T %a %u:%g' {path}");
    let c = device(
        json!({ "path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 1, "gid": 2 }),
    );
    assert_eq!(c.sh(&at("/dev/fuse")).says(), "character special file a:e5 640 1:2");
    let c = device(json!({ "path": "/dev/loop0", "type": "b", "major": 7, "minor": 0, "fileMode": 0o660 }));
    assert_eq!(c.sh(&at("/dev/loop0")).says(), "block special file 7:0 660 0:0");
    let c = device(json!({ "path": "/dev/pipe", "type": "p", "fileMode": 0o622 }));
    assert_eq!(c.sh(&at("/dev/pipe")).says(), "fifo 0:0 622 0:0");
    let c = device(json!({ "path": "/dev/u", "type": "u", "major": 1, "minor": 3, "fileMode": 0o600 }));
    assert_eq!(c.sh(&at("/dev/u")).says(), "character special file 1:3 600 0:0");
}

#[test]
fn below_directories_and_outside_of_dev() {
    let c =
        device(json!({ "path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "fileMode": 0o600 }));
    assert_eq!(c.sh("stat -c '%t:%T' /dev/net/tun").says(), "a:c8");
    let c = device(json!({ "path": "/srv/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }));
    assert_eq!(c.sh("stat -c '%t:%T' /srv/null").says(), "1:3");
}

/// The mode is the one asked for, whatever the umask.
#[test]
fn umask_does_not_count() {
    let c = device(json!({ "path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }));
    assert_eq!(
        c.set("/process/user/umask", json!(0o77)).sh("stat -c %a /dev/x /dev/null").says(),
        "666\n666"
    );
}

fn rule(allow: bool, minor: u32, access: &str) -> Value {
    json!({ "allow": allow, "type": "c", "major": 1, "minor": minor, "access": access })
}

fn rules(c: Container, rules: &[Value]) -> Container {
    c.config(|c| c["linux"]["resources"]["devices"].as_array_mut().unwrap().extend_from_slice(rules))
}

/// Kubernetes lists what is there by default too, each with its rule.
#[test]
fn default_node_may_be_named_again() {
    let c = device(json!({ "path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o666 }));
    let c = rules(c, &[rule(true, 3, "rwm")]).sh("echo x >/dev/null; stat -c '%t:%T' /dev/null");
    assert_eq!(c.says(), "1:3");
}

/// Podman and ctr list every device of the host for a privileged container. The container's ptmx is its own devpts's.
#[test]
fn ptmx_of_the_host_may_be_listed() {
    let ptmx = json!({ "path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2, "fileMode": 0o666 });
    assert_eq!(device(ptmx.clone()).sh("readlink /dev/ptmx").says(), "pts/ptmx");
    let c =
        device(ptmx).config(|c| c["mounts"].as_array_mut().unwrap().retain(|m| m["destination"] != "/dev"));
    assert_eq!(c.sh("readlink /dev/ptmx").says(), "pts/ptmx");
}

/// The device cgroup: denied unless a rule allows it. 1:11 is kmsg, which wants CAP_SYSLOG besides.
#[test]
fn access_needs_a_rule() {
    let open = |list: &[Value]| {
        let c =
            device(json!({ "path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 0o666 }));
        let c = rules(with_capabilities(c, &["CAP_SYSLOG"]), list);
        c.sh("(: </dev/kmsg) 2>/dev/null && echo r; (: >/dev/kmsg) 2>/dev/null && echo w; true").says()
    };
    assert_eq!(open(&[]), "");
    assert_eq!(open(&[rule(true, 11, "r")]), "r");
    assert_eq!(open(&[rule(true, 11, "rw")]), "r\nw");
    assert_eq!(open(&[rule(true, 11, "rwm"), rule(false, 11, "w")]), "r");
}

fn with_capabilities(c: Container, caps: &[&str]) -> Container {
    c.set("/process/capabilities", json!({ "bounding": caps, "effective": caps, "permitted": caps }))
}

#[test]
fn mknod_gives_no_access() {
    let c = with_capabilities(Container::new(), &["CAP_MKNOD", "CAP_SYSLOG"]);
    let c = c.sh("mknod /dev/kmsg c 1 11 && (: </dev/kmsg) 2>/dev/null || echo denied");
    assert_eq!(c.says(), "denied");
    let c = with_capabilities(Container::new(), &["CAP_MKNOD", "CAP_SYSLOG"]);
    let c = rules(c, &[rule(true, 11, "r")]).sh("mknod /dev/kmsg c 1 11 && (: </dev/kmsg) && echo opened");
    assert_eq!(c.says(), "opened");
}

#[test]
fn dev_of_the_image_is_left_empty() {
    let c = Container::new();
    fs::create_dir(c.rootfs("dev")).unwrap();
    c.run(&[]).ok();
    assert_eq!(fs::read_dir(c.rootfs("dev")).unwrap().count(), 0);
}

/// CVE-2026-41579
#[test]
fn symlink_for_dev_does_not_lead_out() {
    only_tare!("runc 1.1 makes its nodes where the symlink points");
    let c = Container::new();
    let outside = c.path("outside");
    fs::create_dir(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, c.rootfs("dev")).unwrap();
    let _ = c.run(&[]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

/// A bind-mounted /dev is the caller's own: nothing is made in it.
#[test]
fn bound_dev_is_left_alone() {
    let c = Container::new();
    let dev = c.path("dev");
    fs::create_dir(&dev).unwrap();
    fs::write(dev.join("mine"), "").unwrap();
    let mut null = Command::new("cp");
    null.arg("-a").arg("/dev/null").arg(&dev);
    finish(null).ok();
    let c = c.config(|c| {
        let mounts = c["mounts"].as_array_mut().unwrap();
        mounts.retain(|m| !m["destination"].as_str().unwrap().starts_with("/dev"));
        mounts
            .push(json!({ "destination": "/dev", "type": "none", "source": dev, "options": ["bind", "ro"] }));
    });
    assert_eq!(c.args(&["ls", "/dev"]).says(), "mine\nnull");
}
