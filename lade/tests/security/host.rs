// SPDX-License-Identifier: Apache-2.0
//! U7, U19, U20: nothing is executed, the readers of what was unpacked are as careful, metadata is not obeyed; and the
//! fence around the thread that parses.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::pulled::image;
use crate::support::image::{Image, Tar};
use crate::support::server::{Server, registry_of};
use crate::support::{Scratch, finished};

#[test]
fn u07_the_fence_holds() {
    let scratch = Scratch::new();
    let (inside, outside) = (scratch.path("inside"), scratch.path("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    let dir = fs::File::open(&inside).unwrap();
    let result = std::thread::spawn(move || {
        let fenced = lade::sys::fence::restrict_to(&dir).unwrap();
        fs::write(inside.join("f"), "x").unwrap();
        let denied =
            |e: Option<std::io::Error>| e.is_some_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied);
        if fenced.landlock {
            assert!(denied(fs::write(outside.join("f"), "x").err()), "wrote outside");
            assert!(denied(fs::remove_dir(&outside).err()), "removed a directory outside");
        }
        assert!(fenced.seccomp);
        assert!(denied(std::process::Command::new("/bin/true").status().err()), "ran a program");
        assert!(denied(std::net::UdpSocket::bind("127.0.0.1:0").err()), "made a socket");
    })
    .join();
    assert!(result.is_ok());
}

/// Every decompressor is in the process: a pull executes nothing but itself.
#[test]
fn u07_a_pull_executes_nothing() {
    let scratch = Scratch::new();
    image().write_layout(&scratch.path("layout"));
    let (log, plain) = (scratch.path("log"), scratch.command());
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", "trace=execve,execveat", "-o"]).arg(&log);
    command.arg(plain.get_program()).args(plain.get_args());
    command.arg("pull").arg(format!("oci:{}", scratch.path("layout").display()));
    command.arg("--bundle").arg(scratch.path("b"));
    command.env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let ran = finished(command.output().unwrap());
    assert!(ran.ok, "{}", ran.err);
    assert_eq!(fs::read_to_string(&log).unwrap().matches("exec").count(), 1);
}

/// In a pull that waits for the rest of a layer, one thread is fenced in: the one that reads it.
#[test]
fn u07_the_thread_that_unpacks_is_fenced_in() {
    static GO_ON: AtomicBool = AtomicBool::new(false);
    let answer = registry_of(&Image::new(&[Tar::new().file("f", "x")]).gzipped());
    let server = Server::start(move |request| {
        let response = answer(request);
        // The layer, not the config, which is JSON.
        if request.target.contains("/blobs/") && response.body.first() != Some(&b'{') {
            while !GO_ON.load(SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        response
    });
    let scratch = Scratch::new();
    let mut command = scratch.command();
    command.args(["pull", "-q", "--plain-http", &server.host(), &format!("{}/repo:t", server.host())]);
    let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
    let fenced = || {
        let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).unwrap();
        let status = tasks.flatten().map(|t| fs::read_to_string(t.path().join("status")).unwrap_or_default());
        let is = |s: &String| s.contains("NoNewPrivs:\t1") && s.contains("Seccomp:\t2");
        status.filter(is).count()
    };
    let start = Instant::now();
    while fenced() != 1 {
        assert!(start.elapsed() < Duration::from_secs(60), "{} threads are fenced in", fenced());
        std::thread::sleep(Duration::from_millis(5));
    }
    GO_ON.store(true, SeqCst);
    assert!(child.wait().unwrap().success());
}

/// Labels of an image that some runtime, shim or hook acts on: none becomes an annotation.
#[test]
fn u20_labels_are_no_orders_to_the_host() {
    let scratch = Scratch::new();
    let orders = [
        "org.systemd.property.ExecStartPre",
        "run.oci.hooks.stdin",
        "run.oci.handler",
        "io.containerd.cri.log-uri",
        "io.kubernetes.cri-o.Devices",
        "io.podman.annotations.privileged",
        "io.katacontainers.config.hypervisor.path",
        "com.nvidia.cdi",
        "cdi.k8s.io/x",
        "nerdctl/log-uri",
        "module.wasm.image/variant",
        "tare.anything",
        "lade.chosen-from",
    ];
    let mut labels: serde_json::Map<String, Value> =
        orders.iter().map(|name| ((*name).to_owned(), json!("binary:///bin/sh"))).collect();
    labels.insert("org.opencontainers.image.title".to_owned(), json!("kept"));
    let image =
        Image { config: json!({"Cmd": ["x"], "Labels": labels}), ..Image::new(&[Tar::new().dir("d")]) };
    assert!(scratch.pull(&image, "t").ok);
    let made = scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
    let spec: Value = serde_json::from_slice(&fs::read(scratch.path("b/config.json")).unwrap()).unwrap();
    let annotations = spec["annotations"].as_object().unwrap();
    assert_eq!(annotations["org.opencontainers.image.title"], "kept");
    for name in orders {
        assert!(!annotations.contains_key(name), "{name}");
        assert!(made.err.contains(name), "nobody was told of {name}");
    }
    assert!(!spec.to_string().contains("binary:///bin/sh"));
    // Annotations of manifests and indexes are not even looked at (conversion.md).
    assert!(spec.get("hooks").is_none());
}
