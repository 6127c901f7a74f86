// SPDX-License-Identifier: Apache-2.0
//! What the process of `exec` gets, by flag and by `--process`.
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, after, base, finish, only_tare};

fn status(out: &str, key: &str) -> String {
    let line = out.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(":")).unwrap();
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn cwd() {
    let c = Container::new().set("/process/cwd", json!("/bin")).up();
    assert_eq!(c.exec(&[], &["pwd"]).ok().stdout(), "/bin\n");
    assert_eq!(c.exec(&["--cwd", "/dev"], &["pwd"]).ok().stdout(), "/dev\n");
}

/// Nothing of the runtime's own environment.
#[test]
fn environment_is_that_of_the_config_and_the_flags() {
    let c = Container::new().set("/process/env", json!(["PATH=/bin", "A=1", "B=2"])).up();
    let mut exec = c.on("exec", &["-e", "B=3", "-e", "C=a=b"]);
    exec.env("LEAK", "1").arg("env");
    let out = finish(exec).ok().stdout();
    let mut env: Vec<_> = out.lines().collect();
    env.sort_unstable();
    assert_eq!(env, ["A=1", "B=3", "C=a=b", "HOME=/", "PATH=/bin"]);
    assert_eq!(c.exec(&["--env", "A="], &["sh", "-c", "echo ${A-unset}"]).ok().stdout(), "\n");
}

#[test]
fn user_and_groups() {
    let c = Container::new().up();
    let id = |flags: &[&str]| {
        let out = c.exec(flags, &["cat", "/proc/self/status"]).ok().stdout();
        ["Uid", "Gid", "Groups"].map(|k| status(&out, k))
    };
    assert_eq!(id(&["--user", "1000"]), ["1000 1000 1000 1000", "0 0 0 0", ""]);
    assert_eq!(id(&["-u", "1000:1001"]), ["1000 1000 1000 1000", "1001 1001 1001 1001", ""]);
    assert_eq!(id(&["-g", "7", "-g", "8"])[2], "7 8");
}

#[test]
fn home_is_that_of_the_user() {
    let c = Container::new();
    fs::create_dir(c.rootfs("etc")).unwrap();
    fs::write(c.rootfs("etc/passwd"), "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
        .unwrap();
    let c = c.up();
    let home = |flags: &[&str]| c.exec(flags, &["sh", "-c", "echo $HOME"]).ok().stdout();
    assert_eq!(home(&[]), "/root\n");
    assert_eq!(home(&["--user", "1000"]), "/home/ann\n");
    assert_eq!(home(&["--env", "HOME=/mine"]), "/mine\n");
}

#[test]
fn capability_is_added_to_those_of_the_config() {
    let c = Container::new().up();
    let caps = |flags: &[&str]| {
        let out = c.exec(flags, &["cat", "/proc/self/status"]).ok().stdout();
        ["CapBnd", "CapEff", "CapPrm"].map(|k| u64::from_str_radix(&status(&out, k), 16).unwrap())
    };
    // AUDIT_WRITE is 29, KILL 5, NET_BIND_SERVICE 10; NET_ADMIN 12.
    let own = 1 << 29 | 1 << 5 | 1 << 10;
    assert_eq!(caps(&[]), [own; 3]);
    assert_eq!(caps(&["--cap", "CAP_NET_ADMIN"]), [own | 1 << 12; 3]);
}

#[test]
fn no_new_privs() {
    let c = Container::new().set("/process/noNewPrivileges", json!(false)).up();
    let flag =
        |flags: &[&str]| status(&c.exec(flags, &["cat", "/proc/self/status"]).ok().stdout(), "NoNewPrivs");
    assert_eq!(flag(&[]), "0");
    assert_eq!(flag(&["--no-new-privs"]), "1");
}

fn process(c: &Container, edit: impl FnOnce(&mut Value)) {
    let mut process = base()["process"].take();
    edit(&mut process);
    fs::write(c.path("process.json"), process.to_string()).unwrap();
}

/// containerd, podman and CRI-O have no other way.
#[test]
fn process_file_replaces_all() {
    let c = Container::new().set("/process/cwd", json!("/bin")).up();
    process(&c, |p| {
        p["args"] = json!([
            "sh",
            "-c",
            "pwd; id -u; id -G; env; ulimit -n; grep -E 'CapEff|CapBnd' /proc/self/status"
        ]);
        p["cwd"] = json!("/dev");
        p["env"] = json!(["PATH=/bin", "X=y", "HOME=/h"]);
        p["user"] = json!({ "uid": 5, "gid": 6, "additionalGids": [7] });
        p["rlimits"] = json!([{ "type": "RLIMIT_NOFILE", "hard": 77, "soft": 77 }]);
        p["capabilities"] = json!({ "bounding": ["CAP_KILL"] });
    });
    let mut exec = c.runtime(["exec", "--process", "process.json", &c.id]);
    exec.env("LEAK", "1");
    let out = finish(exec).ok().stdout();
    for line in
        ["/dev", "5", "6 7", "X=y", "HOME=/h", "77", "CapBnd:\t0000000000000020", "CapEff:\t0000000000000000"]
    {
        assert!(out.lines().any(|l| l == line), "no {line} in: {out}");
    }
    assert!(!out.contains("LEAK"));
}

#[test]
fn process_file_decides_on_the_terminal() {
    let c = Container::new().up();
    process(&c, |p| p["terminal"] = json!(true));
    c.cmd(&["exec", "--detach", "--process", "process.json", &c.id])
        .fails(255, "cannot allocate tty if runc will detach without setting console socket");
}

#[test]
fn limits_are_those_of_the_config() {
    let c = Container::new()
        .set("/process/rlimits/0", json!({ "type": "RLIMIT_CORE", "hard": 2048, "soft": 1024 }));
    let c = c.up();
    // In blocks of 512 bytes.
    assert_eq!(c.exec(&[], &["sh", "-c", "ulimit -Sc; ulimit -Hc"]).ok().stdout(), "2\n4\n");
}

#[test]
fn preserved_fds_and_no_others() {
    let c = Container::new().up();
    let mut exec = c.on("exec", &["--preserve-fds", "1"]);
    exec.args(["sh", "-c", "cat <&3; cd /proc/self/fd; echo *"]);
    let out = finish(after("echo text >f; exec 3<f 4</dev/null 9</dev/null", &exec)).ok().stdout();
    // The last is echo's own, on the directory.
    assert_eq!(out, "text\n0 1 2 3 4\n");
}

#[test]
fn joins_a_cgroup_below_that_of_the_container() {
    let c = Container::new().up();
    let Some(pids) = c.cgroup("pids") else { return eprintln!("skipped: no pids controller of cgroup v1") };
    fs::create_dir(pids.join("sub")).unwrap();
    let out = c.exec(&["--cgroup", "pids:sub"], &["cat", "/proc/self/cgroup"]).ok().stdout();
    assert!(out.lines().any(|l| l.contains(":pids:") && l.ends_with(&format!("{}/sub", c.id))), "{out}");
    c.exec(&["--cgroup", "pids:nosuch"], &["true"]).fails(255, "nosuch");
}

#[test]
fn umask_of_the_process_file() {
    only_tare!("runc 1.1 leaves the umask of exec as it is");
    let c = Container::new().up();
    process(&c, |p| {
        p["args"] = json!(["sh", "-c", "umask"]);
        p["user"]["umask"] = json!(0o77);
    });
    assert_eq!(c.cmd(&["exec", "-p", "process.json", &c.id]).ok().stdout(), "0077\n");
}
