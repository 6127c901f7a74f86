// SPDX-License-Identifier: Apache-2.0
//! Races: while containers are made, a thread exchanges a directory of the rootfs with a link to the canary, as another
//! container does that shares a volume (CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565, CVE-2025-52881).
//! `hack/races` gives each 20,000 starts; here are RACES of them. runc 1.1.5 lets some out in a few hundred.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::PathBuf;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, FdSocket, Output};
use crate::swapper::Swapper;
use crate::verdict::without_mounts;

const RACES: u32 = 40;

fn races() -> u32 {
    std::env::var("RACES").map_or(RACES, |n| n.parse().unwrap())
}

/// Starts over and over while `at` of the rootfs is now what it is and now a link to `to` of the canary. Says how often
/// the container ran and how often it was refused; what it prints is looked at by `inside`.
fn race_with(c: &Container, at: &str, to: &str, start: impl Fn() -> Output, inside: impl Fn(&Output)) {
    let canary = Canary::new(c);
    let other: PathBuf = c.path("other");
    symlink(canary.at(to), &other).unwrap();
    let swapper = Swapper::between(&c.rootfs(at), &other);
    let (mut n, mut ran) = (0, 0);
    // Whatever is never allowed is no race: one start has to succeed.
    while n < races() || ran == 0 && n < 20 * races() {
        n += 1;
        let out = start();
        assert!(out.code >= 0 && !out.stderr().contains("panicked"), "{n}: {} {}", out.code, out.stderr());
        ran += u32::from(out.code == 0);
        inside(&out);
        canary.intact_after(&format!("start {n}"));
    }
    eprintln!("{at}: {ran} of {n} ran, {} exchanges", swapper.count());
    assert!(ran > 0, "no start but fails anyhow: nothing was raced for");
    assert!(swapper.count() > u64::from(races()), "no race: {} exchanges", swapper.count());
}

fn race(c: &Container, at: &str, to: &str) {
    race_with(c, at, to, || c.run(&[]), |_| ());
}

fn volume() -> Container {
    let c = Container::new().writable();
    fs::create_dir_all(c.rootfs("v/d/x/y")).unwrap();
    fs::write(c.rootfs("v/d/x/file"), "").unwrap();
    fs::create_dir(c.path("source")).unwrap();
    fs::write(c.path("source/file"), "").unwrap();
    c
}

#[test]
fn target_of_a_bound_directory() {
    let c = volume();
    let source = c.path("source");
    race(&c.bind(&source, "/v/d/x/y", &["bind"]), "v/d", "");
}

/// Both the directories on the way and the file are made.
#[test]
fn target_of_a_bound_file_that_is_made() {
    let c = volume();
    let source = c.path("source/file");
    race(&c.bind(&source, "/v/d/new/dir/file", &["bind"]), "v/d", "");
}

#[test]
fn target_of_a_tmpfs() {
    let c = volume().mount(json!({ "type": "tmpfs", "source": "t", "destination": "/v/d/x/y" }));
    race(&c, "v/d", "");
}

#[test]
fn target_of_a_remount() {
    let c = volume().mount(json!({ "type": "tmpfs", "source": "t", "destination": "/v/d/x" }));
    let c = c.mount(
        json!({ "type": "none", "source": "", "destination": "/v/d/x", "options": ["remount", "ro"] }),
    );
    race(&c, "v/d", "");
}

#[test]
fn proc() {
    let c = volume();
    fs::create_dir(c.rootfs("proc")).unwrap();
    race(&c, "proc", "proc");
}

#[test]
fn dev_that_is_covered() {
    let c = volume();
    fs::create_dir(c.rootfs("dev")).unwrap();
    race(&c, "dev", "dev");
}

#[test]
fn dev_of_the_image() {
    let c = without_mounts(volume(), &["/dev"]);
    fs::create_dir(c.rootfs("dev")).unwrap();
    race(&c, "dev", "");
}

#[test]
fn cgroups() {
    let c = volume().config(|c| {
        for mount in c["mounts"].as_array_mut().unwrap() {
            if mount["type"] == "cgroup" {
                mount["destination"] = json!("/v/d/x");
            }
        }
    });
    race(&c, "v/d", "");
}

/// Masked is what was there, or the start fails; the mask is never the image's.
#[test]
fn null_behind_the_masks() {
    let c = without_mounts(volume(), &["/dev"]);
    fs::create_dir(c.rootfs("dev")).unwrap();
    let null = std::process::Command::new("mknod").arg(c.rootfs("dev/null")).args(["c", "1", "3"]).status();
    assert!(null.unwrap().success());
    fs::write(c.rootfs("secret"), "secret\n").unwrap();
    let c = c.set("/linux/maskedPaths", json!(["/secret", "/proc/keys", "/v/d/x/file"]));
    let c = c.args(&["stat", "-c", "%t:%T", "/secret"]);
    let is_null = |out: &Output| assert!(["1:3\n", ""].contains(&out.stdout().as_str()), "{}", out.stdout());
    race_with(&c, "dev/null", "file", || c.run(&[]), is_null);
}

#[test]
fn masked_and_read_only_paths() {
    let c = volume()
        .set("/linux/maskedPaths", json!(["/v/d/x/file", "/v/d/x/y"]))
        .set("/linux/readonlyPaths", json!(["/v/d", "/v/d/x"]));
    race(&c, "v/d", "x");
}

#[test]
fn console() {
    let pts = json!({ "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["newinstance"] });
    let c = without_mounts(volume(), &["/dev"]).mount(pts).set("/process/terminal", json!(true));
    fs::create_dir(c.rootfs("dev")).unwrap();
    fs::write(c.rootfs("dev/console"), "").unwrap();
    let start = || {
        let _ = fs::remove_file(c.path("fds.sock"));
        let socket = FdSocket::bind(c.bundle());
        let out = c.create(&["--console-socket", socket.arg()]);
        c.delete(&["--force"]).ok();
        out
    };
    race_with(&c, "dev/console", "new/console", start, |_| ());
}

#[test]
fn working_directory() {
    let c = volume().set("/process/cwd", json!("/v/d/new/dir"));
    race(&c, "v/d", "");
}

#[test]
fn devices_of_the_config() {
    let device = json!([{ "path": "/v/d/node", "type": "c", "major": 1, "minor": 3 }]);
    race(&volume().set("/linux/devices", device), "v/d", "");
}

/// The source of a bind in the rootfs itself: what is mounted is never what is outside.
#[test]
fn source_in_the_root() {
    let c = volume();
    fs::write(c.rootfs("v/d/file"), "of the image\n").unwrap();
    let source = c.rootfs("v/d");
    let c = c.bind(&source, "/mnt", &["rbind"]).args(&["cat", "/mnt/file"]);
    let inside = |out: &Output| assert!(!out.stdout().contains("of the host"), "{}", out.stdout());
    race_with(&c, "v/d", "", || c.run(&[]), inside);
}

/// A source of the host is opened once: what is mounted is one of the two, and of its kind.
#[test]
fn source_of_the_host() {
    let c = volume();
    let dir = c.path("source");
    let inode = fs::metadata(&dir).unwrap().ino();
    let elsewhere = c.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let expected = [inode, fs::metadata(&elsewhere).unwrap().ino()];
    let c = c.bind(&dir, "/mnt", &["rbind"]).args(&["stat", "-c", "%i", "/mnt"]);
    let link = c.path("link");
    symlink(&elsewhere, &link).unwrap();
    let swapper = Swapper::between(&dir, &link);
    for _ in 0..races() {
        let out = c.run(&[]).ok();
        assert!(expected.contains(&out.stdout().trim().parse().unwrap()), "{} of {expected:?}", out.stdout());
    }
    assert!(swapper.count() > u64::from(races()));
}

/// exec into a directory that its own container exchanges.
#[test]
fn working_directory_of_exec() {
    let c = volume();
    let canary = Canary::new(&c);
    symlink(canary.path(), c.path("other")).unwrap();
    let c = c.up();
    let swapper = Swapper::between(&c.rootfs("v/d"), &c.path("other"));
    for n in 0..races() {
        let out = c.exec(&["--cwd", "/v/d"], &["sh", "-c", "pwd -P; ls"]);
        assert!(!out.stdout().contains("etc"), "{}", out.stdout());
        canary.intact_after(&format!("exec {n}"));
    }
    assert!(swapper.count() > u64::from(races()));
}

/// HOME comes from a file that is now a regular one and now a fifo.
#[test]
fn passwd() {
    let c = volume();
    fs::create_dir(c.rootfs("etc")).unwrap();
    fs::write(c.rootfs("etc/passwd"), "root:x:0:0::/home/root:/bin/sh\n").unwrap();
    nix::unistd::mkfifo(&c.rootfs("etc/fifo"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    let c = c.sh("echo $HOME");
    let swapper = Swapper::between(&c.rootfs("etc/passwd"), &c.rootfs("etc/fifo"));
    for _ in 0..races() {
        let home = c.says();
        assert!(["/home/root", "/"].contains(&home.as_str()), "{home}");
    }
    assert!(swapper.count() > u64::from(races()));
}
