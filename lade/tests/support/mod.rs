// SPDX-License-Identifier: Apache-2.0
//! What the tests are made of: a scratch directory with a store, images built from crafted layers, a server.

pub(crate) mod image;
pub(crate) mod server;
pub(crate) mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use image::Image;

/// A directory of its own for a test, with a store in it. Bundles in it are unmounted when it goes.
pub(crate) struct Scratch {
    pub(crate) dir: PathBuf,
}

pub(crate) struct Ran {
    pub(crate) ok: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        assert!(nix::unistd::geteuid().is_root(), "these tests need root: they mount, and make devices");
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("lade-test-{}-{n}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Scratch { dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lade"));
        command.arg("--root").arg(self.path("store"));
        // Nothing of the machine's own configuration counts.
        command.env_clear().env("HOME", self.path("home")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("CONTAINERS_REGISTRIES_CONF", self.path("registries.conf"));
        command
    }

    pub(crate) fn lade(&self, args: &[&str]) -> Ran {
        finished(self.command().args(args).output().unwrap())
    }

    /// Runs and looks how much memory that takes at the most, in kB.
    pub(crate) fn measured(&self, args: &[&str]) -> (Ran, u64) {
        let mut command = self.command();
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let hwm = text.lines().find_map(|l| l.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
            peak = peak.max(hwm.and_then(|n| n.trim().parse().ok()).unwrap_or(0));
            std::thread::sleep(Duration::from_millis(2));
        }
        (finished(child.wait_with_output().unwrap()), peak)
    }

    /// Runs and must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.lade(args);
        assert!(ran.ok, "lade {args:?}: {}", ran.err);
        ran
    }

    /// Runs, must fail, and must say `text`.
    pub(crate) fn refused(&self, args: &[&str], text: &str) -> Ran {
        let ran = self.lade(args);
        assert!(!ran.ok, "lade {args:?} succeeded; expected: {text}");
        assert!(ran.err.contains(text), "lade {args:?} said:\n{}\nand not: {text}", ran.err);
        ran
    }

    /// Writes the image as a layout and pulls it under `name`.
    pub(crate) fn pull(&self, image: &Image, name: &str) -> Ran {
        let layout = self.path("layout");
        let _ = fs::remove_dir_all(&layout);
        image.write_layout(&layout);
        self.lade(&["pull", &format!("oci:{}", layout.display()), "--name", name])
    }

    /// Nothing of a failed pull is left: no image, no layer, nothing half done.
    pub(crate) fn assert_store_empty(&self) {
        for dir in ["blobs/sha256", "layers", "tmp"] {
            let left: Vec<_> =
                fs::read_dir(self.path("store").join(dir)).unwrap().map(|e| e.unwrap().path()).collect();
            assert!(left.is_empty(), "left in {dir}: {left:?}");
        }
        assert_eq!(self.ok(&["ls", "--json"]).out.trim(), "[]");
    }
}

/// Runs `body` in a network namespace of its own whose loopback has these addresses too: hosts that are not this one.
pub(crate) fn own_network(addresses: &'static [&'static str], body: impl FnOnce() + Send + 'static) {
    in_own(libc::CLONE_NEWNET, move || {
        let ip = |args: &[&str]| assert!(Command::new("ip").args(args).status().unwrap().success());
        ip(&["link", "set", "lo", "up"]);
        addresses.iter().for_each(|address| ip(&["address", "add", &format!("{address}/32"), "dev", "lo"]));
        body();
    });
}

/// Runs `body` where nobody else has a copy of what it mounts: a filesystem ends when it is unmounted.
pub(crate) fn own_mounts(body: impl FnOnce() + Send + 'static) {
    in_own(libc::CLONE_NEWNS, move || {
        let private = nix::mount::MsFlags::MS_REC | nix::mount::MsFlags::MS_PRIVATE;
        nix::mount::mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
        body();
    });
}

fn in_own(namespace: i32, body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        // SAFETY: takes an integer; the namespace is this thread's and that of whom it makes from here on.
        assert_eq!(unsafe { libc::unshare(namespace) }, 0);
        body();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

pub(crate) fn finished(output: Output) -> Ran {
    Ran {
        ok: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let prefix = self.dir.to_string_lossy().into_owned();
        for line in fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default().lines().rev() {
            if let Some(target) = line.split(' ').nth(4).filter(|t| t.starts_with(&prefix)) {
                let _ = nix::mount::umount2(Path::new(target), nix::mount::MntFlags::MNT_DETACH);
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
