// SPDX-License-Identifier: Apache-2.0
//! The standard streams when the image's /dev/null is not one: CVE-2026-88265. crun 1.8.1 opens what is there.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, finish};
use crate::verdict::without_mounts;

const OUTPUT: &str = "what the container says";

fn image() -> (Container, Canary) {
    let c = without_mounts(Container::new().writable(), &["/dev"]);
    let canary = Canary::new(&c);
    fs::create_dir(c.rootfs("dev")).unwrap();
    let c = c.sh(&format!("echo {OUTPUT}; echo {OUTPUT} >&2; true"));
    (c.set("/process/user", json!({ "uid": 1000, "gid": 1000 })), canary)
}

fn run(c: &Container, stream: impl Fn() -> Stdio) -> crate::harness::Output {
    let mut cmd = c.on("run", &[]);
    cmd.stdin(Stdio::null());
    let run = crate::harness::Running::spawn_on(cmd, stream);
    run.wait()
}

/// With the caller's null as the streams: nothing is written, and nothing gets another owner.
#[test]
fn null_of_the_image_does_not_get_the_output() {
    for target in ["file", "outside"] {
        let (c, canary) = image();
        fs::write(c.rootfs("target"), "image\n").unwrap();
        let to = if target == "file" { "/target".into() } else { canary.at("file") };
        symlink(to, c.rootfs("dev/null")).unwrap();
        let before = fs::metadata(c.rootfs("target")).unwrap();
        run(&c, Stdio::null);
        let after = fs::metadata(c.rootfs("target")).unwrap();
        assert_eq!((after.uid(), after.size()), (before.uid(), before.size()), "{target}");
        canary.intact_after(target);
    }
    let (c, canary) = image();
    fs::write(c.rootfs("dev/null"), "").unwrap();
    run(&c, Stdio::null);
    let regular = fs::symlink_metadata(c.rootfs("dev/null")).unwrap();
    assert!(!regular.is_file() || (regular.size(), regular.uid()) == (0, 0));
    canary.intact();
}

/// A pipe and a regular file have device number 0, as what is in its place may: they are not taken for /dev/null.
#[test]
fn pipes_and_files_stay_what_they_are() {
    for place in ["regular", "fifo", "link"] {
        let (c, canary) = image();
        let null = c.rootfs("dev/null");
        match place {
            "regular" => fs::write(&null, "").unwrap(),
            "fifo" => nix::unistd::mkfifo(&null, nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap(),
            _ => symlink(canary.at("file"), &null).unwrap(),
        }
        let out = finish(c.on("run", &[]));
        // To a file of ours, when it runs.
        assert!(out.code != 0 || out.stdout() == format!("{OUTPUT}\n"), "{place}: {}", out.stdout());
        if place == "regular" {
            let left = fs::symlink_metadata(&null).unwrap();
            assert!(!left.is_file() || (left.size(), left.uid()) == (0, 0), "{place}");
        }
        canary.intact_after(place);
    }
}

/// The file that the caller gave gets the user as its owner, and nothing beside it.
#[test]
fn only_the_streams_change_their_owner() {
    let (c, canary) = image();
    let log = c.path("log");
    let file = fs::File::create(&log).unwrap();
    run(&c, || file.try_clone().unwrap().into()).ok();
    assert_eq!(fs::read_to_string(&log).unwrap(), format!("{OUTPUT}\n{OUTPUT}\n"));
    assert_eq!(fs::metadata("/dev/null").unwrap().uid(), 0);
    canary.intact();
}
