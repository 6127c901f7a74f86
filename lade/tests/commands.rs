// SPDX-License-Identifier: Apache-2.0
//! The commands a Docker user expects, and the ways between the formats.

use std::fs;

use serde_json::{Value, json};

use crate::support::Scratch;
use crate::support::image::{Image, Tar};
use crate::support::tree::snapshot;

fn image() -> Image {
    let base = Tar::new().dir("d").file("d/f", "one").hard("d/h", "d/f").symlink("l", "d/f");
    Image::new(&[base, Tar::new().file("d/.wh.f", "").file("g", "two")]).gzipped()
}

fn json_of(scratch: &Scratch, args: &[&str]) -> Value {
    serde_json::from_str(&scratch.ok(args).out).unwrap()
}

#[test]
fn list_tag_inspect_remove() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(), "app:1").ok);
    scratch.ok(&["tag", "app:1", "quay.io/team/app:2"]);
    let listed = json_of(&scratch, &["ls", "--json"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!(json_of(&scratch, &["ls", "--json", "-f", "reference=app"])[0]["Tag"], "1");
    assert_eq!(json_of(&scratch, &["images", "--json", "quay.io/*/app"])[0]["Tag"], "2");
    assert!(scratch.ok(&["ls"]).out.contains("quay.io/team/app"));
    let id = listed[0]["Id"].as_str().unwrap().to_owned();
    assert_eq!(json_of(&scratch, &["inspect", &id[7..19]])[0]["RepoTags"].as_array().unwrap().len(), 2);
    scratch.refused(&["rm", &id], "has 2 names");
    scratch.ok(&["rm", "app:1"]);
    scratch.refused(&["inspect", "app:1"], "no image app:1");
    scratch.ok(&["rmi", "-f", "nothing"]);
    scratch.refused(&["rm", "nothing"], "no image nothing");
    scratch.ok(&["rm", &id]);
    scratch.assert_store_empty();
    scratch.refused(&["tag", "A", "b"], "must be lower case");
}

#[test]
fn a_name_moves_and_the_old_image_dangles() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(), "app").ok);
    assert!(scratch.pull(&Image::new(&[Tar::new().file("f", "new")]), "app").ok);
    assert_eq!(json_of(&scratch, &["ls", "--json", "-f", "dangling=true"]).as_array().unwrap().len(), 1);
    scratch.ok(&["prune"]);
    assert_eq!(json_of(&scratch, &["ls", "--json"]).as_array().unwrap().len(), 1);
    scratch.ok(&["prune", "--all"]);
    scratch.assert_store_empty();
}

#[test]
fn every_format_comes_back_the_same() {
    let scratch = Scratch::new();
    assert!(scratch.pull(&image(), "docker.io/me/app:1").ok);
    let id = scratch.ok(&["ls", "-q", "--no-trunc"]).out;
    let path = |name: &str| scratch.path(name).to_str().unwrap().to_owned();
    scratch.ok(&["save", "me/app:1", "-o", &path("a.tar")]);
    scratch.ok(&["save", "me/app:1", "-o", &format!("docker-archive:{}", path("d.tar"))]);
    scratch.ok(&["save", "me/app:1", "-o", &format!("oci:{}", path("oci"))]);
    scratch.ok(&["save", "me/app:1", "-o", &format!("dir:{}", path("flat"))]);
    scratch.ok(&["save", "me/app:1", "-o", &format!("tar:{}", path("flat.tar"))]);
    let flat = snapshot(&scratch.path("flat"));
    assert!(flat.contains_key(&b"d/h"[..]) && !flat.contains_key(&b"d/f"[..]));
    for source in [
        &["load", "-i", &path("a.tar")][..],
        &["load", "-i", &path("d.tar")],
        &["pull", &format!("oci:{}", path("oci"))],
    ] {
        scratch.ok(&["rm", "me/app:1"]);
        scratch.ok(source);
        assert_eq!(scratch.ok(&["ls", "-q", "--no-trunc"]).out, id, "{source:?}");
        assert!(scratch.ok(&["ls"]).out.contains("me/app"), "{source:?}");
    }
    let _ = fs::remove_dir_all(scratch.path("flat2"));
    for (from, name) in [("flat.tar", "imported:1"), ("flat", "imported:2")] {
        scratch.ok(&["import", &path(from), name, "--cmd", "/g", "--label", "a=b"]);
        let again = path(&format!("again-{name}"));
        scratch.ok(&["save", name, "-o", &format!("dir:{again}")]);
        let again = snapshot(std::path::Path::new(&again));
        assert!(again == flat, "{}", crate::support::tree::difference(&flat, &again));
    }
    assert_eq!(
        json_of(&scratch, &["inspect", "imported:1"])[0]["Config"],
        json!({"Cmd": ["/g"], "Labels": {"a": "b"}})
    );
}

#[test]
fn pull_and_bundle_in_one() {
    let scratch = Scratch::new();
    image().write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    let dir = scratch.path("b");
    let ran = scratch.ok(&[
        "pull",
        &layout,
        "--progress",
        "json",
        "--bundle",
        dir.to_str().unwrap(),
        "--",
        "echo",
        "hi",
    ]);
    assert!(dir.join("rootfs/g").exists() && dir.join("config.json").exists());
    let events: Vec<Value> = ran.err.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(events[0]["plan"]["layers"], 2);
    assert_eq!(events.iter().filter(|e| e["phase"] == "done" && e["timings_us"]["fs"].is_u64()).count(), 2);
    assert_eq!(events.last().unwrap()["event"], "end");
}

#[test]
fn a_dry_run_fetches_nothing() {
    let scratch = Scratch::new();
    image().write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    let ran = scratch.ok(&["pull", &layout, "--dry-run"]);
    assert!(ran.err.contains("2 layers, 0 here") && ran.err.contains(" free\n"), "{}", ran.err);
    scratch.assert_store_empty();
    scratch.refused(&["pull", &layout, "--max-size", "1"], "more than --max-size");
    scratch.refused(&["pull", &layout, "--platform", "linux/s390x/v1/x"], "invalid platform");
}

#[test]
fn terminals_are_not_written_to_by_images() {
    let scratch = Scratch::new();
    let mut evil = image();
    evil.config = json!({"Cmd": ["x"], "Labels": {"run.oci.\u{1b}[2J": "x"}});
    assert!(scratch.pull(&evil, "t").ok);
    let ran = scratch.ok(&["bundle", "t", scratch.path("b").to_str().unwrap()]);
    assert!(ran.err.contains("\\u{1b}[2J") && !ran.err.contains('\u{1b}'), "{:?}", ran.err);
}

/// Killed at any moment, the store is as before or has the image; the next pull works.
#[test]
fn kills_leave_a_sound_store() {
    let scratch = Scratch::new();
    let files = (0..200).fold(Tar::new(), |tar, i| tar.file(&format!("f{i}"), &"x".repeat(i * 10)));
    Image::new(&[files, Tar::new().file(".wh.f1", "")]).write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    for delay in (0..40).chain(40..60) {
        let mut child = scratch.command();
        child.args(["pull", "-q", &layout, "--name", "t"]).stdout(std::process::Stdio::null());
        let mut child = child.spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_micros(delay * 500));
        child.kill().unwrap();
        child.wait().unwrap();
        if !scratch.ok(&["ls", "-q"]).out.is_empty() {
            scratch.ok(&[
                "save",
                "t",
                "-o",
                &format!("dir:{}", scratch.path(&format!("d{delay}")).display()),
            ]);
            scratch.ok(&["rm", "t"]);
        }
    }
    scratch.ok(&["pull", "-q", &layout, "--name", "t"]);
    scratch.ok(&["save", "t", "-o", &format!("dir:{}", scratch.path("flat").display())]);
    assert_eq!(snapshot(&scratch.path("flat")).len(), 200);
    scratch.ok(&["rm", "t"]);
    scratch.assert_store_empty();
}

#[test]
fn damage_is_found_and_repaired() {
    use crate::support::server::Server;
    let scratch = Scratch::new();
    let server = Server::with_image(&image(), |_, r| r);
    let (host, name) = (server.host(), format!("{}/repo:t", server.host()));
    scratch.ok(&["pull", "--plain-http", &host, &name]);
    assert!(scratch.ok(&["verify", "--deep"]).out.contains("good"));
    let layers = || fs::read_dir(scratch.path("store/layers")).unwrap().map(|e| e.unwrap().path().join("fs"));
    let in_layers = |name: &str| layers().map(|l| l.join(name)).find(|p| p.exists()).unwrap();
    fs::write(in_layers("g"), "owt").unwrap();
    scratch.ok(&["verify"]);
    scratch.refused(&["verify", "--deep"], "1 of 1 images are damaged");
    // The blobs are good: nothing is fetched for this.
    let before = server.requests().len();
    scratch.ok(&["verify", "--deep", "--repair", "--plain-http", &host]);
    assert_eq!((server.requests().len(), fs::read(in_layers("g")).unwrap()), (before, b"two".to_vec()));
    let blob = lade::digest::Digest::of(&image().layers[0].bytes);
    let blob = scratch.path("store/blobs/sha256").join(blob.hex());
    let mut bytes = fs::read(&blob).unwrap();
    bytes[30] ^= 1;
    fs::write(&blob, &bytes).unwrap();
    scratch.ok(&["verify"]);
    scratch.ok(&["verify", "--deep", "--repair", "--plain-http", &host]);
    assert!(scratch.ok(&["verify", "--deep"]).out.contains("good"));
    fs::remove_file(&blob).unwrap();
    scratch.refused(&["verify"], "damaged");
}

#[test]
fn the_built_in_image_needs_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.path("b");
    scratch.ok(&["bundle", "--default", dir.to_str().unwrap()]);
    let spec: Value = serde_json::from_slice(&fs::read(dir.join("config.json")).unwrap()).unwrap();
    let program = spec["process"]["args"][0].as_str().unwrap().to_owned();
    assert!(fs::symlink_metadata(dir.join("rootfs").join(&program[1..])).is_ok(), "{program}");
    let hello = scratch.path("hello");
    fs::copy(env!("CARGO_BIN_EXE_lade"), &hello).unwrap();
    fs::set_permissions(&hello, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let out = std::process::Command::new(&hello).output().unwrap();
    assert!(String::from_utf8_lossy(&out.stdout).starts_with("hello from a container\nhostname"));
}
