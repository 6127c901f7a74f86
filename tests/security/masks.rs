// SPDX-License-Identifier: Apache-2.0
//! Masks and read-only paths in an image that is against them: CVE-2025-31133. runc 1.1.5 and crun 1.8.1 mask with the
//! image's own /dev/null, and with it a link, a file or another device.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, finish};
use crate::verdict::{link, runs_or_refused, without_mounts};

/// The image's /dev/null is the attacker's; what is masked reads as the host's.
fn masked_with(what: &str, make: impl Fn(&Container, &Canary)) {
    let c = without_mounts(Container::new().writable(), &["/dev"]);
    let canary = Canary::new(&c);
    fs::create_dir(c.rootfs("dev")).unwrap();
    fs::write(c.rootfs("secret"), "secret\n").unwrap();
    make(&c, &canary);
    let pattern = fs::read("/proc/sys/kernel/core_pattern").unwrap();
    let c = c.set("/linux/maskedPaths", json!(["/secret", "/proc/keys"]));
    let c = c.sh("cat /secret /proc/keys; stat -c %t:%T /secret; echo x >/secret");
    let out = c.run(&[]);
    assert!(
        out.stdout() == "1:3\n" || out.stderr().contains("/dev/null"),
        "{what}: {}{}",
        out.stdout(),
        out.stderr()
    );
    assert_eq!(fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
    canary.intact_after(what);
}

#[test]
fn null_of_the_image_is_no_mask() {
    for to in ["/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/secret", "/nosuch", "../proc/kcore"]
    {
        masked_with(to, |c, _| symlink(to, c.rootfs("dev/null")).unwrap());
    }
    masked_with("the canary", |c, canary| symlink(canary.at("file"), c.rootfs("dev/null")).unwrap());
    masked_with("a file", |c, _| fs::write(c.rootfs("dev/null"), "text\n").unwrap());
    masked_with("a directory", |c, _| fs::create_dir(c.rootfs("dev/null")).unwrap());
    masked_with("a fifo", |c, _| {
        nix::unistd::mkfifo(&c.rootfs("dev/null"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    });
    for args in [["c", "1", "5"], ["c", "1", "1"], ["b", "1", "3"]] {
        masked_with(&args.join(" "), |c, _| {
            let mut mknod = Command::new("mknod");
            mknod.arg(c.rootfs("dev/null")).args(args);
            finish(mknod).ok();
        });
    }
}

/// Masked paths through links of the image cover what they lead to inside, and nothing else.
#[test]
fn masked_path_is_a_link() {
    for key in ["maskedPaths", "readonlyPaths"] {
        for way in
            ["ABS", "../canary", "../../../canary/file", "/proc/self/root", "/proc/1/cwd", "nosuch", "m"]
        {
            let c = Container::new().writable();
            let canary = Canary::new(&c);
            link(&c, "m", if way == "ABS" { canary.path() } else { way });
            let paths = json!(["/m", "/m/file", "/m/../../canary/file", "/m/x/y/file"]);
            let c = c.set(&format!("/linux/{key}"), paths);
            runs_or_refused(&c, &format!("/linux/{key}"));
            canary.intact_after(way);
        }
    }
}

/// A user namespace that the container makes for itself has every capability and a copy of the mounts: what masks is
/// locked there, and no second procfs shows what is hidden (mount_too_revealing in the kernel).
#[test]
fn masks_hold_in_a_namespace_of_the_containers_own() {
    let inside = "umount /proc/keys && echo unmounted; umount -l /proc/sys && echo unmounted; \
                  mount -o remount,bind,rw /proc/sys && echo writable; mount -t proc p /bin && echo shown";
    for c in [Container::new(), Container::new().userns()] {
        // Root itself cannot: to map 0 takes CAP_SETFCAP (Linux 5.12).
        let c = c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
        let c = c.sh(&format!("unshare -Urm sh -c 'echo in; {inside}'; true"));
        assert_eq!(c.says(), "in");
    }
}
