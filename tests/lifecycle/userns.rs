// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::json;

use crate::harness::{Container, only_tare};

fn fields(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|l| l.split_whitespace().collect()).collect()
}

#[test]
fn ids_are_mapped() {
    let c = Container::new().userns().up();
    for map in ["uid_map", "gid_map"] {
        let out = c.exec(&[], &["cat", &format!("/proc/self/{map}")]).ok().stdout();
        assert_eq!(fields(&out), [["0", "100000", "65536"]]);
    }
    let init = fs::metadata(format!("/proc/{}", c.pid())).unwrap();
    assert_eq!((init.uid(), init.gid()), (100_000, 100_000));
    assert_eq!(c.exec(&[], &["sh", "-c", "id -u; id -g"]).ok().stdout(), "0\n0\n");
    assert_ne!(
        fs::read_link(format!("/proc/{}/ns/user", c.pid())).unwrap(),
        fs::read_link("/proc/self/ns/user").unwrap()
    );
}

#[test]
fn several_ranges() {
    let map = json!([
        { "containerID": 0, "hostID": 100_000, "size": 10 },
        { "containerID": 10, "hostID": 300_000, "size": 100 }
    ]);
    let c = Container::new().userns().set("/linux/uidMappings", map);
    let out = c.sh("cat /proc/self/uid_map").says();
    assert_eq!(fields(&out), [["0", "100000", "10"], ["10", "300000", "100"]]);
}

#[test]
fn process_is_a_user_of_the_namespace() {
    let c = Container::new()
        .userns()
        .set("/process/user", json!({ "uid": 1000, "gid": 1001, "additionalGids": [5, 6] }))
        .sh("id -u; id -g; id -G");
    assert_eq!(c.says(), "1000\n1001\n1001 5 6");
}

/// The root of the container has no right over what belongs to the host's.
#[test]
fn files_of_the_host_belong_to_nobody() {
    let c = Container::new().userns();
    fs::write(c.path("secret"), "x").unwrap();
    fs::set_permissions(c.path("secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let c = c.set("/root/readonly", json!(false));
    let bind = c.path("secret");
    let c = c
        .bind(&bind, "/secret", &["bind"])
        .sh("stat -c '%u %a' /secret; cat /secret 2>/dev/null || echo denied");
    assert_eq!(c.says(), "65534 600\ndenied");
}

/// mknod is refused in a user namespace: the nodes are the host's, bind-mounted.
#[test]
fn default_devices_work() {
    let c = Container::new()
        .userns()
        .sh("echo x >/dev/null; head -c 3 /dev/zero | wc -c; stat -c '%t:%T' /dev/full /dev/tty");
    assert_eq!(c.says(), "3\n1:7\n5:0");
}

#[test]
fn has_every_capability_of_the_config_in_its_namespace() {
    let c = Container::new().userns().sh("grep CapEff /proc/self/status");
    assert_eq!(c.says(), "CapEff:\t0000000020000420");
}

#[test]
fn stdio_belongs_to_the_user() {
    let c = Container::new().userns().set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    assert_eq!(c.sh("echo text >>/dev/stdout").says(), "text");
}

#[test]
fn namespace_is_joined_by_its_path() {
    let pod = Container::new().userns().up();
    let path = format!("/proc/{}/ns/user", pod.pid());
    let c = Container::new().userns().namespace("user", Some(json!({ "type": "user", "path": path })));
    let c = c.sh("readlink /proc/self/ns/user; id -u; cat /proc/self/uid_map");
    let out = c.says();
    let lines: Vec<_> = out.lines().collect();
    let theirs = fs::read_link(&path).unwrap();
    assert_eq!((lines[0], lines[1]), (theirs.to_str().unwrap(), "0"));
    assert_eq!(fields(lines[2]), [["0", "100000", "65536"]]);
}

#[test]
fn pid_namespace_of_a_joined_user_namespace() {
    let pod = Container::new().userns().up();
    let join = |c: Container, kind: &str, name: &str| {
        c.namespace(kind, Some(json!({ "type": kind, "path": format!("/proc/{}/ns/{name}", pod.pid()) })))
    };
    let c = [("user", "user"), ("pid", "pid"), ("network", "net"), ("ipc", "ipc")]
        .iter()
        .fold(Container::new().userns(), |c, (kind, name)| join(c, kind, name));
    let theirs = fs::read_link(format!("/proc/{}/ns/pid", pod.pid())).unwrap();
    assert_eq!(c.sh("readlink /proc/self/ns/pid").says(), theirs.to_str().unwrap());
}

#[test]
fn unmapped_user_is_refused() {
    let small = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    let c = Container::new()
        .userns()
        .set("/linux/uidMappings", small.clone())
        .set("/process/user/uid", json!(1000));
    c.create(&[]).code(1);
    let c = Container::new().userns().set("/linux/gidMappings", small).set("/process/user/gid", json!(1000));
    c.create(&[]).code(1);
}

#[test]
fn unmapped_user_is_named() {
    only_tare!("runc 1.1 says 'setuid: invalid argument'");
    let small = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    let c = Container::new().userns().set("/linux/uidMappings", small).set("/process/user/uid", json!(1000));
    c.create(&[]).fails(1, "1000");
}

#[test]
fn mappings_need_the_namespace() {
    only_tare!("runc 1.1 ignores the mappings");
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 10 }]);
    Container::new().set("/linux/uidMappings", map).create(&[]).fails(1, "user namespace");
}

#[test]
fn namespace_needs_mappings() {
    let c = Container::new().namespace("user", Some(json!({ "type": "user" })));
    c.create(&[]).code(1);
}
