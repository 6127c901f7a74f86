// SPDX-License-Identifier: Apache-2.0
//! Arguments, environment, working directory and what else one process has.
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::json;

use crate::harness::{Container, finish, is_tare, only_tare};

fn tool(c: &Container, at: &str) {
    let path = c.rootfs(at);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "#!/bin/sh\necho $0 \"$@\"\n").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn arguments_come_as_they_are() {
    let c = Container::new().args(&["printf", "[%s]", "a b", "", "$HOME", "*", "ä\n"]);
    assert_eq!(c.says(), "[a b][][$HOME][*][ä\n]");
}

#[test]
fn environment_is_exactly_that_of_the_config() {
    let c = Container::new().set("/process/env", json!(["PATH=/bin", "A=b=c", "EMPTY=", "HOME=/h"]));
    let mut run = c.on("run", &[]);
    run.env("LEAK", "1");
    let c = c.args(&["env"]);
    let out = finish(run).ok().stdout();
    let mut env: Vec<_> = out.lines().collect();
    env.sort_unstable();
    assert_eq!(env, ["A=b=c", "EMPTY=", "HOME=/h", "PATH=/bin"], "{}", c.id);
}

#[test]
fn of_a_key_twice_the_last_counts() {
    let c = Container::new().set("/process/env", json!(["PATH=/bin", "A=1", "B=x", "A=2"]));
    let out = c.args(&["env"]).says();
    assert_eq!(out.lines().filter(|l| l.starts_with("A=")).collect::<Vec<_>>(), ["A=2"]);
}

#[test]
fn executable_is_looked_up_in_the_path_of_the_container() {
    let c = Container::new();
    tool(&c, "opt/one/tool");
    tool(&c, "opt/two/tool");
    let c = c.set("/process/env", json!(["PATH=/nosuch:/opt/two:/opt/one"]));
    assert_eq!(c.args(&["tool", "x"]).says(), "/opt/two/tool x");
}

#[test]
fn executable_with_a_slash_is_relative_to_the_working_directory() {
    let c = Container::new();
    tool(&c, "opt/one/tool");
    let c = c.set("/process/cwd", json!("/opt"));
    assert_eq!(c.args(&["one/tool"]).says(), "one/tool");
}

#[test]
fn name_of_the_process_is_the_first_argument() {
    assert_eq!(
        Container::new().sh("tr '\\0' ' ' </proc/1/cmdline; echo").says().split(' ').next(),
        Some("sh")
    );
}

#[test]
fn working_directory() {
    assert_eq!(Container::new().set("/process/cwd", json!("/bin")).args(&["pwd"]).says(), "/bin");
    assert_eq!(Container::new().args(&["pwd"]).says(), "/");
}

#[test]
fn missing_working_directory_is_made() {
    let c = Container::new().set("/process/cwd", json!("/srv/new/dir")).args(&["pwd"]);
    assert_eq!(c.says(), "/srv/new/dir");
    let meta = fs::metadata(c.rootfs("srv/new/dir")).unwrap();
    assert_eq!((meta.mode() & 0o777, meta.uid()), (0o755, 0));
}

#[test]
fn working_directory_behind_a_symlink_stays_inside() {
    let c = Container::new();
    let outside = c.path("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, c.rootfs("link")).unwrap();
    let c = c.set("/process/cwd", json!("/link/new"));
    let _ = c.run(&[]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn no_new_privs() {
    for on in [true, false] {
        let c = Container::new().set("/process/noNewPrivileges", json!(on));
        let want = format!("NoNewPrivs:\t{}", u8::from(on));
        assert_eq!(c.args(&["grep", "NoNewPrivs", "/proc/self/status"]).says(), want);
    }
}

#[test]
fn oom_score_adj() {
    let c = Container::new().set("/process/oomScoreAdj", json!(321));
    assert_eq!(c.args(&["cat", "/proc/self/oom_score_adj"]).says(), "321");
    let ours = fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    assert_eq!(Container::new().args(&["cat", "/proc/self/oom_score_adj"]).says(), ours.trim());
}

/// Seen from a user namespace that no other test has: /proc/keys shows those of its own users.
#[test]
fn session_keyring_is_its_own() {
    let keyrings = |flags: &[&str]| {
        let c =
            Container::new().userns_of(700_000).set("/linux/maskedPaths", json!([])).args(&["sleep", "1000"]);
        c.run(&[&["--detach"], flags].concat()).ok();
        c.exec(&[], &["sh", "-c", "grep -c ' _ses[.]' /proc/keys; true"]).ok().stdout()
    };
    let one = keyrings(&[]);
    assert_ne!(one, "0\n");
    if is_tare() {
        assert_eq!(one, "1\n", "exec joins that of the container; with runc 1.1 it gets another");
    }
    assert_eq!(keyrings(&["--no-new-keyring"]), "0\n");
}

#[test]
fn leads_its_own_session() {
    let c = Container::new().sh("cut -d' ' -f5,6 /proc/1/stat");
    let c = c.says();
    assert!(c == "0 0" || c == "1 1", "{c}");
}

/// Both stay over execve: a runtime that ignores SIGPIPE for itself must not leave it so.
#[test]
fn no_signal_is_blocked_or_ignored() {
    let none = |out: String| {
        for line in out.lines() {
            let mask = u64::from_str_radix(line.split_whitespace().nth(1).unwrap(), 16).unwrap();
            // 32 and 33 are glibc's own; its posix_spawn, in this test, ignores the first.
            assert_eq!(mask & !(0b11 << 31), 0, "{out}");
        }
        assert_eq!(out.lines().count(), 2);
    };
    let ask = ["grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"];
    none(Container::new().args(&ask).says());
    none(Container::new().up().exec(&[], &ask).ok().stdout());
}

/// The specification leaves it open; runc gives what clients were written against.
#[test]
fn execve_failure_after_start_is_an_error_of_start() {
    only_tare!("runc answers 0 and writes the reason to the container's stderr");
    let c = Container::new();
    fs::write(c.rootfs("bin/broken"), "\x7fELF nothing").unwrap();
    fs::set_permissions(c.rootfs("bin/broken"), PermissionsExt::from_mode(0o755)).unwrap();
    let c = c.args(&["/bin/broken"]);
    c.create(&[]).ok();
    c.start().fails(1, "exec format error");
}
