// SPDX-License-Identifier: Apache-2.0
//! `linux.netDevices`. Each runtime is started in a network namespace made for the test, whose devices go with it.
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Container, Output, finish, only_tare, runtime};

const DEVICE: &str = "\
    ip link add v0 type veth peer name v1 && \
    ip link set v0 mtu 1400 address 02:00:00:00:00:07 && \
    ip link set v0 up && \
    ip link set v1 up && \
    ip addr add 10.9.8.7/24 dev v0 && \
    ip addr add 10.9.8.8 peer 10.9.8.1/32 dev v0 && \
    ip addr add 10.7.7.9/24 scope link dev v0 && \
    ip addr add 2001:db8::5/64 dev v0 && ";

/// `before && run && after`, in a network namespace with a pair of devices v0 and v1.
fn run_with_devices(c: &Container, before: &str, after: &str) -> Output {
    let (root, bundle) = (c.state_root(), c.bundle());
    let run = format!("{} --root {} run --bundle {} {}", runtime(), root.display(), bundle.display(), c.id);
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "sh", "-c", &format!("{DEVICE}{before}{run}{after}")]);
    finish(unshare)
}

fn moving(devices: Value) -> Container {
    Container::new().set("/linux/netDevices", devices)
}

#[test]
fn a_device_keeps_addresses_mtu_and_hardware_address() {
    only_tare!("runc 1.1 has no netDevices");
    let c = moving(json!({ "v0": {} })).sh("ip addr show dev v0; ip link show v1 2>&1");
    let out = run_with_devices(
        &c,
        "",
        "; n=0; while ip link show v1 >/dev/null 2>&1 && [ $n -lt 200 ]; do n=$((n+1)); sleep 0.05; done; \
                                     echo caller; ip -o link",
    );
    let text = out.stdout();
    let (inside, caller) = text.split_once("caller\n").unwrap();
    for kept in
        ["mtu 1400", "02:00:00:00:00:07", "10.9.8.7/24", "10.9.8.8 peer 10.9.8.1/32", "2001:db8::5/64", ",UP"]
    {
        assert!(inside.contains(kept), "{kept} in {inside}");
    }
    assert!(!inside.contains("10.7.7.9"), "an address of link scope stays behind: {inside}");
    assert!(inside.contains("can't find device 'v1'"), "{inside}");
    // A virtual device ends with the namespace that it is in, and its peer with it, some time later.
    assert!(!caller.contains("v0") && !caller.contains("v1"), "{caller}");
}

#[test]
fn a_device_is_renamed() {
    only_tare!("runc 1.1 has no netDevices");
    let c = moving(json!({ "v0": { "name": "eth0" }, "v1": { "name": "v0" } })).sh(
        "ip -o link | sed 's/^[0-9]*: //; s/@.*\\|:.*//' | sort; ip addr show dev eth0 | grep -c 10.9.8.7",
    );
    assert_eq!(run_with_devices(&c, "", "").ok().stdout(), "eth0\nlo\nv0\n1\n");
}

#[test]
fn in_a_user_namespace() {
    only_tare!("runc 1.1 has no netDevices");
    let c = moving(json!({ "v0": { "name": "eth0" } }))
        .userns()
        .sh("ip -o addr show dev eth0 | grep -c 10.9.8.7");
    assert_eq!(run_with_devices(&c, "", "").ok().stdout(), "1\n");
}

/// The namespace is somebody else's, and so the device lives on.
#[test]
fn into_a_namespace_that_is_joined() {
    only_tare!("runc 1.1 has no netDevices");
    let c = moving(json!({ "v0": { "name": "eth0" } }));
    let pin = c.path("net");
    std::fs::write(&pin, "").unwrap();
    let c =
        c.namespace("network", Some(json!({ "type": "network", "path": pin }))).sh("ip -o link show eth0");
    // The pin is a mount in a mount namespace of the test's.
    let script = format!(
        "{DEVICE} unshare --net={pin} true && {run} && nsenter --net={pin} ip -o addr show eth0",
        pin = pin.display(),
        run = format_args!(
            "{} --root {} run --bundle {} {}",
            runtime(),
            c.state_root().display(),
            c.bundle().display(),
            c.id
        )
    );
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "--mount", "sh", "-c", &script]);
    let out = finish(unshare).ok().stdout();
    assert!(out.contains("eth0@") && out.contains("10.9.8.7/24"), "{out}");
}

#[test]
fn before_the_hooks() {
    only_tare!("runc 1.1 has no netDevices");
    let c = moving(json!({ "v0": {} })).sh("true");
    let seen = c.path("seen");
    let hook = format!("ip link show v0 >{} 2>&1 || true", seen.display());
    let c = c.set(
        "/hooks/createRuntime",
        json!([{ "path": "/bin/sh", "args": ["sh", "-c", hook],
                                                  "env": ["PATH=/bin:/usr/bin"] }]),
    );
    run_with_devices(&c, "", "").ok();
    assert!(std::fs::read_to_string(seen).unwrap().contains("does not exist"));
}

#[test]
fn what_the_kernel_refuses_stays_as_it_was() {
    only_tare!("runc 1.1 has no netDevices");
    let show = "; echo $?; ip -o addr show dev v0";
    for (devices, words) in [
        (
            json!({ "nope": {} }),
            "find the network device nope (config.json: /linux/netDevices/nope): no such device",
        ),
        (
            json!({ "v0": { "name": "lo" } }),
            "(config.json: /linux/netDevices/v0): file exists\nhint: a device of that name",
        ),
        (
            json!({ "lo": { "name": "eth0" } }),
            "(config.json: /linux/netDevices/lo): invalid argument\nhint: some devices",
        ),
    ] {
        let c = moving(devices);
        let out = run_with_devices(&c, "", show);
        let (stdout, stderr) = (out.stdout(), out.stderr().replace("\\n", "\n"));
        assert!(stderr.contains(words), "want {words:?} in {stderr}");
        // Up still, with the addresses that going down takes away.
        assert!(stdout.starts_with("1\n") && stdout.contains("2001:db8::5/64"), "{stdout}");
        c.cmd(&["state", &c.id]).fails(1, "does not exist");
    }
}
