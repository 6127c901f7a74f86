// SPDX-License-Identifier: Apache-2.0
//! AppArmor and SELinux on a machine without them: what cannot be had is an error, never left out.
use std::path::Path;

use serde_json::json;

use crate::harness::{Container, only_tare};

fn has_selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

/// With AppArmor too: there is no such profile.
#[test]
fn apparmor_profile_that_is_not_there() {
    let c = Container::new().set("/process/apparmorProfile", json!("tare-no-such-profile"));
    c.create(&[]).fails(1, "unable to apply apparmor profile");
    let c = Container::new().up();
    c.exec(&["--apparmor", "tare-no-such-profile"], &["true"]).fails(255, "apparmor");
}

/// Podman takes the path in the message for a lack of permission and says so.
#[test]
fn apparmor_words() {
    only_tare!("runc 1.1 names /proc/self");
    let c = Container::new().set("/process/apparmorProfile", json!("tare-no-such-profile"));
    c.create(&[]).fails(
        1,
        "unable to apply apparmor profile (config.json: /process/apparmorProfile): apparmor failed to apply \
         profile: write /proc/thread-self/attr/",
    );
    let c = Container::new().up();
    c.exec(&["--apparmor", "tare-no-such-profile"], &["true"])
        .fails(255, "(config.json: /process/apparmorProfile)");
}

/// Written where no mount of the image's can be in the way, and by a process with no rights left too.
#[test]
fn apparmor_in_a_user_namespace_and_as_a_user() {
    for c in [
        Container::new().userns(),
        Container::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 })),
        Container::new()
            .config(|c| {
                c["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] != "/proc");
            })
            .set("/linux/maskedPaths", json!([]))
            .set("/linux/readonlyPaths", json!([])),
    ] {
        let c = c.set("/process/apparmorProfile", json!("tare-no-such-profile"));
        c.create(&[]).fails(1, "unable to apply apparmor profile");
    }
}

#[test]
fn selinux_label_without_selinux() {
    if has_selinux() {
        eprintln!("this machine has SELinux: the label would be taken");
        return;
    }
    let label = "system_u:system_r:container_t:s0";
    let c = Container::new().set("/process/selinuxLabel", json!(label));
    c.create(&[]).fails(1, "selinux label is specified in config, but selinux is disabled or not supported");
    let c = Container::new().up();
    c.exec(&["--process-label", label], &["true"]).fails(255, "disabled or not supported");
}

/// The empty directory that covers another is a tmpfs too.
#[test]
fn mount_label_is_that_of_masks_too() {
    if has_selinux() {
        eprintln!("this machine has SELinux: the label would be taken");
        return;
    }
    let c = Container::new()
        .config(|c| c["mounts"].as_array_mut().unwrap().retain(|mount| mount["destination"] == "/proc"))
        .set("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0"))
        .set("/linux/maskedPaths", json!(["/bin"]));
    c.create(&[]).fails(1, "invalid argument");
    c.set("/linux/maskedPaths", json!(["/nosuch", "/proc/version"])).run(&[]).ok();
}

/// No option that tmpfs knows, and so the kernel refuses the mount.
#[test]
fn mount_label_without_selinux() {
    if has_selinux() {
        eprintln!("this machine has SELinux: the label would be taken");
        return;
    }
    let c = Container::new().set("/linux/mountLabel", json!("system_u:object_r:container_file_t:s0"));
    c.create(&[]).fails(1, "error mounting \"tmpfs\" to rootfs at \"/dev\"");
}
