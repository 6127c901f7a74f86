// SPDX-License-Identifier: Apache-2.0
//! What the runtime reads of an image, and runs: CVE-2019-14271, CVE-2025-23266, CVE-2026-47262. It hangs runc 1.1.5 and
//! crun 1.8.1 when /etc/passwd is a fifo.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::Command;

use serde_json::json;

use crate::harness::{Container, finish};

type Kind = (&'static str, fn(&Container));

/// HOME is asked of a passwd file that is none; it is "/", and nobody waits or reads on and on.
#[test]
fn passwd_that_is_no_file_is_not_read() {
    let kinds: &[Kind] = &[
        ("fifo", |c| {
            nix::unistd::mkfifo(&c.rootfs("etc/passwd"), nix::sys::stat::Mode::from_bits_truncate(0o666))
                .unwrap()
        }),
        ("directory", |c| fs::create_dir(c.rootfs("etc/passwd")).unwrap()),
        ("socket", |c| drop(UnixListener::bind(c.rootfs("etc/passwd")).unwrap())),
        ("/dev/zero", |c| symlink("/dev/zero", c.rootfs("etc/passwd")).unwrap()),
        ("/dev/tty", |c| symlink("/dev/tty", c.rootfs("etc/passwd")).unwrap()),
        ("/dev/random", |c| symlink("/dev/random", c.rootfs("etc/passwd")).unwrap()),
        ("/proc/kmsg", |c| symlink("/proc/kmsg", c.rootfs("etc/passwd")).unwrap()),
        ("a link to itself", |c| symlink("passwd", c.rootfs("etc/passwd")).unwrap()),
        ("a link to what is not there", |c| symlink("/nosuch", c.rootfs("etc/passwd")).unwrap()),
        ("a link to the host's", |c| {
            symlink(format!("{}/etc/passwd", "../".repeat(12)), c.rootfs("etc/passwd")).unwrap()
        }),
        ("a magic link", |c| symlink("/proc/1/root/etc/passwd", c.rootfs("etc/passwd")).unwrap()),
        ("3 GB of nothing", |c| fs::File::create(c.rootfs("etc/passwd")).unwrap().set_len(3 << 30).unwrap()),
        ("mode 000", |c| {
            fs::write(c.rootfs("etc/passwd"), "").unwrap();
            fs::set_permissions(c.rootfs("etc/passwd"), std::os::unix::fs::PermissionsExt::from_mode(0o0))
                .unwrap();
        }),
        ("a line of 2 MB", |c| fs::write(c.rootfs("etc/passwd"), vec![b'x'; 2 << 20]).unwrap()),
        ("bytes", |c| fs::write(c.rootfs("etc/passwd"), [0xff, 0, b':', b'\n', 0xfe, b':', b':']).unwrap()),
    ];
    for (kind, make) in kinds {
        let c = Container::new();
        fs::create_dir(c.rootfs("etc")).unwrap();
        make(&c);
        assert_eq!(c.sh("echo $HOME").says(), "/", "{kind}");
    }
}

/// The same in exec, as the container has had time to make it so; a memory limit of the size of init shows what is read.
#[test]
fn passwd_of_a_container_is_not_read_to_the_end_by_exec() {
    let c = Container::new().writable().set("/linux/resources/memory/limit", json!(16 << 20));
    fs::create_dir(c.rootfs("etc")).unwrap();
    let c = c.up();
    for script in [
        "ln -sf /dev/zero /etc/passwd",
        "rm /etc/passwd; mkfifo /etc/passwd",
        "rm /etc/passwd; truncate -s 1G /etc/passwd",
    ] {
        c.exec(&[], &["sh", "-c", script]).ok();
        assert_eq!(c.exec(&[], &["sh", "-c", "echo $HOME"]).ok().stdout(), "/\n", "{script}");
    }
}

/// HOME of the image is a word of an environment and no more.
#[test]
fn home_of_the_image_is_one_word() {
    for (home, want) in
        [("/a b", "/a b"), ("", "/"), ("$(id)", "$(id)"), ("../..", "../.."), ("/x\u{7f}", "/x\u{7f}")]
    {
        let c = Container::new();
        fs::create_dir(c.rootfs("etc")).unwrap();
        fs::write(c.rootfs("etc/passwd"), format!("root:x:0:0::{home}:/bin/sh\n")).unwrap();
        let out = c.sh("echo \"$HOME\"; env | grep -c ^HOME=").says();
        assert_eq!(out, format!("{want}\n1"), "{home:?}");
    }
}

/// All that init opens or executes once it is in the root: no loader, no locale, no name service of the image
/// (CVE-2019-14271), and no program but the container's own.
#[test]
fn init_loads_nothing_of_the_image() {
    let c = Container::new().writable();
    for dir in ["lib", "lib64", "usr/lib", "usr/share/locale", "etc"] {
        fs::create_dir_all(c.rootfs(dir)).unwrap();
    }
    for file in [
        "etc/ld.so.preload",
        "etc/nsswitch.conf",
        "lib/libnss_files.so.2",
        "etc/localtime",
        "etc/ld.so.cache",
    ] {
        fs::write(c.rootfs(file), "not of the runtime").unwrap();
    }
    let c = c.set(
        "/process/env",
        json!(["PATH=/bin", "LD_PRELOAD=/lib/evil.so", "LD_LIBRARY_PATH=/lib", "LC_ALL=xx"]),
    );
    let run = c.on("run", &[]);
    let trace = c.path("trace");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-qq",
        "-e",
        "signal=none",
        "-e",
        "trace=execve,execveat,open,openat,openat2,pivot_root",
    ]);
    strace.arg("-o").arg(&trace).arg(run.get_program()).args(run.get_args()).current_dir(c.bundle());
    finish(strace).ok();
    let trace = fs::read_to_string(trace).unwrap();
    let after: Vec<_> = trace.lines().skip_while(|l| !l.contains("pivot_root")).skip(1).collect();
    assert!(!after.is_empty(), "{trace}");
    let init: Vec<_> = after.iter().take_while(|l| !l.contains("execve(")).collect();
    for line in init.iter().filter(|l| l.contains("open")) {
        for word in ["ld.so", "nsswitch", "libnss", "locale", "localtime", "evil", "/lib"] {
            assert!(!line.contains(word), "{line}");
        }
    }
    let programs: Vec<_> = after.iter().filter(|l| l.contains("exec") && l.contains("(\"")).collect();
    assert!(programs.iter().all(|l| l.contains("\"/bin/true\"")), "{programs:#?}");
}
