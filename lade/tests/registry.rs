// SPDX-License-Identifier: Apache-2.0
//! Registries that break, hang up, are busy or out of order; mirrors, and where credentials come from.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use lade::digest::Digest;

use crate::security::pulled::{fails, image, pull};
use crate::support::server::{Response, Server};
use crate::support::{Scratch, finished};

const SECRET: &str = "dTpwYXNzd29yZA==";

#[test]
fn a_good_registry_serves_once() {
    let (scratch, server) = (Scratch::new(), Server::with_image(&image(), |_, r| r));
    assert!(pull(&scratch, &server, &[]).ok);
    let before = server.requests().len();
    assert!(pull(&scratch, &server, &[]).ok);
    assert_eq!(server.requests().len(), before + 1, "an image that is there costs one round trip");
    scratch.ok(&["bundle", &format!("{}/repo:t", server.host()), scratch.path("b").to_str().unwrap()]);
}

#[test]
fn eight_pulls_are_one_download() {
    let (scratch, server) = (Scratch::new(), Server::with_image(&image(), |_, r| r));
    let name = format!("{}/repo:t", server.host());
    let children: Vec<_> = (0..8)
        .map(|_| {
            let mut command = scratch.command();
            command.args(["pull", "-q", "--plain-http", &server.host(), &name]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran = finished(child.wait_with_output().unwrap());
        assert!(ran.ok, "{}", ran.err);
    }
    for layer in &image().layers {
        assert_eq!(server.count(&format!("blobs/{}", Digest::of(&layer.bytes))), 1);
    }
}

#[test]
fn a_broken_stream_goes_on_where_it_broke() {
    let breaks = AtomicUsize::new(0);
    let server = Server::with_image(&image(), move |_, r| {
        if r.body.len() > 10_000 && breaks.fetch_add(1, SeqCst) < 2 { r.cut(8_000) } else { r }
    });
    let scratch = Scratch::new();
    assert!(pull(&scratch, &server, &[]).ok);
    let ranges: Vec<String> =
        server.requests().iter().filter_map(|r| r.headers.get("range").cloned()).collect();
    assert!(ranges.iter().any(|r| r.starts_with("bytes=8000-")), "{ranges:?}");
    assert!(ranges.iter().any(|r| r.starts_with("bytes=16000-")), "{ranges:?}");
}

#[test]
fn a_killed_pull_is_taken_up_by_the_next() {
    let stall = Arc::new(AtomicUsize::new(1));
    let shared = stall.clone();
    let server = Server::with_image(&image(), move |_, r| {
        if r.body.len() > 10_000 && shared.load(SeqCst) == 1 {
            // Announces all, sends a part, and hangs up each time.
            return Response { headers: vec![("content-length".into(), r.body.len().to_string())], ..r }
                .cut(5_000);
        }
        r
    });
    let scratch = Scratch::new();
    let mut command = scratch.command();
    command.args(["pull", "-q", "--plain-http", &server.host(), &format!("{}/repo:t", server.host())]);
    let mut child = command.spawn().unwrap();
    let part = || {
        let entries = fs::read_dir(scratch.path("store/tmp")).into_iter().flatten().flatten();
        entries
            .filter(|e| e.path().extension().is_some_and(|x| x == "part"))
            .map(|e| e.metadata().unwrap().len())
            .max()
    };
    while part().unwrap_or(0) < 5_000 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scratch.ok(&["ls", "-q"]).out, "");
    stall.store(0, SeqCst);
    let before = server.requests().len();
    assert!(pull(&scratch, &server, &[]).ok);
    let resumed = server.requests()[before..].iter().any(|r| r.headers.contains_key("range"));
    assert!(resumed, "the second pull started from nothing");
}

#[test]
fn a_rotten_part_is_fetched_anew() {
    let scratch = Scratch::new();
    let server = Server::with_image(&image(), |_, r| r);
    let digest = Digest::of(&image().layers[0].bytes);
    scratch.ok(&["ls"]);
    fs::write(scratch.path(&format!("store/tmp/sha256-{}.part", digest.hex())), vec![7; 1000]).unwrap();
    assert!(pull(&scratch, &server, &[]).ok);
}

#[test]
fn a_server_without_ranges_is_read_past() {
    let cuts = AtomicUsize::new(0);
    let all = image().layers[0].bytes.clone();
    let server = Server::with_image(&image(), move |request, r| {
        if request.target.contains(Digest::of(&all).as_str()) {
            let whole = Response::new(200, &all);
            return if cuts.fetch_add(1, SeqCst) == 0 { whole.cut(9_000) } else { whole };
        }
        r
    });
    assert!(pull(&Scratch::new(), &server, &[]).ok);
}

#[test]
fn wrong_ranges_are_refused() {
    let cuts = AtomicUsize::new(0);
    let server = Server::with_image(&image(), move |request, mut r| {
        if r.body.len() > 10_000 && cuts.fetch_add(1, SeqCst) == 0 {
            return r.cut(9_000);
        }
        if request.headers.contains_key("range") {
            r.headers[0].1 = "bytes 5-100/200".to_owned();
        }
        r
    });
    let scratch = Scratch::new();
    fails(&pull(&scratch, &server, &[]), "sent bytes from 5");
}

#[test]
fn busy_servers_are_asked_again() {
    for (status, retry) in [(429, "0"), (503, "0"), (500, "Wed, 21 Oct 2015 07:28:00 GMT")] {
        let asked = AtomicUsize::new(0);
        let server = Server::with_image(&image(), move |_, r| match asked.fetch_add(1, SeqCst) {
            0 | 2 => Response::new(status, b"").header("retry-after", retry),
            _ => r,
        });
        assert!(pull(&Scratch::new(), &server, &[]).ok, "{status}");
    }
    let server = Server::start(|_| Response::new(429, b"").header("retry-after", "3600"));
    fails(&pull(&Scratch::new(), &server, &[]), "come back in 3600 seconds");
}

#[test]
fn mirrors_come_first_and_may_fail() {
    let scratch = Scratch::new();
    let mirror = Server::with_image(&image(), |_, r| r);
    let registry = Server::with_image(&image(), |_, r| r);
    let conf = |location: &str| {
        format!(
            "[[registry]]\nprefix = \"{0}/repo\"\nlocation = \"{0}/repo\"\n[[registry.mirror]]\nlocation = \"{location}\"\n",
            registry.host()
        )
    };
    fs::write(scratch.path("registries.conf"), conf(&format!("{}/repo", mirror.host()))).unwrap();
    let both = ["--plain-http", &mirror.host()];
    assert!(pull(&scratch, &registry, &both).ok);
    assert!(mirror.requests().len() > 3 && registry.requests().is_empty());
    fs::write(scratch.path("registries.conf"), conf("127.0.0.1:1/none")).unwrap();
    scratch.ok(&["rm", &format!("{}/repo:t", registry.host())]);
    assert!(pull(&scratch, &registry, &["--plain-http", "127.0.0.1:1"]).ok);
    assert!(!registry.requests().is_empty());
}

#[test]
fn helpers_and_files_give_credentials() {
    let scratch = Scratch::new();
    let server = Server::with_image(&image(), |request, r| {
        if request.headers.get("authorization").is_none_or(|a| !a.ends_with(SECRET)) {
            return Response::new(401, b"").header("www-authenticate", "Basic realm=\"x\"");
        }
        r
    });
    let auth = scratch.path("auth.json");
    let file = auth.to_str().unwrap();
    fs::write(&auth, format!(r#"{{"auths": {{"{}": {{"auth": "{SECRET}"}}}}}}"#, server.host())).unwrap();
    assert!(pull(&scratch, &server, &["--authfile", file]).ok);
    // A login keeps what else is in the file, and a logout takes only its own.
    fs::write(&auth, r#"{"auths": {"other.io": {"auth": "eA=="}}, "x": 1}"#).unwrap();
    let host = server.host();
    scratch.ok(&["login", &host, "--plain-http", &host, "--creds", "u:password", "--authfile", file]);
    assert!(fs::read_to_string(&auth).unwrap().contains(SECRET));
    scratch.refused(&["login", &host, "--plain-http", &host, "--creds", "u:no", "--authfile", file], "wrong");
    scratch.ok(&["logout", &host, "--authfile", file]);
    let left = fs::read_to_string(&auth).unwrap();
    assert!(left.contains("other.io") && left.contains("\"x\"") && !left.contains(SECRET));
    // A helper is found on PATH and speaks Docker's protocol.
    let bin = scratch.path("bin");
    fs::create_dir(&bin).unwrap();
    let helper = bin.join("docker-credential-test");
    fs::write(&helper, "#!/bin/sh\nread host\necho '{\"Username\":\"u\",\"Secret\":\"password\"}'\n")
        .unwrap();
    fs::set_permissions(&helper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    fs::write(&auth, format!(r#"{{"credHelpers": {{"{host}": "test"}}}}"#)).unwrap();
    let mut command = scratch.command();
    command.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    command.args(["pull", "-q", "--plain-http", &host, "--authfile", file, &format!("{host}/again:t")]);
    let ran = finished(command.output().unwrap());
    assert!(ran.ok, "{}", ran.err);
}

/// Each place that is more the user's own than the last, and the flags after all of them.
#[test]
fn credentials_are_found_where_others_keep_them() {
    let scratch = Scratch::new();
    let server = Server::with_image(&image(), |request, r| match request.headers.get("authorization") {
        Some(_) => r,
        None => Response::new(401, b"").header("www-authenticate", "Basic realm=\"x\""),
    });
    let (host, name) = (server.host(), format!("{}/repo:t", server.host()));
    let at = |place: &str| scratch.path(place);
    let mut env: Vec<(&str, std::path::PathBuf)> = Vec::new();
    let mut flags: Vec<String> = Vec::new();
    for (user, file, variable, place) in [
        ("one", "home/.docker/config.json", "", ""),
        ("two", "docker/config.json", "DOCKER_CONFIG", "docker"),
        ("three", "home/.config/containers/auth.json", "", ""),
        ("four", "config/containers/auth.json", "XDG_CONFIG_HOME", "config"),
        ("five", "run/containers/auth.json", "XDG_RUNTIME_DIR", "run"),
        ("six", "auth.json", "REGISTRY_AUTH_FILE", "auth.json"),
        ("seven", "other.json", "--authfile", "other.json"),
        ("eight", "", "--creds", "eight:x"),
    ] {
        if !file.is_empty() {
            fs::create_dir_all(at(file).parent().unwrap()).unwrap();
            let entry =
                format!(r#"{{"auths": {{"{host}/repo": {{"username": "{user}", "password": "x"}}}}}}"#);
            fs::write(at(file), entry).unwrap();
        }
        match variable {
            "--creds" => flags = vec![variable.into(), place.into()],
            "--authfile" => flags = vec![variable.into(), at(place).display().to_string()],
            "" => {}
            _ => env.push((variable, at(place))),
        }
        let mut command = scratch.command();
        command
            .envs(env.iter().map(|(k, v)| (k, v)))
            .args(["pull", "-q", "--plain-http", &host, &name])
            .args(&flags);
        let ran = finished(command.output().unwrap());
        assert!(ran.ok, "{user}: {}", ran.err);
        let last = server.requests().pop().unwrap().headers["authorization"].clone();
        use base64::Engine;
        let wanted = base64::prelude::BASE64_STANDARD.encode(format!("{user}:x"));
        assert_eq!(last, format!("Basic {wanted}"), "not those of {user}");
    }
    scratch.refused(&["pull", "--anonymous", "--plain-http", &host, &name], "answered 401");
}
