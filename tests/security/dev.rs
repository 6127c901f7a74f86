// SPDX-License-Identifier: Apache-2.0
//! An image whose /dev, or what is in it, leads out, when no mount of the config covers it: CVE-2026-41579 and
//! CVE-2026-47766. Both runc 1.1.5 and crun 1.8.1 make nodes where the link points.

use std::fs;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::process::Command;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, finish};
use crate::verdict::{link, runs_or_refused, without_mounts};

fn bare() -> Container {
    without_mounts(Container::new().writable(), &["/dev"])
}

fn harmless(c: &Container, canary: &Canary, what: &str) {
    runs_or_refused(c, "/dev");
    canary.intact_after(what);
}

#[test]
fn dev_is_a_link() {
    let up = "../".repeat(12);
    for way in
        ["ABS", "../canary", "../../canary", "UP", "/proc", "/sys", "nosuch", "dev", "/proc/self/root", "."]
    {
        let c = bare();
        let canary = Canary::new(&c);
        let to = match way {
            "ABS" => canary.path().to_owned(),
            "UP" => format!("{up}{}", &canary.path()[1..]),
            other => other.to_owned(),
        };
        symlink(to, c.rootfs("dev")).unwrap();
        harmless(&c, &canary, way);
    }
}

#[test]
fn dev_is_a_file() {
    let c = bare();
    let canary = Canary::new(&c);
    fs::write(c.rootfs("dev"), "").unwrap();
    harmless(&c, &canary, "a file");
}

/// Every name that the runtime makes in /dev is there already, and leads out.
#[test]
fn what_is_made_in_dev_is_a_link() {
    let names = [
        "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "fd", "stdin", "stdout",
        "stderr", "core", "pts", "shm", "mqueue",
    ];
    for inside in ["dev/null", "file", "nosuch", ""] {
        let c = bare();
        let canary = Canary::new(&c);
        fs::create_dir(c.rootfs("dev")).unwrap();
        for name in names {
            symlink(canary.at(inside), c.rootfs("dev").join(name)).unwrap();
        }
        harmless(&c, &canary, &format!("all -> {inside}"));
    }
    for name in names {
        let c = bare();
        let canary = Canary::new(&c);
        fs::create_dir(c.rootfs("dev")).unwrap();
        symlink("../../canary/nosuch", c.rootfs("dev").join(name)).unwrap();
        harmless(&c, &canary, name);
    }
}

/// The mounts below /dev, with a /dev of the image.
#[test]
fn what_is_mounted_in_dev_is_a_link() {
    for name in ["pts", "shm", "mqueue"] {
        let c = Container::new().writable().config(|c| {
            c["mounts"].as_array_mut().unwrap().retain(|m| m["destination"] != "/dev");
        });
        let canary = Canary::new(&c);
        fs::create_dir(c.rootfs("dev")).unwrap();
        symlink(canary.at("x/y"), c.rootfs("dev").join(name)).unwrap();
        harmless(&c, &canary, name);
    }
}

/// Devices of the config, below directories of the image that are links.
#[test]
fn devices_of_the_config_stay_inside() {
    for (path, at) in [("/dev/new/node", "dev/new"), ("/new/node", "new"), ("/dev/x/../../node", "dev/x")] {
        let c = bare();
        let canary = Canary::new(&c);
        link(&c, at, canary.path());
        let device =
            json!([{ "path": path, "type": "c", "major": 1, "minor": 3, "uid": 7, "fileMode": 0o666 }]);
        let c = c.set("/linux/devices", device);
        runs_or_refused(&c, path);
        canary.intact_after(path);
    }
}

/// A node that is there and is another device, or none: it is not what /dev/null is to be, and its owner stays.
#[test]
fn nodes_of_the_image_are_not_taken_for_ours() {
    for (kind, args) in [("c 1 1", ["c", "1", "1"]), ("b 7 0", ["b", "7", "0"]), ("c 1 5", ["c", "1", "5"])] {
        let c = bare();
        fs::create_dir(c.rootfs("dev")).unwrap();
        let mut mknod = Command::new("mknod");
        mknod.arg(c.rootfs("dev/null")).args(args);
        finish(mknod).ok();
        let c = c.args(&["stat", "-c", "%t:%T", "/dev/null"]);
        let out = c.run(&[]);
        // Replaced by the right one, or refused.
        assert!(
            out.stdout() == "1:3\n" || out.stderr().contains("/dev/null"),
            "{kind}: {}{}",
            out.stdout(),
            out.stderr()
        );
    }
    let c = bare();
    fs::create_dir(c.rootfs("dev")).unwrap();
    fs::write(c.rootfs("dev/null"), "regular\n").unwrap();
    let out = c.args(&["stat", "-c", "%t:%T", "/dev/null"]).run(&[]);
    assert!(
        out.stdout() == "1:3\n" || out.stderr().contains("/dev/null"),
        "{}{}",
        out.stdout(),
        out.stderr()
    );
}

/// With /dev/null a fifo, nobody waits for the other end.
#[test]
fn fifo_for_a_node_holds_nobody_up() {
    let c = bare();
    fs::create_dir(c.rootfs("dev")).unwrap();
    for name in ["null", "console", "ptmx", "zero"] {
        nix::unistd::mkfifo(&c.rootfs("dev").join(name), nix::sys::stat::Mode::from_bits_truncate(0o666))
            .unwrap();
    }
    runs_or_refused(&c, "/dev");
    assert!(!fs::symlink_metadata(c.rootfs("dev")).unwrap().file_type().is_fifo());
}
