// SPDX-License-Identifier: Apache-2.0
//! The terminal of an image that is against it: CVE-2025-52565, CVE-2026-88264. crun 1.8.1 makes the file that /dev/console
//! points at.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, FdSocket};
use crate::verdict::{says_no, without_mounts};

/// With a terminal, all of /dev but `devpts` the image's. It runs or is refused for what is in /dev.
fn harmless(what: &str, covered: &[&str], make: impl Fn(&Container, &Canary)) {
    for readonly in [false, true] {
        let c = without_mounts(Container::new(), covered);
        let c = c.set("/root/readonly", json!(readonly)).set("/process/terminal", json!(true));
        let canary = Canary::new(&c);
        fs::create_dir_all(c.rootfs("dev")).unwrap();
        make(&c, &canary);
        let socket = FdSocket::bind(c.bundle());
        let out = c.create(&["--console-socket", socket.arg()]);
        match out.code {
            0 => {
                c.start().ok();
                c.wait_status("stopped");
            }
            _ => says_no(&out, "/dev"),
        }
        canary.intact_after(&format!("{what}, readonly {readonly}"));
    }
}

#[test]
fn console_is_a_link_out() {
    for inside in ["dev/console", "file", "new", "nosuch/new", "dev"] {
        harmless(inside, &["/dev"], |c, canary| symlink(canary.at(inside), c.rootfs("dev/console")).unwrap());
        harmless(inside, &["/dev"], |c, _| {
            symlink(format!("../../canary/{inside}"), c.rootfs("dev/console")).unwrap();
        });
    }
}

#[test]
fn console_is_no_file() {
    harmless("a directory", &["/dev"], |c, _| fs::create_dir(c.rootfs("dev/console")).unwrap());
    harmless("a fifo", &["/dev"], |c, _| {
        nix::unistd::mkfifo(&c.rootfs("dev/console"), nix::sys::stat::Mode::from_bits_truncate(0o666))
            .unwrap();
    });
}

/// Without a devpts of the container's own: the image's ptmx and slaves are not what they say.
#[test]
fn ptmx_of_the_image_is_not_opened() {
    for (name, to) in [
        ("pts/ptmx", "file"),
        ("ptmx", "dev/null"),
        ("pts/0", "file"),
        ("pts", "dev/pts"),
        ("pts/0", "dev/console"),
    ] {
        harmless(name, &["/dev"], |c, canary| {
            let path = c.rootfs("dev").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(canary.at(to), path).unwrap();
        });
    }
    harmless("a file for pts/ptmx", &["/dev"], |c, _| {
        fs::create_dir(c.rootfs("dev/pts")).unwrap();
        fs::write(c.rootfs("dev/pts/ptmx"), "").unwrap();
        fs::write(c.rootfs("dev/pts/0"), "").unwrap();
    });
}

/// exec takes a terminal out of the container's /dev, which the container has had time to change.
#[test]
fn terminal_of_exec_is_the_containers_devpts() {
    for script in [
        "rm -f /dev/console; ln -s /dev/null /dev/console",
        "rm -f /dev/ptmx; ln -s null /dev/ptmx",
        "mkfifo /dev/fifo; rm -f /dev/ptmx; ln -s fifo /dev/ptmx",
    ] {
        let c = Container::new().up();
        c.exec(&[], &["sh", "-c", script]).ok();
        let socket = FdSocket::bind(c.bundle());
        let out = c.exec(&["--detach", "--tty", "--console-socket", socket.arg()], &["true"]);
        match out.code {
            0 => assert!(fs::metadata(c.path("fds.sock")).is_ok()),
            _ => says_no(&out, "/dev"),
        }
    }
}
