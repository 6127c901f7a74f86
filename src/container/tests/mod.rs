// SPDX-License-Identifier: Apache-2.0
//! The state directory on a real filesystem, with real processes: nothing here stands in for the kernel.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod lock;
mod race;
mod start;
mod state;
mod store;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Container, ContainerId, Locked, ProcessRef, Store};

/// A directory of the test's own, removed with all in it.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Scratch {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("tare-container-{}-{n}", std::process::id()));
        fs::create_dir(&dir).unwrap();
        Scratch(dir)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn store(&self) -> Store {
        Store::make(&self.root()).unwrap()
    }

    /// Everything in the state directory, hidden or not.
    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn id(id: &str) -> ContainerId {
    ContainerId::parse(id).unwrap()
}

fn create(store: &Store, name: &str) -> Locked {
    store.create(&id(name), "create").unwrap()
}

fn get(store: &Store, name: &str) -> Container {
    store.get(&id(name)).unwrap()
}

const CHILD: &str = "TARE_CONTAINER_TEST_DIR";

/// Runs one test of this program in a process of its own, where `child_dir` is then Some.
fn spawn(test: &str, dir: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([&format!("container::tests::{test}"), "--exact", "--nocapture"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn child_dir() -> Option<PathBuf> {
    let dir = std::env::var_os(CHILD).map(PathBuf::from);
    if dir.is_some() {
        // Not to outlive a test that fails.
        crate::sys::process::set_parent_death_signal(libc::SIGKILL).unwrap();
    }
    dir
}

fn this_process() -> ProcessRef {
    ProcessRef::of_caller().unwrap().0
}
