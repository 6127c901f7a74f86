// SPDX-License-Identifier: Apache-2.0
//! What the tests are made of: a scratch directory with a store, images built from crafted layers, a server.

pub(crate) mod image;
pub(crate) mod server;
pub(crate) mod tree;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

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
        for line in fs::read_to_string("/proc/self/mountinfo").unwrap_or_default().lines().rev() {
            if let Some(target) = line.split(' ').nth(4).filter(|t| t.starts_with(&prefix)) {
                let _ = nix::mount::umount2(Path::new(target), nix::mount::MntFlags::MNT_DETACH);
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}
