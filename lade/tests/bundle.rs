// SPDX-License-Identifier: Apache-2.0
//! Bundles: the conversion of the image config, hostile passwd files, and that what is made can be unmade.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::image::{Image, Tar, header};
use crate::support::{Scratch, finished};

fn image(config: Value) -> Image {
    let passwd = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home:/bin/sh\n";
    let tar = Tar::new().dir("etc").file("etc/passwd", passwd).file("etc/group", "extra:x:2000:app\n");
    Image { config, ..Image::new(&[tar]) }
}

fn spec(scratch: &Scratch, more: &[&str]) -> Value {
    let dir = scratch.path("b");
    scratch.ok(&[&["bundle", "t", dir.to_str().unwrap()], more].concat());
    let spec = serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap();
    scratch.ok(&["bundle", "--remove", dir.to_str().unwrap()]);
    assert!(!dir.exists());
    spec
}

#[test]
fn the_config_is_converted_by_the_rules() {
    let scratch = Scratch::new();
    let config = json!({
        "User": "app", "Env": ["A=1", "PATH=/own"], "Entrypoint": ["/e"], "Cmd": ["c", "d"], "WorkingDir": "/w",
        "StopSignal": "SIGUSR1", "ExposedPorts": {"80/tcp": {}, "53/udp": {}}, "Volumes": {"/v": {}},
        "Labels": {"who": "me", "org.systemd.property.ExecStartPre": "/evil", "run.oci.hooks.stdin": "x", "org.opencontainers.image.os": "plan9"},
    });
    assert!(scratch.pull(&image(config), "t").ok);
    let made = spec(&scratch, &[]);
    let process = &made["process"];
    assert_eq!(process["args"], json!(["/e", "c", "d"]));
    assert_eq!(process["env"], json!(["PATH=/own", "A=1"]));
    assert_eq!(process["cwd"], "/w");
    assert_eq!(process["user"], json!({"uid": 1000, "gid": 1000, "additionalGids": [2000]}));
    assert_eq!(process["noNewPrivileges"], true);
    let annotations = &made["annotations"];
    assert_eq!(annotations["org.opencontainers.image.stopSignal"], "SIGUSR1");
    assert_eq!(annotations["org.opencontainers.image.exposedPorts"], "53/udp,80/tcp");
    assert_eq!(annotations["org.opencontainers.image.os"], "plan9", "labels win");
    assert_eq!(annotations["who"], "me");
    assert!(annotations.get("org.systemd.property.ExecStartPre").is_none());
    assert!(annotations.get("run.oci.hooks.stdin").is_none());
    let made = spec(&scratch, &["--allow-unsafe-annotations"]);
    assert_eq!(made["annotations"]["run.oci.hooks.stdin"], "x");
}

#[test]
fn flags_have_the_last_word() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(json!({"Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=1"]})), "t").ok);
    let made = spec(
        &scratch,
        &[
            "--env",
            "A=2",
            "--user",
            "7:8",
            "--hostname",
            "h",
            "--memory",
            "64m",
            "--cpus",
            "1.5",
            "--pids-limit",
            "9",
            "--read-only",
            "--network",
            "host",
            "-v",
            "/src:/dst:ro",
            "--cap-drop",
            "all",
            "--cap-add",
            "chown",
            "--",
            "x",
            "y",
        ],
    );
    assert_eq!(made["process"]["args"], json!(["/e", "x", "y"]));
    assert!(made["process"]["env"].as_array().unwrap().contains(&json!("A=2")));
    assert_eq!(made["process"]["user"], json!({"uid": 7, "gid": 8}));
    assert_eq!(made["process"]["capabilities"]["effective"], json!(["CAP_CHOWN"]));
    assert_eq!(made["hostname"], "h");
    assert_eq!(made["root"]["readonly"], true);
    assert_eq!(made["linux"]["resources"]["memory"]["limit"], 64 << 20);
    assert_eq!(made["linux"]["resources"]["cpu"]["quota"], 150_000);
    assert_eq!(made["linux"]["resources"]["pids"]["limit"], 9);
    let mounts = made["mounts"].as_array().unwrap();
    assert!(mounts.iter().any(|m| m["destination"] == "/dst" && m["options"] == json!(["rbind", "ro"])));
    assert!(!made["linux"]["namespaces"].to_string().contains("network"));
    let made = spec(&scratch, &["--entrypoint", "/other"]);
    assert_eq!(made["process"]["args"], json!(["/other"]));
}

#[test]
fn flags_for_what_an_image_does_not_say() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(json!({"Cmd": ["c"], "WorkingDir": "/w", "Volumes": {"/v": {}}})), "t").ok);
    let made = spec(&scratch, &["--copy"]);
    assert_eq!((&made["process"]["terminal"], &made["process"]["cwd"]), (&json!(false), &json!("/w")));
    assert_eq!(made["process"]["noNewPrivileges"], true);
    let bind = "type=bind,source=/src,destination=/v,readonly";
    let made = spec(
        &scratch,
        &[
            "--workdir",
            "sub",
            "--terminal",
            "--volume",
            "/a:/b",
            "--mount",
            "type=tmpfs,destination=/t",
            "--mount",
            bind,
            "--allow-new-privileges",
            "--network",
            "/proc/1/ns/net",
            "--user",
            "app:extra",
            "--env",
            "HOME",
            "--env",
            "NOT_SET",
        ],
    );
    assert_eq!((&made["process"]["terminal"], &made["process"]["cwd"]), (&json!(true), &json!("/sub")));
    assert_eq!(made["process"]["noNewPrivileges"], false);
    assert_eq!(made["process"]["user"], json!({"uid": 1000, "gid": 2000}));
    let env = made["process"]["env"].as_array().unwrap();
    assert!(env.contains(&json!("TERM=xterm")));
    assert!(env.contains(&json!(format!("HOME={}", scratch.path("home").display()))));
    assert!(!made["process"]["env"].to_string().contains("NOT_SET"));
    let mounts = made["mounts"].as_array().unwrap();
    let at = |place: &str| mounts.iter().find(|m| m["destination"] == place).unwrap().clone();
    assert_eq!((&at("/b")["source"], &at("/b")["options"]), (&json!("/a"), &json!(["rbind"])));
    assert_eq!((&at("/v")["source"], &at("/v")["options"]), (&json!("/src"), &json!(["rbind", "ro"])));
    assert_eq!((&at("/t")["type"], &at("/t")["options"]), (&json!("tmpfs"), &json!(["nosuid", "nodev"])));
    let namespaces = made["linux"]["namespaces"].as_array().unwrap();
    assert!(namespaces.contains(&json!({"type": "network", "path": "/proc/1/ns/net"})));
    let dir = scratch.path("b");
    for (flags, text) in [
        (["--network", "bridge"], "neither none, host nor a path"),
        (["--cpus", "0"], "not a number above zero"),
        (["--user", "nobody-here"], "no user"),
        (["--cap-add", "all"], "by name"),
        (["--volume", "/a"], "expected SRC:DST"),
        (["--mount", "type=nfs,destination=/x"], "neither bind nor tmpfs"),
        (["--memory", "lots"], "invalid size"),
    ] {
        scratch.refused(&[&["bundle", "t", dir.to_str().unwrap()][..], &flags].concat(), text);
        assert!(!dir.exists());
    }
}

/// A copy is no mount, and has a rootfs of its own.
#[test]
fn copies_are_not_mounts() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(json!({"Cmd": ["c"]})), "t").ok);
    let mounted = |name: &str| {
        let dir = scratch.path(name).join("rootfs").display().to_string();
        fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&format!(" {dir} "))
    };
    scratch.ok(&["bundle", "t", scratch.path("m").to_str().unwrap()]);
    scratch.ok(&["bundle", "--copy", "t", scratch.path("c").to_str().unwrap()]);
    assert!(mounted("m") && !mounted("c"));
    fs::write(scratch.path("c/rootfs/etc/passwd"), "mine").unwrap();
    assert_ne!(fs::read(scratch.path("m/rootfs/etc/passwd")).unwrap(), b"mine");
    scratch.ok(&["verify", "--deep"]);
    scratch.ok(&["bundle", "--remove", scratch.path("m").to_str().unwrap()]);
    assert!(!mounted("m"));
}

#[test]
fn u19_hostile_passwd_files_end() {
    let fifo = Tar::new().dir("etc").entry(header(b"etc/passwd", b'6'), b"");
    let zero = Tar::new()
        .dir("etc")
        .symlink("etc/passwd", "/dev/zero")
        .dir("dev")
        .entry(header(b"dev/zero", b'3').device(1, 5).mode(0o666), b"");
    let host = Tar::new().dir("etc").symlink("etc/passwd", "/proc/self/root/etc/passwd");
    let escape = Tar::new().dir("etc").symlink("etc/passwd", "../../../../../../etc/hostname");
    let looped = Tar::new().dir("etc").symlink("etc/passwd", "passwd");
    let dir = Tar::new().dir("etc").dir("etc/passwd");
    let huge = Tar::new().dir("etc").file("etc/passwd", &"x".repeat((1 << 20) + 1));
    for (tar, text) in [
        (fifo, "not a regular file"),
        (zero, "not a regular file"),
        (host, "no user \"root\""),
        (escape, "no user \"root\""),
        (looped, "unable to read"),
        (dir, "not a regular file"),
        (huge, "larger than 1048576"),
    ] {
        let scratch = Scratch::new();
        let image = Image { config: json!({"User": "root", "Cmd": ["x"]}), ..Image::new(&[tar]) };
        assert!(scratch.pull(&image, "t").ok);
        let dir = scratch.path("b");
        scratch.refused(&["bundle", "t", dir.to_str().unwrap()], text);
        assert!(!dir.exists(), "a failed bundle leaves nothing");
    }
}

#[test]
fn bundles_are_made_in_empty_places_and_unmade() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(json!({"Cmd": ["x"]})), "t").ok);
    let dir = scratch.path("b");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("mine"), "x").unwrap();
    scratch.refused(&["bundle", "t", dir.to_str().unwrap()], "not empty");
    scratch.refused(&["bundle", "--remove", dir.to_str().unwrap()], "not a bundle made by lade");
    fs::remove_file(dir.join("mine")).unwrap();
    scratch.ok(&["bundle", "t", dir.to_str().unwrap()]);
    fs::write(dir.join("rootfs/new"), "x").unwrap();
    // The layers are in use: neither rm nor prune may take them.
    scratch.ok(&["rm", "t"]);
    scratch.ok(&["prune"]);
    assert!(fs::read(dir.join("rootfs/etc/passwd")).is_ok());
    scratch.ok(&["bundle", "--remove", dir.to_str().unwrap()]);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "the directory was there before and stays");
    scratch.ok(&["prune"]);
    scratch.assert_store_empty();
}

#[test]
fn what_lade_makes_is_private() {
    let scratch = Scratch::new();
    let mode = |name: &str| fs::metadata(scratch.path(name)).unwrap().permissions().mode() & 0o777;
    fs::create_dir(scratch.path("store")).unwrap();
    fs::set_permissions(scratch.path("store"), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(scratch.pull(&image(json!({"Cmd": ["x"]})), "t").ok);
    scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
    assert_eq!((mode("store"), mode("b")), (0o700, 0o700));
    // A directory that hands its group on does not hand it to what is unpacked.
    fs::create_dir(scratch.path("staff")).unwrap();
    std::os::unix::fs::chown(scratch.path("staff"), None, Some(50)).unwrap();
    fs::set_permissions(scratch.path("staff"), fs::Permissions::from_mode(0o2775)).unwrap();
    let (store, copy) = (scratch.path("staff/store"), scratch.path("staff/copy"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    scratch.ok(&["pull", "-q", "--root", store.to_str().unwrap(), &layout, "--name", "t"]);
    scratch.ok(&["bundle", "--root", store.to_str().unwrap(), "--copy", "t", copy.to_str().unwrap()]);
    assert_eq!(fs::metadata(copy.join("rootfs/etc/passwd")).unwrap().gid(), 0);
    std::os::unix::fs::chown(scratch.path("store"), Some(1), None).unwrap();
    scratch.refused(&["ls"], "belongs to another user");
    std::os::unix::fs::chown(scratch.path("store"), Some(0), None).unwrap();
}

#[test]
fn an_image_without_a_command_says_so() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(json!({})), "t").ok);
    scratch.refused(&["bundle", "t", scratch.path("b").to_str().unwrap()], "does not say what to run");
    scratch.refused(&["bundle", "none", scratch.path("b").to_str().unwrap()], "no image none");
}

/// Before Linux 6.5 overlayfs took its layers in one option string: strace plays a kernel without fsopen, and one whose
/// overlayfs does not know `lowerdir+`.
#[test]
fn older_kernels_mount_too() {
    let scratch = Scratch::new();
    let layer = |i: u32| Tar::new().file(&format!("f{i}"), "x").file("same", &i.to_string());
    let layers: Vec<Tar> = (0..60).map(layer).collect();
    assert!(scratch.pull(&Image { config: json!({"Cmd": ["x"]}), ..Image::new(&layers) }, "t").ok);
    // The first fsconfig names the source, the second a layer.
    for inject in ["fsopen:error=ENOSYS", "fsconfig:error=EINVAL:when=2"] {
        let plain = scratch.command();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("inject={inject}")]);
        command.arg(plain.get_program()).args(plain.get_args());
        let dir = scratch.path("a,strange:name");
        command.args(["bundle", "t", dir.to_str().unwrap()]);
        command.env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let ran = finished(command.output().unwrap());
        assert!(ran.ok && !ran.err.contains("copied"), "{inject}: {}", ran.err);
        assert_eq!(fs::read(dir.join("rootfs/same")).unwrap(), b"59");
        assert_eq!(fs::read_dir(dir.join("rootfs")).unwrap().count(), 61);
        fs::write(dir.join("rootfs/new"), "x").unwrap();
        scratch.ok(&["bundle", "--remove", dir.to_str().unwrap()]);
    }
}
