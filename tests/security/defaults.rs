// SPDX-License-Identifier: Apache-2.0
//! What `spec` gives to who changes nothing: kernel classes CVE-2022-0185, CVE-2022-0492, RAPL's GHSA-7ww5-4wqc-m92c, and
//! terminals, CVE-2016-2779, CVE-2017-5226, CVE-2019-10063.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, Running, Terminal};

fn spec() -> Value {
    let c = Container::new();
    fs::remove_file(c.path("config.json")).unwrap();
    c.cmd(&["spec"]).ok();
    serde_json::from_slice(&fs::read(c.path("config.json")).unwrap()).unwrap()
}

fn as_spec() -> Container {
    let spec = spec();
    Container::new().config(|c| {
        *c = spec;
        c["process"]["terminal"] = json!(false);
    })
}

#[test]
fn spec_gives_nothing_inheritable() {
    let spec = spec();
    for set in ["inheritable", "ambient"] {
        assert_eq!(spec["process"]["capabilities"][set].as_array().map_or(0, Vec::len), 0, "{set}");
    }
    assert_eq!(spec["process"]["noNewPrivileges"], json!(true));
}

/// All that a container has no need of and a kernel has leaked by.
#[test]
fn spec_hides_what_tells_of_the_host() {
    let masked = spec()["linux"]["maskedPaths"].to_string();
    for path in [
        "/proc/acpi",
        "/proc/asound",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/interrupts",
        "/sys/firmware",
        "/sys/devices/virtual/powercap",
    ] {
        assert!(masked.contains(&format!("\"{path}\"")), "{path} in {masked}");
    }
}

/// The calls that CVE-2022-0185 and CVE-2022-0492 begin with, by root in a container of `spec`.
#[test]
fn root_of_a_default_container_mounts_nothing() {
    let c = as_spec();
    let script = "mount -t tmpfs t /mnt; mount -t cgroup -o memory c /sys; mount -t proc p /proc; umount /proc; \
                  mount -o remount,rw /; echo x >/proc/sys/kernel/core_pattern; echo x >/sys/fs/cgroup/release_agent; \
                  mknod /dev/shm/mem c 1 1 && cat /dev/shm/mem; echo b >/proc/sysrq-trigger; swapon /dev/shm; hostname x; \
                  chroot / true; insmod /x; dmesg | head -1";
    let c = c.sh(&format!("for i in 1; do {}; done", script.replace("; ", " && echo 'DID IT'; ")));
    let out = c.run(&[]);
    assert!(!out.stdout().contains("DID IT"), "{}{}", out.stdout(), out.stderr());
}

/// A caller's terminal as the standard streams: the container is in a session of its own, without one, and puts nothing
/// into the caller's input (TIOCSTI, 0x5412) and cannot take it (TIOCSCTTY).
#[test]
fn terminal_of_the_caller_is_not_the_containers() {
    let pty = nix::pty::openpty(None, None).unwrap();
    let outer = Terminal::new(pty.master);
    let slave = pty.slave;
    let c = Container::new().writable();
    // Fields 6 and 7 of /proc/self/stat: session, and controlling terminal (0 for none).
    let c = c.sh("cut -d' ' -f6,7 /proc/self/stat >/stat; (: </dev/tty) 2>/dev/null && echo tty >>/stat; \
                  setsid -c true 2>/dev/null; (: </dev/tty) 2>/dev/null && echo taken >>/stat; true");
    let run = Running::spawn_on(c.on("run", &[]), || slave.try_clone().unwrap().into());
    run.wait().ok();
    let stat = fs::read_to_string(c.rootfs("stat")).unwrap();
    assert_eq!(stat, "1 0\n");
    drop(outer);
}
