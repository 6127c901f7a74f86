// SPDX-License-Identifier: Apache-2.0
//! Every flag does what it says; and none is without a test.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use lade::digest::Digest;
use serde_json::{Value, json};

use crate::support::image::{INDEX, Image, MANIFEST, Tar};
use crate::support::server::{Response, Server};
use crate::support::{Ran, Scratch, finished};

fn image() -> Image {
    Image::new(&[Tar::new().dir("d").file("d/f", "one"), Tar::new().file("g", "two")])
}

fn json_of(scratch: &Scratch, args: &[&str]) -> Value {
    serde_json::from_str(&scratch.ok(args).out).unwrap()
}

fn with_input(scratch: &Scratch, args: &[&str], input: &[u8]) -> Ran {
    let mut command = scratch.command();
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let ran = finished(child.wait_with_output().unwrap());
    assert!(ran.ok, "lade {args:?}: {}", ran.err);
    ran
}

/// The long flags of each command, as its help has them.
fn flags_of(scratch: &Scratch, command: &str) -> BTreeSet<String> {
    let help = scratch.ok(&[command, "--help"]).out;
    let words = help.lines().filter_map(|line| {
        let start = line.find("--").filter(|at| line[..*at].trim().len() <= 3)?;
        line[start..].split([' ', ',', '=', '[']).next()
    });
    words.map(str::to_owned).collect()
}

#[test]
fn every_flag_is_in_some_test() {
    let scratch = Scratch::new();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = fs::read_to_string(own.join("../integration/registry/run")).unwrap();
    let mut dirs = vec![own.join("tests")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
            if entry.is_dir() {
                dirs.push(entry);
            } else {
                tests += &fs::read_to_string(entry).unwrap();
            }
        }
    }
    let overview = scratch.ok(&["--help"]).out;
    let commands = overview.lines().skip_while(|l| *l != "Commands:").skip(1).take_while(|l| !l.is_empty());
    let commands: Vec<&str> = commands.map(|l| l.split_whitespace().next().unwrap()).collect();
    assert!(commands.len() > 14, "{overview}");
    for command in commands {
        let flags = flags_of(&scratch, command);
        assert!(flags.contains("--help") && flags.contains("--root"), "{command}: {flags:?}");
        for flag in flags {
            let used = [format!("\"{flag}\""), format!(" {flag} "), format!("({flag} ")];
            assert!(used.iter().any(|u| tests.contains(u)), "no test gives {command} {flag}");
        }
        assert!(tests.contains(&format!("\"{command}\"")) || tests.contains(&format!("lade {command} ")));
    }
    assert_eq!(scratch.ok(&["--version"]).out, format!("lade {}\n", env!("CARGO_PKG_VERSION")));
    for bad in [&["pull", "--nonsense", "x"][..], &["nonsense"], &["pull"], &["tag", "one"]] {
        let output = scratch.command().args(bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad:?}");
    }
}

#[test]
fn the_store_is_named_by_flag_or_environment() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(), "t").ok);
    let run = |env: &Path, args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lade"));
        finished(command.args(args).env("LADE_ROOT", env).output().unwrap())
    };
    assert_eq!(run(&scratch.path("store"), &["ls", "--quiet"]).out.len(), 13);
    let other = scratch.path("other");
    assert_eq!(run(&other, &["ls", "--quiet"]).out, "");
    let store = scratch.path("store");
    assert_eq!(run(&other, &["ls", "-q", "--root", store.to_str().unwrap()]).out.len(), 13);
}

#[test]
fn lists_for_people_and_programs() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(), "app:1").ok);
    scratch.ok(&["tag", "app:1", "app:2"]);
    let id = json_of(&scratch, &["ls", "--json"])[0]["Id"].as_str().unwrap().to_owned();
    let table = scratch.ok(&["ls", "--no-trunc"]).out;
    assert!(table.starts_with("NAME") && table.matches(&id).count() == 2, "{table}");
    assert!(!scratch.ok(&["ls"]).out.contains(&id));
    assert_eq!(scratch.ok(&["ls", "-q", "--filter", "reference=app:1", "--no-trunc"]).out.trim(), id);
    assert_eq!(scratch.ok(&["ls", "-q", "--filter", "dangling=true"]).out, "");
    scratch.refused(&["ls", "--filter", "label=x"], "unknown filter");
    assert_eq!(scratch.ok(&["image", "ls", "--no-trunc"]).out, table);
    scratch.ok(&["rm", "--force", &id, "not-there"]);
    assert_eq!(json_of(&scratch, &["ls", "--json"]), json!([]));
    assert!(
        scratch.pull(&image(), "app:1").ok && scratch.pull(&Image::new(&[Tar::new().dir("x")]), "app:1").ok
    );
    let freed = json_of(&scratch, &["prune", "--json"]);
    assert_eq!((&freed["blobs"], &freed["layers"]), (&json!(4), &json!(2)));
    assert_eq!(json_of(&scratch, &["image", "prune", "--all", "--json"])["layers"], 1);
    scratch.assert_store_empty();
}

#[test]
fn an_import_says_what_it_was_told() {
    let scratch = Scratch::new();
    let told = ["--cmd", "/bin/sh", "--cmd=-c", "--env", "A=1", "-e", "B=2", "--user", "7:8"];
    let more = ["--workdir", "/w", "--label", "k=v", "--label", "bare", "--message", "by hand"];
    let args = [&["import", "-", "made:1"], &told[..], &more[..]].concat();
    with_input(&scratch, &args, &Tar::new().file("f", "x").end());
    assert_eq!(
        json_of(&scratch, &["inspect", "made:1"])[0]["Config"],
        json!({"Cmd": ["/bin/sh", "-c"], "Env": ["A=1", "B=2"], "User": "7:8", "WorkingDir": "/w",
            "Labels": {"k": "v", "bare": ""}})
    );
    assert_eq!(json_of(&scratch, &["history", "made:1", "--json"])[0]["comment"], "by hand");
    let table = scratch.ok(&["history", "made:1"]).out;
    assert!(table.starts_with("CREATED") && table.contains("lade import") && table.contains("by hand"));
    let other = ["import", "--platform", "linux/s390x", "-", "made:2"];
    with_input(&scratch, &other, &Tar::new().file("f", "x").end());
    assert_eq!(json_of(&scratch, &["inspect", "made:2"])[0]["Architecture"], "s390x");
}

#[test]
fn long_commands_of_a_history_are_cut_for_people_only() {
    let scratch = Scratch::new();
    let long = "RUN ".to_owned() + &"x".repeat(100);
    let step = json!({"created": "2001-01-01T00:00:00Z", "created_by": long, "empty_layer": true});
    assert!(scratch.pull(&Image { history: json!([step]), ..image() }, "t").ok);
    assert!(!scratch.ok(&["history", "t"]).out.contains(&long));
    assert!(scratch.ok(&["history", "--no-trunc", "t"]).out.contains(&long));
    assert!(scratch.ok(&["history", "t"]).out.contains("years ago"));
    assert_eq!(json_of(&scratch, &["history", "t", "--json"])[0]["created_by"], long);
}

#[test]
fn archives_through_pipes_and_of_several_images() {
    let (scratch, other) = (Scratch::new(), Scratch::new());
    assert!(scratch.pull(&image(), "one:1").ok);
    assert!(scratch.pull(&Image::new(&[Tar::new().dir("x")]), "two:2").ok);
    let file = scratch.path("both.tar");
    let file = file.to_str().unwrap();
    for format in ["oci-archive", "docker-archive"] {
        scratch.ok(&["save", "one:1", "two:2", "--output", &format!("{format}:{file}")]);
        other.ok(&["load", "--quiet", "--input", file]);
        assert_eq!(other.ok(&["ls", "-q"]).out, scratch.ok(&["ls", "-q"]).out, "{format}");
        other.ok(&["prune", "-a"]);
    }
    let piped = scratch.command().args(["save", "one:1", "two:2"]).output().unwrap();
    assert!(piped.status.success());
    assert_eq!(
        with_input(&other, &["load", "-q"], &piped.stdout).out,
        "docker.io/library/one:1\ndocker.io/library/two:2\n"
    );
    // One of several is chosen by its name.
    other.ok(&["prune", "-a"]);
    scratch.ok(&["save", "one:1", "two:2", "-o", file]);
    other.ok(&["pull", "-q", &format!("oci-archive:{file}:two:2")]);
    assert_eq!(json_of(&other, &["ls", "--json"])[0]["Repository"], "two");
    scratch.refused(&["save", "one:1", "two:2", "-o", &format!("tar:{file}")], "of one image");
}

#[test]
fn one_platform_of_several() {
    let scratch = Scratch::new();
    let layout = scratch.path("layout");
    let mut manifests = Vec::new();
    for (architecture, name) in [("s390x", "big"), ("amd64", "small"), ("arm64", "other")] {
        let one = Image::new(&[Tar::new().file(name, "")]);
        one.write_layout(&layout);
        let manifest = one.manifest().to_string();
        manifests.push(json!({"mediaType": MANIFEST, "digest": Digest::of(manifest.as_bytes()).as_str(),
            "size": manifest.len(), "platform": {"os": "linux", "architecture": architecture}}));
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}).to_string();
    let digest = Digest::of(index.as_bytes());
    fs::write(layout.join("blobs/sha256").join(digest.hex()), &index).unwrap();
    let outer = json!({"schemaVersion": 2, "manifests": [{"mediaType": INDEX, "digest": digest.as_str(),
        "size": index.len(), "annotations": {"org.opencontainers.image.ref.name": "t"}}]});
    fs::write(layout.join("index.json"), outer.to_string()).unwrap();
    let source = format!("oci:{}", layout.display());
    for (platform, name) in [("linux/s390x", "big"), ("linux/arm64", "other"), ("linux/amd64", "small")] {
        scratch.ok(&["pull", "-q", &source, "--name", name, "--platform", platform]);
        let flat = scratch.path(&format!("flat-{name}"));
        scratch.ok(&["save", name, "-o", &format!("dir:{}", flat.display())]);
        assert!(flat.join(name).exists(), "{platform}");
    }
    let refused =
        scratch.refused(&["pull", &source, "--platform", "linux/riscv64"], "not made for linux/riscv64");
    assert!(refused.err.contains("linux/s390x, linux/amd64, linux/arm64"), "{}", refused.err);
    // What a registry would be asked for again is the index.
    assert_eq!(json_of(&scratch, &["ls", "--json", "big"])[0]["Digest"], digest.as_str());
}

#[test]
fn so_many_layers_at_a_time() {
    let layers: Vec<Tar> = (0..4).map(|i| Tar::new().file(&format!("f{i}"), "x")).collect();
    let image = Image::new(&layers);
    for (jobs, expected) in [("1", 1..=1), ("4", 2..=4)] {
        let (now, most) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let seen = most.clone();
        let digests: Vec<Digest> = image.layers.iter().map(|l| Digest::of(&l.bytes)).collect();
        let server = Server::with_image(&image, move |request, response| {
            if digests.iter().any(|d| request.target.contains(d.as_str())) {
                seen.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                std::thread::sleep(Duration::from_millis(200));
                now.fetch_sub(1, SeqCst);
            }
            response
        });
        let (host, name) = (server.host(), format!("{}/repo:t", server.host()));
        Scratch::new().ok(&["pull", "--jobs", jobs, "--plain-http", &host, &name]);
        assert!(expected.contains(&most.load(SeqCst)), "--jobs {jobs}: {most:?} at a time");
    }
}

#[test]
fn progress_in_each_of_its_forms() {
    let scratch = Scratch::new();
    image().write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    let told = |how: &[&str]| {
        let err = scratch.ok(&[&["pull", &layout, "--name", "t"], how].concat()).err;
        scratch.ok(&["rm", "t"]);
        err
    };
    assert_eq!(told(&["--quiet"]), "");
    assert_eq!(told(&["--progress", "none"]), "");
    let plain = told(&["--progress", "plain"]);
    assert!(plain.contains("2 layers, 0 here") && plain.matches(": done, ").count() == 2, "{plain}");
    assert_eq!(told(&["--progress", "auto"]).lines().count(), plain.lines().count());
    let bars = told(&["--progress", "tty"]);
    assert!(bars.contains("\x1b[") && bars.matches("done     ").count() >= 2, "{bars:?}");
    for line in told(&["--progress", "json"]).lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["event"].is_string(), "{line}");
    }
}

#[test]
fn a_login_takes_what_is_typed_or_piped() {
    let scratch = Scratch::new();
    let server = Server::start(|request| {
        let right = request.headers.get("authorization").is_some_and(|a| a == "Basic dXNlcjpwYXNzIHdvcmQ=");
        let response = Response::new(if right { 200 } else { 401 }, b"{}");
        response.header("www-authenticate", "Basic realm=\"x\"")
    });
    let (host, auth) = (server.host(), scratch.path("auth.json"));
    let file = ["--authfile", auth.to_str().unwrap(), "--plain-http", &host];
    let login = [&["login", &host, "--username", "user", "--password-stdin"], &file[..]].concat();
    with_input(&scratch, &login, b"pass word\n");
    assert!(fs::read_to_string(&auth).unwrap().contains("dXNlcjpwYXNzIHdvcmQ="));
    scratch.refused(&[&["login", &host, "-u", "user"], &file[..]].concat(), "use --password-stdin");
    scratch.refused(&[&["login", &host, "--password-stdin"], &file[..]].concat(), "--username is needed");
    scratch.ok(&[&["logout", &host], &file[..]].concat());
    scratch.refused(&[&["logout", &host], &file[..]].concat(), "not logged in");
    // On a terminal it asks, and shows no password. script(1) is the terminal.
    let asked = format!(
        "'{}' login {host} --authfile {} --plain-http {host}",
        env!("CARGO_BIN_EXE_lade"),
        auth.display()
    );
    let mut script = std::process::Command::new("script");
    script.args(["--quiet", "--return", "--echo", "always", "--command", &asked, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keys, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    for (prompt, typed) in [("Username: ", "user\n"), ("Password: ", "pass word\n")] {
        while !String::from_utf8_lossy(&shown).contains(prompt) {
            let mut byte = [0];
            screen.read_exact(&mut byte).unwrap();
            shown.push(byte[0]);
        }
        keys.write_all(typed.as_bytes()).unwrap();
    }
    screen.read_to_end(&mut shown).unwrap();
    let shown = String::from_utf8_lossy(&shown);
    assert!(child.wait().unwrap().success() && !shown.contains("pass word"), "{shown}");
    assert!(fs::read_to_string(&auth).unwrap().contains("dXNlcjpwYXNzIHdvcmQ="));
}
