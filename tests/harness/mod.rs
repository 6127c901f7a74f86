// SPDX-License-Identifier: Apache-2.0
//! A real bundle around Debian's static busybox, and a runtime (`RUNTIME=`, else the tare just built) to run it
//! with. Each container has its own bundle, state root and id; when dropped it is deleted, and the test fails if
//! anything is left. Proven on runc: a test that fails there states our opinion, not the contract.

mod command;
mod config;
mod enosys;
mod fd_socket;
mod host;
mod left;
mod mountinfo;
mod pty;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use command::{Output, Running, after, finish, wait_for};
#[allow(unused_imports, reason = "for tests/faults")]
pub(crate) use command::{hold, release, spawn_held, text};
pub(crate) use config::base;
#[allow(unused_imports, reason = "for tests/faults")]
pub(crate) use enosys::refused;
pub(crate) use enosys::without;
pub(crate) use fd_socket::FdSocket;
pub(crate) use host::{has_systemd, is_v2, needs};
#[allow(unused_imports, reason = "for tests/faults")]
pub(crate) use left::left;
pub(crate) use left::{alive, cgroup_mounts, processes};
pub(crate) use mountinfo::{Mount, mounts};
pub(crate) use pty::Terminal;

pub(crate) fn runtime() -> String {
    std::env::var("RUNTIME").unwrap_or_else(|_| env!("CARGO_BIN_EXE_tare").into())
}

pub(crate) fn is_tare() -> bool {
    Path::new(&runtime()).file_name() == Some(OsStr::new("tare"))
}

/// Ends the test early where another runtime is known to differ; the argument says how.
macro_rules! only_tare {
    ($reason:literal) => {
        if !crate::harness::is_tare() {
            eprintln!("only for tare: {}", $reason);
            return;
        }
    };
}
pub(crate) use only_tare;

pub(crate) struct Container {
    dir: TempDir,
    pub(crate) id: String,
    config: Value,
}

impl Container {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(nix::unistd::geteuid().is_root(), "these tests make real containers: run them as root");
        command::reap_orphans();
        // In a pid namespace `hack/systemd` says by which process `hack/clean` knows us.
        let pid = std::env::var("TEST_PID").unwrap_or_else(|_| std::process::id().to_string());
        let id = format!("tare-test-{pid}-{:04}", COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new().prefix(&id).tempdir().unwrap();
        // A container in a user namespace has to get through.
        fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
        busybox(&dir.path().join("rootfs"));
        let this = Self { dir, id, config: base() };
        this.save();
        this
    }

    pub(crate) fn sh(self, script: &str) -> Self {
        self.args(&["sh", "-c", script])
    }

    pub(crate) fn args(self, args: &[&str]) -> Self {
        self.set("/process/args", json!(args))
    }

    /// One value of config.json, by its JSON pointer; what is missing on the way is made.
    pub(crate) fn set(self, pointer: &str, value: Value) -> Self {
        self.config(|c| {
            *pointer[1..].split('/').fold(c, |at, key| match key.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[key],
            }) = value;
        })
    }

    pub(crate) fn writable(self) -> Self {
        self.set("/root/readonly", json!(false))
    }

    pub(crate) fn mount(self, mount: Value) -> Self {
        self.config(|c| c["mounts"].as_array_mut().unwrap().push(mount))
    }

    pub(crate) fn bind(self, source: &Path, destination: &str, options: &[&str]) -> Self {
        self.mount(
            json!({ "source": source, "destination": destination, "type": "none", "options": options }),
        )
    }

    /// Replaces the namespace of this type (`None`: the host's; no path: a new one).
    pub(crate) fn namespace(self, kind: &str, ns: Option<Value>) -> Self {
        self.config(|c| {
            let all = c["linux"]["namespaces"].as_array_mut().unwrap();
            all.retain(|n| n["type"] != kind);
            all.extend(ns);
        })
    }

    pub(crate) fn config(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        edit(&mut self.config);
        self.save();
        self
    }

    /// Runs detached, for a test that acts on a live container.
    #[track_caller]
    pub(crate) fn up(self) -> Self {
        let this = self.args(&["sleep", "1000"]);
        this.run(&["--detach"]).ok();
        this
    }

    /// In a new user namespace, its root the host's 100000, who owns the rootfs.
    pub(crate) fn userns(self) -> Self {
        self.userns_of(100_000)
    }

    pub(crate) fn userns_of(self, root: u32) -> Self {
        let map = json!([{ "containerID": 0, "hostID": root, "size": 65536 }]);
        let mut chown = Command::new("chown");
        chown.args(["-hR", &format!("{root}:{root}")]).arg(self.path("rootfs"));
        finish(chown).ok();
        self.namespace("user", Some(json!({ "type": "user" })))
            .set("/linux/uidMappings", map.clone())
            .set("/linux/gidMappings", map)
    }

    fn save(&self) {
        fs::write(self.bundle().join("config.json"), serde_json::to_vec(&self.config).unwrap()).unwrap();
    }

    pub(crate) fn bundle(&self) -> &Path {
        self.dir.path()
    }

    /// A path in the bundle, outside of the rootfs.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.bundle().join(name)
    }

    pub(crate) fn rootfs(&self, name: &str) -> PathBuf {
        self.bundle().join("rootfs").join(name)
    }

    pub(crate) fn state_root(&self) -> PathBuf {
        self.path("root")
    }

    /// `RUNTIME --root ROOT ARGS`, run in the bundle.
    pub(crate) fn runtime<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut cmd = Command::new(runtime());
        cmd.arg("--root").arg(self.state_root()).args(args).current_dir(self.bundle()).stdin(Stdio::null());
        cmd
    }

    #[track_caller]
    pub(crate) fn cmd(&self, args: &[&str]) -> Output {
        finish(self.runtime(args))
    }

    /// `COMMAND FLAGS ID`
    pub(crate) fn on(&self, command: &str, flags: &[&str]) -> Command {
        let mut cmd = self.runtime([command]);
        cmd.args(flags).arg(&self.id);
        cmd
    }

    #[track_caller]
    pub(crate) fn create(&self, flags: &[&str]) -> Output {
        finish(self.on("create", flags))
    }

    #[track_caller]
    pub(crate) fn start(&self) -> Output {
        finish(self.on("start", &[]))
    }

    #[track_caller]
    pub(crate) fn run(&self, flags: &[&str]) -> Output {
        finish(self.on("run", flags))
    }

    /// What is mounted at this place in the container, as the container sees it.
    #[track_caller]
    pub(crate) fn mounted(self, at: &str) -> Mount {
        let table = self.args(&["cat", "/proc/self/mountinfo"]).says();
        mounts(&table)
            .filter(|m| m.at == Path::new(at))
            .last()
            .unwrap_or_else(|| panic!("no {at} in:\n{table}"))
    }

    /// What the container prints when run in the foreground, without the last newline.
    #[track_caller]
    pub(crate) fn says(&self) -> String {
        self.run(&[]).ok().stdout().trim_end().to_owned()
    }

    #[track_caller]
    pub(crate) fn exec(&self, flags: &[&str], args: &[&str]) -> Output {
        let mut cmd = self.on("exec", flags);
        cmd.args(args);
        finish(cmd)
    }

    #[track_caller]
    pub(crate) fn kill(&self, signal: &str) -> Output {
        self.cmd(&["kill", &self.id, signal])
    }

    #[track_caller]
    pub(crate) fn delete(&self, flags: &[&str]) -> Output {
        finish(self.on("delete", flags))
    }

    #[track_caller]
    pub(crate) fn state(&self) -> Value {
        serde_json::from_str(&finish(self.on("state", &[])).ok().stdout()).unwrap()
    }

    #[track_caller]
    pub(crate) fn status(&self) -> String {
        self.state()["status"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.state()["pid"].as_i64().unwrap()).unwrap()
    }

    #[track_caller]
    pub(crate) fn wait_status(&self, status: &str) {
        wait_for(&format!("{} to be {status}", self.id), || (self.status() == status).then_some(()));
    }

    /// What is on the machine of it now.
    pub(crate) fn left(&self) -> Vec<String> {
        left::left(&self.id, &self.state_root())
    }

    /// The container's cgroup in the v1 hierarchy of this controller; `None` on a machine without it.
    pub(crate) fn cgroup(&self, controller: &str) -> Option<PathBuf> {
        let has = |list: &str| list.split(',').any(|c| c == controller);
        let own = fs::read_to_string(format!("/proc/{}/cgroup", self.pid())).unwrap();
        let path = own.lines().find_map(|l| {
            let (controllers, path) = l.split_once(':')?.1.split_once(":/")?;
            has(controllers).then_some(path)
        })?;
        Some(cgroup_mounts().find(|m| m.fs == "cgroup" && has(&m.data))?.at.join(path))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let states = fs::read_dir(self.state_root()).into_iter().flatten().flatten();
        let ids = states.map(|e| e.file_name().into_string().unwrap()).chain([self.id.clone()]);
        // What begins with a dot is no container: it has to go with the rest.
        let ids = ids.filter(|id| !id.starts_with('.'));
        let failed: Vec<_> = ids
            .map(|id| finish(self.runtime(["delete", "--force", &id])))
            .filter(|out| out.code != 0)
            .map(|out| format!("delete --force: {}", out.stderr()))
            .collect();
        let mut left = self.left();
        // A killed process may be on its way out yet.
        let end = Instant::now() + command::limit() / 18;
        while !left.is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(10));
            left = self.left();
        }
        if std::thread::panicking() {
            eprintln!("{}: left behind: {left:#?} {failed:?}", self.id);
        } else {
            assert!(left.is_empty() && failed.is_empty(), "{}: left behind: {left:#?} {failed:?}", self.id);
        }
    }
}

/// busybox with a link for each applet. A copy, not a hard link: a container may write to it.
fn busybox(rootfs: &Path) {
    static APPLETS: OnceLock<String> = OnceLock::new();
    let list = || {
        let mut busybox = Command::new("busybox");
        busybox.arg("--list");
        finish(busybox).ok().stdout()
    };
    let bin = rootfs.join("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::copy("/bin/busybox", bin.join("busybox")).expect("the package busybox-static");
    for applet in APPLETS.get_or_init(list).lines().filter(|a| *a != "busybox") {
        symlink("busybox", bin.join(applet)).unwrap();
    }
}
