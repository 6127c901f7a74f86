// SPDX-License-Identifier: Apache-2.0
//! The state directory as an attacker would have it, and who may be in it: CVE-2021-41103, CVE-2024-25621, and runc's and
//! crun's own findings on ids. crun 1.8.1 takes `..` for an id.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use serde_json::{Value, json};

use crate::canary::Canary;
use crate::harness::{Container, after, finish};
use crate::verdict::says_no;

const COMMANDS: [&str; 5] = ["state", "kill", "ps", "delete", "exec"];

fn each_command_says_no(c: &Container, what: &str) {
    for command in COMMANDS {
        let out = match command {
            "exec" => c.exec(&[], &["true"]),
            "kill" => c.kill("KILL"),
            _ => finish(c.on(command, &[])),
        };
        says_no(&out, "state.json");
        assert!(!out.stderr().contains("PANIC"), "{what}");
    }
}

/// The file in a running container's directory is replaced; no command follows it, and the container is as it was when
/// the file is back.
fn replaced(what: &str, make: impl Fn(&std::path::Path, &[u8])) {
    let c = Container::new().up();
    let file = c.state_root().join(&c.id).join("state.json");
    let own = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    make(&file, &own);
    each_command_says_no(&c, what);
    let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
    fs::write(&file, own).unwrap();
    assert_eq!(c.status(), "running", "{what}");
}

#[test]
fn state_that_is_a_link() {
    replaced("a link", |file, own| {
        fs::write(file.with_file_name("other"), own).unwrap();
        symlink("other", file).unwrap();
    });
    replaced("a link to /etc/passwd", |file, _| symlink("/etc/passwd", file).unwrap());
    replaced("a hard link", |file, own| {
        let other = file.with_file_name("other");
        fs::write(&other, own).unwrap();
        fs::hard_link(other, file).unwrap();
    });
}

#[test]
fn state_that_is_no_file() {
    replaced("a fifo", |file, _| {
        nix::unistd::mkfifo(file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap()
    });
    replaced("a directory", |file, _| fs::create_dir(file).unwrap());
    replaced("a socket", |file, _| drop(std::os::unix::net::UnixListener::bind(file).unwrap()));
}

#[test]
fn state_of_another_user_or_without_an_end() {
    replaced("another's", |file, own| {
        fs::write(file, own).unwrap();
        chown(file, Some(1000), None).unwrap();
    });
    replaced("2 GB", |file, _| fs::File::create(file).unwrap().set_len(2 << 30).unwrap());
    replaced("not JSON", |file, _| fs::write(file, "{]").unwrap());
    replaced("of another container", |file, own| {
        let mut state: Value = serde_json::from_slice(own).unwrap();
        state["id"] = json!("other");
        fs::write(file, state.to_string()).unwrap();
    });
}

/// Cgroups that a state names are removed only where they are cgroups: a path of the host's file system is left alone.
#[test]
fn state_names_no_path_outside_of_cgroups() {
    let c = Container::new();
    let canary = Canary::new(&c);
    let c = c.up();
    let file = c.state_root().join(&c.id).join("state.json");
    let own = fs::read(&file).unwrap();
    for path in [
        canary.path().to_owned(),
        format!("/sys/fs/cgroup/../../..{}", canary.path()),
        "/".into(),
        "/etc".into(),
        "relative".into(),
    ] {
        let mut state: Value = serde_json::from_slice(&own).unwrap();
        for (_, at) in state["cgroup"]["paths"].as_object_mut().unwrap() {
            *at = json!(path);
        }
        state["init"] = json!(null);
        fs::write(&file, state.to_string()).unwrap();
        let out = c.delete(&["--force"]);
        says_no(&out, "cgroup");
        canary.intact_after(&path);
        assert!(file.exists(), "{path}: the container is forgotten, its cgroups are not removed");
    }
    fs::write(&file, own).unwrap();
}

/// A container's directory is one itself.
#[test]
fn directory_of_a_container_is_no_link() {
    let c = Container::new();
    let canary = Canary::new(&c);
    fs::create_dir(c.state_root()).unwrap();
    fs::set_permissions(c.state_root(), PermissionsExt::from_mode(0o700)).unwrap();
    symlink(canary.path(), c.state_root().join(&c.id)).unwrap();
    for command in ["state", "delete", "start", "pause"] {
        says_no(&finish(c.on(command, &[])), &c.id);
    }
    assert_ne!(c.create(&[]).code, 0);
    assert_ne!(c.delete(&["--force"]).code, -1);
    canary.intact();
    let _ = fs::remove_file(c.state_root().join(&c.id));
}

/// Names that would be another directory, or a flag.
#[test]
fn ids_name_one_directory() {
    let c = Container::new();
    let canary = Canary::new(&c);
    let long = "a".repeat(256);
    for id in [".", "..", "", "a/b", "../canary", "/etc", &long, "a\nb", "ä", "a b", "..//", "%2e%2e"] {
        for command in ["create", "run", "delete", "state", "start", "pause"] {
            let out = c.cmd(&[command, id]);
            assert!(out.code > 0, "{command} {id:?}");
        }
        let out = c.cmd(&["delete", "--force", id]);
        assert!(out.code > 0 || out.stderr().is_empty(), "{id:?}");
        canary.intact_after(id);
    }
    let left = fs::read_dir(c.state_root()).into_iter().flatten().count();
    assert_eq!(left, 0);
}

/// Whatever the umask: nobody else reads what is in the state directory.
#[test]
fn modes_do_not_depend_on_the_umask() {
    for umask in ["0", "077"] {
        let c = Container::new().args(&["sleep", "1000"]);
        finish(after(&format!("umask {umask}"), &c.on("run", &["--detach"]))).ok();
        let mode = |path: std::path::PathBuf| {
            let meta = fs::symlink_metadata(path).unwrap();
            (meta.mode() & 0o777, meta.uid())
        };
        assert_eq!(mode(c.state_root()), (0o700, 0), "umask {umask}");
        let dir = c.state_root().join(&c.id);
        assert_eq!(mode(dir.clone()), (0o711, 0), "umask {umask}");
        for entry in fs::read_dir(&dir).unwrap().flatten() {
            let (mode, uid) = mode(entry.path());
            assert_eq!((mode & 0o077, uid), (0, 0), "umask {umask}: {:?}", entry.path());
        }
    }
}

/// A state directory that others could change is not used.
#[test]
fn state_directory_of_others_is_refused() {
    for (mode, owner) in [(0o777, 0), (0o770, 0), (0o702, 0), (0o700, 1000)] {
        let c = Container::new();
        fs::create_dir(c.state_root()).unwrap();
        fs::set_permissions(c.state_root(), PermissionsExt::from_mode(mode)).unwrap();
        chown(c.state_root(), Some(owner), None).unwrap();
        says_no(&c.create(&[]), "state directory");
        fs::set_permissions(c.state_root(), PermissionsExt::from_mode(0o700)).unwrap();
        chown(c.state_root(), Some(0), None).unwrap();
    }
}
