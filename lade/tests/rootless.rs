// SPDX-License-Identifier: Apache-2.0
//! An ordinary user, who may neither change owners nor mount; and the root of a user namespace of theirs, who may mount
//! overlays, with the attributes and whiteouts that an ordinary user can make.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::support::image::{Image, Tar, header};
use crate::support::tree::{difference, snapshot};
use crate::support::{Ran, Scratch, finished};

const NOBODY: u32 = 65534;

fn image() -> Image {
    let base = Tar::new()
        .dir("gone")
        .file("gone/f", "old")
        .dir("opaque")
        .file("opaque/old", "old")
        .file("kept", "one")
        .entry(header(b"set-id", b'0').mode(0o4755).owner(7, 8), b"")
        .entry(header(b"null", b'3').device(1, 3), b"");
    let top = Tar::new()
        .file(".wh.gone", "")
        .dir("opaque")
        .file("opaque/.wh..wh..opq", "")
        .file("opaque/new", "new")
        .hard("link", "kept");
    Image::new(&[base, top]).gzipped()
}

/// A copy of the program that everybody may run: the build directory need not be open to all.
fn setup() -> Scratch {
    let scratch = Scratch::new();
    fs::set_permissions(&scratch.dir, PermissionsExt::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_lade"), scratch.path("lade")).unwrap();
    image().write_layout(&scratch.path("layout"));
    fs::create_dir(scratch.path("home")).unwrap();
    chown(scratch.path("home"), Some(NOBODY), Some(NOBODY)).unwrap();
    scratch
}

fn as_nobody(scratch: &Scratch, wrapper: &[&str], args: &[&str]) -> Ran {
    let lade = scratch.path("lade");
    let words: Vec<&str> =
        wrapper.iter().copied().chain([lade.to_str().unwrap()]).chain(args.iter().copied()).collect();
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .env_clear()
        .env("HOME", scratch.path("home"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command.current_dir(scratch.path("home")).uid(NOBODY).gid(NOBODY);
    finished(command.output().unwrap())
}

fn ok(ran: Ran) -> Ran {
    assert!(ran.ok, "{}", ran.err);
    ran
}

fn look(root: &Path) {
    let names: Vec<String> = snapshot(root).into_keys().map(|k| String::from_utf8(k).unwrap()).collect();
    assert_eq!(names, ["", "kept", "link", "opaque", "opaque/new", "set-id"]);
    assert_eq!(fs::read(root.join("link")).unwrap(), b"one");
    assert_eq!(fs::metadata(root.join("set-id")).unwrap().uid(), NOBODY);
}

#[test]
fn a_user_without_privileges_gets_a_copy() {
    let scratch = setup();
    let layout = format!("oci:{}", scratch.path("layout").display());
    let pulled = ok(as_nobody(&scratch, &["env"], &["pull", &layout, "--name", "t"]));
    assert!(pulled.err.contains("skipped the device null"), "{}", pulled.err);
    // In the user's data directory, where no flag says otherwise.
    assert!(scratch.path("home/.local/share/lade/index.json").exists());
    let made = ok(as_nobody(&scratch, &["env"], &["bundle", "t", "b"]));
    assert!(made.err.contains("the layers are copied instead"), "{}", made.err);
    look(&scratch.path("home/b/rootfs"));
    assert!(fs::metadata(scratch.path("home/b/config.json")).unwrap().uid() == NOBODY);
    ok(as_nobody(&scratch, &["env"], &["verify", "--deep"]));
    ok(as_nobody(&scratch, &["env"], &["bundle", "--remove", "b"]));
    ok(as_nobody(&scratch, &["env"], &["rm", "t"]));
    assert_eq!(fs::read_dir(scratch.path("home/.local/share/lade/layers")).unwrap().count(), 0);
}

#[test]
fn the_root_of_a_user_namespace_mounts() {
    let scratch = setup();
    let layout = format!("oci:{}", scratch.path("layout").display());
    ok(as_nobody(&scratch, &["env"], &["pull", "-q", &layout, "--name", "t"]));
    ok(as_nobody(&scratch, &["env"], &["bundle", "--copy", "t", "copied"]));
    // The mount ends with its namespace, so what it shows is copied out within it.
    let script = "\"$0\" \"$@\" >&2 && cp -a mounted/rootfs seen && grep -c ' /[^ ]*mounted/rootfs .* overlay ' /proc/self/mountinfo";
    let wrapper = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script];
    let ran = ok(as_nobody(&scratch, &wrapper, &["--root", ".local/share/lade", "bundle", "t", "mounted"]));
    assert_eq!(ran.out.trim(), "1", "no overlay: {}", ran.err);
    look(&scratch.path("home/seen"));
    let (mut a, mut b) =
        (snapshot(&scratch.path("home/seen")), snapshot(&scratch.path("home/copied/rootfs")));
    // cp gives the directory it was told to make its mode and time too, but later than lade looks at it.
    a.remove(&b""[..]);
    b.remove(&b""[..]);
    assert!(a == b, "{}", difference(&a, &b));
    ok(as_nobody(&scratch, &wrapper[..4], &["--root", ".local/share/lade", "bundle", "--remove", "mounted"]));
}
