// SPDX-License-Identifier: Apache-2.0
//! A full disk, a death at every call that changes the store, and a power cut there.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};

use crate::support::image::{Image, Tar};
use crate::support::{Scratch, finished, own_mounts};

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

/// Every layer hangs on the one below: it is settled at the end.
fn stacked() -> Image {
    let base = Tar::new().dir("d").file("d/f", "one").file("d/g", "two").symlink("l", "d/f");
    Image::new(&[base, Tar::new().hard("h", "d/f").file("d/.wh.g", "")])
}

/// strace ends the process at its n-th call of a kind, before the call is made. None: there are not so many.
fn killed_at(scratch: &Scratch, call: &str, n: usize, args: &[&str]) -> Option<()> {
    let plain = scratch.command();
    let mut command = Command::new("strace");
    let inject = format!("inject={call}:signal=KILL:when={n}");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]);
    command.arg(plain.get_program()).args(plain.get_args()).args(args);
    command.env_clear().envs(plain.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let output = command.output().expect("this test needs strace");
    if output.status.signal().is_some() || output.status.code() == Some(137) {
        return Some(());
    }
    let ran = finished(output);
    assert!(ran.ok, "{call} {n}: {}", ran.err);
    None
}

/// What there is under its name is whole, the next pull finds nothing in its way, and nothing is left over.
fn sound(scratch: &Scratch, pull: &[&str]) {
    scratch.ok(&["verify", "--deep"]);
    scratch.ok(pull);
    scratch.ok(&["verify", "--deep"]);
    scratch.ok(&["rm", "t"]);
    scratch.assert_store_empty();
}

/// `stacked` as a layout in the scratch directory; the source to pull it from.
fn layout_of_stacked(scratch: &Scratch) -> String {
    stacked().write_layout(&scratch.path("layout"));
    format!("oci:{}", scratch.path("layout").display())
}

#[test]
fn a_death_at_any_change_of_the_store_leaves_it_sound() {
    let scratch = Scratch::new();
    let layout = layout_of_stacked(&scratch);
    let pull = ["pull", "-q", &layout, "--name", "t"];
    let mut deaths = 0;
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
        "fsync",
        "syncfs",
        "linkat",
        "symlinkat",
        "utimensat",
        "flock",
    ] {
        // Most openat calls only read: a stride through them keeps the test short.
        let stride = if call == "openat" { 7 } else { 1 };
        for n in (1..).step_by(stride) {
            let ended = killed_at(&scratch, call, n, &pull).is_some();
            sound(&scratch, &pull);
            if !ended {
                break;
            }
            deaths += 1;
        }
    }
    assert!(deaths > 40, "only {deaths} deaths");
}

/// An ext4 of its own for the store, where metadata is as far ahead of data as the kernel ever lets it be.
struct Disk<'a> {
    scratch: &'a Scratch,
}

/// `_IOR('X', 125, __u32)`, and the word for "without a flush of the journal" (fs/ext4/ext4.h).
const EXT4_IOC_SHUTDOWN: libc::Ioctl = 0x8004_587d;
static NOLOGFLUSH: u32 = 2;

impl<'a> Disk<'a> {
    /// None: this machine has no loop devices.
    fn new(scratch: &'a Scratch) -> Option<Self> {
        if !Path::new("/dev/loop-control").exists() {
            return None;
        }
        let image = scratch.path("disk");
        fs::File::create(&image).unwrap().set_len(48 << 20).unwrap();
        run(Command::new("mkfs.ext4").args(["-q", "-O", "has_journal"]).arg(&image));
        fs::create_dir(scratch.path("store")).unwrap();
        let disk = Disk { scratch };
        disk.mount();
        Some(disk)
    }

    fn mount(&self) {
        let options = "loop,data=writeback,noauto_da_alloc,commit=300";
        let mut mount = Command::new("mount");
        run(mount
            .args(["-t", "ext4", "-o", options])
            .arg(self.scratch.path("disk"))
            .arg(self.scratch.path("store")));
    }

    /// What is not on the disk now is gone. `journal`: names and sizes have got there just before, data has not.
    fn cut(&self, journal: bool) {
        let store = self.scratch.path("store");
        if journal {
            fs::File::create(store.join("unrelated")).unwrap().sync_all().unwrap();
        }
        let root = fs::File::open(&store).unwrap();
        // SAFETY: the call reads one u32.
        let ret = unsafe { libc::ioctl(root.as_raw_fd(), EXT4_IOC_SHUTDOWN, &raw const NOLOGFLUSH) };
        assert_eq!(ret, 0, "{}", std::io::Error::last_os_error());
        drop(root);
        // A process that another test is about to start has a copy of that descriptor until it execs.
        let start = Instant::now();
        while let Err(e) = nix::mount::umount2(&store, nix::mount::MntFlags::empty()) {
            assert!(e == nix::errno::Errno::EBUSY && start.elapsed() < Duration::from_secs(30), "{e}");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.mount();
        let _ = fs::remove_file(store.join("unrelated"));
        // The machine is the same; after a real cut it would be another boot.
        if store.join("dirty").exists() {
            fs::write(store.join("dirty"), "the boot before this").unwrap();
        }
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

const CHANGES: [&str; 6] = ["rename", "fdatasync", "fsync", "syncfs", "unlink", "symlinkat"];

/// Runs `body` with a store on a disk of its own, and the command that pulls `stacked` into it as `t`.
fn on_a_disk(body: fn(&Scratch, &Disk, &[&str])) {
    own_mounts(move || {
        let scratch = Scratch::new();
        let layout = layout_of_stacked(&scratch);
        let Some(disk) = Disk::new(&scratch) else { return };
        body(&scratch, &disk, &["pull", "-q", &layout, "--name", "t"]);
    });
}

#[test]
fn a_power_cut_at_any_moment_leaves_whole_images() {
    on_a_disk(power_cut_anywhere);
}

fn power_cut_anywhere(scratch: &Scratch, disk: &Disk, pull: &[&str]) {
    for call in CHANGES {
        for n in 1.. {
            let ended = killed_at(scratch, call, n, pull).is_some();
            disk.cut(n % 2 == 1);
            // A pull that has said it is done is on the disk.
            assert!(ended || !scratch.ok(&["ls", "-q"]).out.is_empty(), "{call} {n}: the image is lost");
            sound(scratch, pull);
            if !ended {
                break;
            }
        }
    }
}

/// A repair puts layers under a name that the index knows: no half of one may be taken for good.
#[test]
fn a_power_cut_during_a_repair_is_noticed() {
    on_a_disk(power_cut_during_a_repair);
}

fn power_cut_during_a_repair(scratch: &Scratch, disk: &Disk, pull: &[&str]) {
    scratch.ok(pull);
    for call in ["rename", "unlink", "flock"] {
        for n in 1.. {
            for layer in fs::read_dir(scratch.path("store/layers")).unwrap() {
                let file = layer.unwrap().path().join("fs/d/f");
                fs::write(&file, "eno").unwrap();
            }
            run(Command::new("sync").arg("--file-system").arg(scratch.path("store")));
            let repair = ["verify", "--deep", "--repair"];
            let ended = killed_at(scratch, call, n, &repair).is_some();
            disk.cut(true);
            // Each layer that has its name is the old one, with the damage done above, or the new one.
            for layer in fs::read_dir(scratch.path("store/layers")).unwrap() {
                // A layer that is not settled yet has no such file, and is nobody's.
                let Ok(text) = fs::read(layer.unwrap().path().join("fs/d/f")) else { continue };
                assert!(text == b"eno" || text == b"one", "{call} {n}: {text:?}");
            }
            assert!(ended || scratch.lade(&["verify", "--deep"]).ok, "{call} {n}");
            scratch.ok(&repair);
            scratch.ok(&["verify", "--deep"]);
            if !ended {
                break;
            }
        }
    }
}
