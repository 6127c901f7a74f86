// SPDX-License-Identifier: Apache-2.0
//! Kernel parameters of the host in the words of a namespace's: CVE-2022-0811, GHSA-w2j5-3rcx-vx7x.

use std::fs;

use serde_json::json;

use crate::harness::Container;
use crate::verdict::refused;

const HOST: [&str; 4] =
    ["kernel/core_pattern", "kernel/shm_rmid_forced", "vm/overcommit_memory", "kernel/hostname"];

fn host() -> Vec<String> {
    HOST.iter().map(|f| fs::read_to_string(format!("/proc/sys/{f}")).unwrap()).collect()
}

fn refuse(key: &str, value: &str) {
    let before = host();
    refused(
        &Container::new()
            .set("/linux/sysctl", json!({}))
            .config(|c| c["linux"]["sysctl"][key] = json!(value)),
        "/linux/sysctl",
    );
    assert_eq!(host(), before, "{key:?}");
}

#[test]
fn keys_of_the_host_are_refused() {
    for key in [
        "kernel.core_pattern",
        "kernel/core_pattern",
        "kernel.modprobe",
        "vm.overcommit_memory",
        "fs.file-max",
        "kernel.hostname",
        "kernel.randomize_va_space",
        "user.max_user_namespaces",
        "kernel.domainname.x",
        "fs.mqueue",
        "abi.vsyscall32",
        "dev.tty.ldisc_autoload",
        "debug.exception-trace",
    ] {
        refuse(key, "1");
    }
}

/// What looks like one of the container's namespaces and is another file.
#[test]
fn no_writing_of_a_key_smuggles() {
    for key in [
        "net/../kernel/core_pattern",
        "net.ipv4.../../kernel/core_pattern",
        "net/./../kernel/core_pattern",
        "net.",
        ".net.ipv4",
        "net..ipv4",
        "/net/ipv4/ip_forward",
        "//net",
        "net/ipv4/../../kernel.core_pattern",
        "fs.mqueue.//.//kernel",
        "net/ipv4/ip_forward/../../../kernel/core_pattern",
        "",
        ".",
        "..",
        "/",
        "net",
        "kernel.shmmax+kernel.core_pattern",
        "net.ipv4.ip_forward=1",
        "net.ipv4.ip_forward\n",
        "net.ipv4.ip_forward\u{0}",
        " net.ipv4.ip_forward",
        "NET.ipv4.ip_forward",
        "kernel.shmmax/../core_pattern",
        "kernel/shm_rmid_forced/.",
    ] {
        refuse(key, "1");
    }
    refuse("net.ipv4.ip_forward", "1\u{0}");
}

/// The namespace that is joined is the host's own.
#[test]
fn namespace_by_path_may_be_the_hosts() {
    for (kind, key) in [
        ("network", "net.ipv4.ip_forward"),
        ("ipc", "kernel.shm_rmid_forced"),
        ("ipc", "kernel/shmmax"),
        ("uts", "kernel.domainname"),
    ] {
        for pid in ["self", "thread-self"] {
            let before = host();
            let name = if kind == "network" { "net" } else { kind };
            let ns = json!({ "type": kind, "path": format!("/proc/{pid}/ns/{name}") });
            let c = Container::new().namespace(kind, Some(ns)).config(|c| {
                c["linux"]["sysctl"] = json!({ key: "1" });
                if kind == "uts" {
                    c.as_object_mut().unwrap().remove("hostname");
                }
            });
            refused(&c, "/linux/sysctl");
            assert_eq!(host(), before);
        }
        let c = Container::new().namespace(kind, None).config(|c| {
            c["linux"]["sysctl"] = json!({ key: "1" });
            c.as_object_mut().unwrap().remove("hostname");
        });
        refused(&c, "/linux/sysctl");
    }
}
