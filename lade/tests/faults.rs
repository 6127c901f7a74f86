// SPDX-License-Identifier: Apache-2.0
//! A full disk, and a death at every call that changes the store.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::mount::{MsFlags, mount};

use crate::support::image::{Image, Tar};
use crate::support::{Scratch, finished};

/// Bytes that do not compress.
fn noise(len: u32) -> String {
    (0..len).map(|i| char::from(b'!' + (i.wrapping_mul(2_654_435_761) >> 24) as u8 % 90)).collect()
}

fn tmpfs(at: &Path, options: &str, flags: MsFlags) {
    fs::create_dir_all(at).unwrap();
    mount(Some("lade-test"), at, Some("tmpfs"), flags, Some(options)).unwrap();
}

#[test]
fn a_full_disk_leaves_the_store_as_it_was() {
    let scratch = Scratch::new();
    let store = scratch.path("store");
    tmpfs(&store, "size=1M", MsFlags::empty());
    assert!(scratch.pull(&Image::new(&[Tar::new().file("f", "small")]), "small").ok);
    let files = |dir: &str| -> BTreeSet<_> {
        fs::read_dir(store.join(dir)).unwrap().map(|e| e.unwrap().file_name()).collect()
    };
    let state = || {
        (files("blobs/sha256"), files("layers"), files("tmp"), fs::read(store.join("index.json")).unwrap())
    };
    let before = state();
    let half = "x".repeat(600_000);
    for (image, what) in [
        (Image::new(&[Tar::new().file("big", &noise(3_000_000))]), "the blob does not fit"),
        (
            Image::new(&[Tar::new().file("a", &half).file("b", &half)]).gzipped(),
            "what it unpacks to does not fit",
        ),
    ] {
        image.write_layout(&scratch.path("layout"));
        let layout = format!("oci:{}", scratch.path("layout").display());
        let pull = ["pull", &layout, "--name", "big", "--no-space-check"];
        scratch.refused(&pull, "no space left on device");
        assert!(state() == before, "{what}: left {:?}", state());
        scratch.ok(&["verify", "--deep"]);
        if what.starts_with("the blob") {
            // Asked first, it is known before the first byte.
            scratch.refused(&pull[..4], "free");
        }
        tmpfs(&store, "size=16M", MsFlags::MS_REMOUNT);
        scratch.ok(&pull);
        scratch.ok(&["rm", "big"]);
        tmpfs(&store, "size=1M", MsFlags::MS_REMOUNT);
        let _ = fs::remove_dir_all(scratch.path("layout"));
    }
}

/// strace ends the process at its n-th call of a kind, before the call is made, for every n there is.
#[test]
fn a_death_at_any_change_of_the_store_leaves_it_sound() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        panic!("this test needs strace");
    }
    let scratch = Scratch::new();
    let base = Tar::new().dir("d").file("d/f", "one").file("d/g", "two").symlink("l", "d/f");
    // The upper layer hangs on the lower: it is settled at the end.
    Image::new(&[base, Tar::new().hard("h", "d/f").file("d/.wh.g", "")])
        .write_layout(&scratch.path("layout"));
    let layout = format!("oci:{}", scratch.path("layout").display());
    let (mut deaths, mut survived) = (0, 0);
    for call in [
        "rename",
        "renameat",
        "mkdir",
        "mkdirat",
        "unlinkat",
        "unlink",
        "openat",
        "pwrite64",
        "write",
        "fdatasync",
        "syncfs",
        "linkat",
        "symlinkat",
        "utimensat",
        "flock",
    ] {
        // Most openat calls only read: a stride through them keeps the test short.
        let stride = if call == "openat" { 7 } else { 1 };
        for n in (1..).step_by(stride) {
            let plain = scratch.command();
            let mut command = Command::new("strace");
            command.args([
                "-f",
                "-qq",
                "-o",
                "/dev/null",
                "-e",
                &format!("inject={call}:signal=KILL:when={n}"),
            ]);
            command.arg(plain.get_program()).args(plain.get_args());
            command.args(["pull", "-q", &layout, "--name", "t"]);
            command.env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
            let output = command.output().unwrap();
            let ended = output.status.signal().is_some() || output.status.code() == Some(137);
            // What there is under its name is whole, and the next pull finds nothing in its way.
            scratch.ok(&["verify", "--deep"]);
            let listed = scratch.ok(&["ls", "-q"]).out;
            assert!(ended || finished(output).ok, "{call} {n}");
            scratch.ok(&["pull", "-q", &layout, "--name", "t"]);
            scratch.ok(&["verify", "--deep"]);
            scratch.ok(&["rm", "t"]);
            scratch.assert_store_empty();
            deaths += usize::from(ended);
            survived += usize::from(!listed.is_empty() && ended);
            if !ended {
                break;
            }
        }
    }
    assert!(deaths > 40, "only {deaths} deaths ({survived} after the image was named)");
}
