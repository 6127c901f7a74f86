// SPDX-License-Identifier: Apache-2.0
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use crate::harness::{Container, after, finish, only_tare};

fn status(c: &Container, keys: &[&str]) -> Vec<String> {
    let out = c.says();
    let line = |key: &&str| out.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(":")).unwrap();
    keys.iter().map(|k| line(k).split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

fn with(user: serde_json::Value) -> Container {
    Container::new().set("/process/user", user).args(&["cat", "/proc/self/status"])
}

#[test]
fn user_and_groups() {
    let c = with(json!({ "uid": 1000, "gid": 1001, "additionalGids": [7, 8] }));
    let got = status(&c, &["Uid", "Gid", "Groups"]);
    assert_eq!(got, ["1000 1000 1000 1000", "1001 1001 1001 1001", "7 8"]);
}

/// Those of the caller would give access to the host's files.
#[test]
fn groups_of_the_caller_are_dropped() {
    let c = with(json!({ "uid": 1000, "gid": 1001 }));
    let run = c.on("run", &[]);
    let mut setpriv = std::process::Command::new("setpriv");
    setpriv
        .args(["--groups", "4,20", "--"])
        .arg(run.get_program())
        .args(run.get_args())
        .current_dir(c.bundle());
    let out = finish(after("", &setpriv)).ok().stdout();
    assert!(out.lines().any(|l| l.trim_end() == "Groups:"), "{out}");
}

#[test]
fn user_has_no_capability() {
    let c = with(json!({ "uid": 1000, "gid": 1000 })).set("/process/capabilities/ambient", json!([]));
    assert_eq!(status(&c, &["CapEff", "CapAmb"]), ["0000000000000000", "0000000000000000"]);
}

#[test]
fn umask() {
    assert_eq!(Container::new().sh("umask").says(), "0022");
    assert_eq!(Container::new().set("/process/user/umask", json!(0o27)).sh("umask").says(), "0027");
    assert_eq!(Container::new().set("/process/user/umask", json!(0)).sh("umask").says(), "0000");
}

#[test]
fn home_is_that_of_the_passwd_file_unless_given() {
    let home = |uid: u32, env: &[&str]| {
        let c = Container::new();
        fs::create_dir(c.rootfs("etc")).unwrap();
        fs::write(c.rootfs("etc/passwd"), "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n")
            .unwrap();
        let c =
            c.set("/process/user/uid", json!(uid)).set("/process/env", json!([&["PATH=/bin"], env].concat()));
        c.sh("echo $HOME").says()
    };
    assert_eq!(home(0, &[]), "/root");
    assert_eq!(home(1000, &[]), "/home/ann");
    assert_eq!(home(1000, &["HOME=/mine"]), "/mine");
    assert_eq!(home(1000, &["HOME="]), "/home/ann");
    assert_eq!(home(77, &[]), "/");
}

#[test]
fn home_without_a_passwd_file() {
    assert_eq!(Container::new().sh("echo $HOME").says(), "/");
}

/// The file is the image's: it may be made to hang its reader, or to fill his memory.
#[test]
fn home_where_the_passwd_file_is_a_trap() {
    only_tare!("runc opens and reads whatever is there");
    let traps: [fn(&Path); 4] = [
        |at| nix::unistd::mkfifo(at, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        |at| symlink("/dev/zero", at).unwrap(),
        |at| fs::create_dir(at).unwrap(),
        |at| fs::write(at, [&[b'#'; 1 << 21][..], b"\nroot:x:0:0::/late:/bin/sh\n"].concat()).unwrap(),
    ];
    for trap in traps {
        let c = Container::new();
        fs::create_dir(c.rootfs("etc")).unwrap();
        trap(&c.rootfs("etc/passwd"));
        let c = c.sh("echo $HOME; exec sleep 1000").up();
        assert_eq!(c.exec(&[], &["sh", "-c", "echo $HOME"]).ok().stdout(), "/\n");
    }
}

/// To setuid(2) it means "leave as it is", which is root.
#[test]
fn last_id_is_refused() {
    for name in ["uid", "gid"] {
        let c = Container::new().set(&format!("/process/user/{name}"), json!(u32::MAX)).args(&["id", "-u"]);
        assert_ne!(c.run(&[]).code, 0, "{name}");
    }
    let c = Container::new().up();
    for user in ["4294967295", "0:4294967295"] {
        assert_ne!(c.exec(&["--user", user], &["id"]).code, 0, "{user}");
    }
}
