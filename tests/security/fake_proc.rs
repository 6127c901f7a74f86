// SPDX-License-Identifier: Apache-2.0
//! What stands in the way of /proc, or over what the runtime writes there: CVE-2015-3630, CVE-2015-3631, CVE-2019-16884,
//! CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-52881. crun 1.8.1 takes a tmpfs on /proc/sys.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::json;

use crate::canary::Canary;
use crate::harness::{Container, only_tare};
use crate::verdict::{link, refused, runs_or_refused};

/// A file system of the image's own choice, where the kernel's words have to be.
#[test]
fn nothing_is_mounted_inside_proc() {
    let inside = [
        "/proc/self/attr",
        "/proc/self/attr/exec",
        "/proc/self/attr/apparmor/exec",
        "/proc/thread-self",
        "/proc/thread-self/attr/exec",
        "/proc/self",
        "/proc/1",
        "/proc/sys",
        "/proc/sys/kernel",
        "/proc/sys/net",
        "/proc/sys/kernel/core_pattern",
        "/proc/net/dev",
        "/proc/sysrq-trigger",
        "/proc/kcore",
        "/proc/mounts",
        "/proc/self/fd",
        "/proc/self/oom_score_adj",
        "/proc/filesystems",
        "/proc/self/uid_map",
    ];
    for destination in inside {
        refused(
            &Container::new().mount(json!({ "type": "tmpfs", "source": "t", "destination": destination })),
            destination,
        );
        let c = Container::new();
        let source = c.path("file");
        fs::write(&source, "").unwrap();
        refused(&c.bind(&source, destination, &["bind"]), destination);
    }
}

/// The same, said in other words, or through links of the image.
#[test]
fn nor_by_another_name() {
    for (destination, at, to) in [
        ("/proc/../proc/sys", "none", "none"),
        ("/proc/./sys", "none", "none"),
        ("//proc//sys", "none", "none"),
        ("/x/../proc/self/attr", "x", "/bin"),
        ("/x/kernel", "x", "/proc/sys"),
        ("/x", "x", "/proc/sys"),
        ("/x/sys", "x", "proc"),
        ("/x/y/attr", "x/y", "../proc/self"),
        ("/x", "x", "/proc/self/attr/exec"),
        ("/x/exec", "x", "/proc/self/task/../attr"),
    ] {
        let c = Container::new();
        link(&c, at, to);
        refused(&c.mount(json!({ "type": "tmpfs", "source": "t", "destination": destination })), destination);
        let c = Container::new();
        link(&c, at, to);
        let source = c.path("file");
        fs::write(&source, "").unwrap();
        refused(&c.bind(&source, destination, &["bind"]), destination);
    }
}

fn proc_is(what: &str, make: impl Fn(&Container)) {
    let c = Container::new();
    make(&c);
    only_tare!("it is refused by runc 1.1 too, in words of its own");
    refused(&c, "/proc");
    eprintln!("{what}");
}

#[test]
fn proc_of_the_image_is_anything_but_a_directory() {
    for to in ["/tmp", "/proc2", "tmp", "/bin/../tmp", "nosuch", "proc", "/", "."] {
        proc_is(to, |c| {
            fs::create_dir_all(c.rootfs("tmp/self/attr")).unwrap();
            fs::create_dir(c.rootfs("proc2")).unwrap();
            symlink(to, c.rootfs("proc")).unwrap();
        });
    }
    proc_is("a chain", |c| {
        symlink("one", c.rootfs("proc")).unwrap();
        symlink("two", c.rootfs("one")).unwrap();
        fs::create_dir(c.rootfs("two")).unwrap();
    });
    proc_is("a file", |c| fs::write(c.rootfs("proc"), "").unwrap());
    proc_is("a fifo", |c| {
        nix::unistd::mkfifo(&c.rootfs("proc"), nix::sys::stat::Mode::from_bits_truncate(0o666)).unwrap();
    });
}

/// Without a procfs in the config: the tree of the image has all the files that a runtime writes to, as plain files, and
/// as links to the canary. What is asked of /proc/sys is in force, and the files of the image are as they were.
#[test]
fn a_tree_of_files_for_proc_is_not_written() {
    let files = [
        "self/attr/exec",
        "self/attr/apparmor/exec",
        "self/oom_score_adj",
        "sys/kernel/shmmax",
        "sys/net/ipv4/ip_forward",
        "self/setgroups",
        "thread-self/attr/exec",
    ];
    for by_link in [false, true] {
        let c = Container::new().writable();
        let canary = Canary::new(&c);
        for file in files {
            let path = c.rootfs("proc").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            if by_link {
                symlink(canary.at("file"), path).unwrap()
            } else {
                fs::write(path, "image").unwrap()
            }
        }
        let c = crate::verdict::without_mounts(c, &["/proc"])
            .set("/linux/maskedPaths", json!([]))
            .set("/linux/readonlyPaths", json!([]))
            .set("/process/oomScoreAdj", json!(500))
            .set("/linux/sysctl", json!({ "kernel.shmmax": "123456", "net.ipv4.ip_forward": "1" }));
        let c = c.args(&["sleep", "1000"]);
        c.run(&["--detach"]).ok();
        let pid = c.pid();
        assert_eq!(fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap(), "500\n");
        let mut enter = std::process::Command::new("nsenter");
        enter.args([
            "-t",
            &pid.to_string(),
            "--ipc",
            "--net",
            "cat",
            "/proc/sys/kernel/shmmax",
            "/proc/sys/net/ipv4/ip_forward",
        ]);
        assert_eq!(crate::harness::finish(enter).ok().stdout(), "123456\n1\n");
        canary.intact();
        if !by_link {
            for file in files {
                assert_eq!(fs::read_to_string(c.rootfs("proc").join(file)).unwrap(), "image", "{file}");
            }
        }
    }
}

/// Binding anything but a procfs on /proc, in the words of a bind.
#[test]
fn no_tree_of_files_is_bound_on_proc() {
    for destination in ["/proc", "proc", "/proc/", "//proc", "/./proc", "/x/../proc"] {
        let c = Container::new();
        let fake = c.path("fake");
        fs::create_dir_all(fake.join("self/attr")).unwrap();
        fs::create_dir(c.rootfs("x")).unwrap();
        refused(&c.bind(&fake, destination, &["rbind"]), "proc");
    }
}

/// A link of the image under another name that ends at /proc: the bind covers all of it.
#[test]
fn no_tree_of_files_is_bound_on_a_link_to_proc() {
    for to in ["/proc", "proc", "../proc", "/bin/../proc"] {
        let c = Container::new();
        let fake = c.path("fake");
        fs::create_dir_all(fake.join("self/attr")).unwrap();
        link(&c, "x", to);
        refused(&c.bind(&fake, "/x", &["rbind"]), "/x");
        let c = Container::new();
        link(&c, "x", to);
        runs_or_refused(&c.mount(json!({ "type": "tmpfs", "source": "t", "destination": "/x" })), "/x");
    }
}
