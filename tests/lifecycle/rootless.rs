// SPDX-License-Identifier: Apache-2.0
//! Containers of an ordinary user: `nobody` on any machine; where a user `tare` has a systemd and sub-ids of its own
//! (`hack/test-vm`), with limits too.
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Container, Output, finish, is_v2, needs, only_tare, runtime, wait_for};

const NOBODY: u32 = 65534;
const USER: u32 = 1000;

/// A bundle of the user's, with the config that `spec --rootless` writes there.
struct Rootless {
    c: Container,
    uid: u32,
}

impl Rootless {
    fn new(uid: u32) -> Rootless {
        let c = Container::new();
        // The checkout may be where only root gets to.
        if runtime().contains('/') {
            fs::copy(runtime(), c.path("tare")).unwrap();
        }
        fs::remove_file(c.path("config.json")).unwrap();
        let mut chown = Command::new("chown");
        chown.args(["-hR", &format!("{uid}:{uid}")]).arg(c.bundle());
        finish(chown).ok();
        let this = Rootless { c, uid };
        this.run(&["spec", "--rootless"]).ok();
        this.config(|config| config["process"]["terminal"] = json!(false))
    }

    fn config(self, edit: impl FnOnce(&mut Value)) -> Rootless {
        let path = self.c.path("config.json");
        let mut config = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut config);
        fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();
        self
    }

    fn args(self, args: &[&str]) -> Rootless {
        self.config(|config| config["process"]["args"] = json!(args))
    }

    /// The runtime as the user, in the bundle, in a login session's environment.
    fn run(&self, args: &[&str]) -> Output {
        self.run_in(Path::new(&format!("/run/user/{}", self.uid)), args)
    }

    fn run_in(&self, runtime_dir: &Path, args: &[&str]) -> Output {
        let program = if runtime().contains('/') { self.c.path("tare") } else { PathBuf::from(runtime()) };
        let uid = self.uid;
        let mut cmd = Command::new("setpriv");
        cmd.args([format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".into()]);
        cmd.arg(program).arg("--root").arg(self.c.path("root")).args(args);
        cmd.env("XDG_RUNTIME_DIR", runtime_dir).env_remove("DBUS_SESSION_BUS_ADDRESS");
        cmd.current_dir(self.c.bundle()).stdin(Stdio::null());
        finish(cmd)
    }

    fn id(&self) -> &str {
        &self.c.id
    }
}

/// Root looks into no state directory of another's.
impl Drop for Rootless {
    fn drop(&mut self) {
        self.run(&["delete", "--force", &self.c.id]);
        let mut chown = Command::new("chown");
        chown.args(["-hR", "0:0"]).arg(self.c.bundle());
        finish(chown);
    }
}

#[test]
fn the_config_of_spec_runs_as_it_is() {
    let r = Rootless::new(NOBODY).args(&["sh", "-c", "id -u; cat /proc/self/uid_map"]);
    let out = r.run(&["run", r.id()]).ok().stdout();
    assert_eq!(out.split_whitespace().collect::<Vec<_>>(), ["0", "0", "65534", "1"]);
}

#[test]
fn lives_and_is_deleted() {
    let r = Rootless::new(NOBODY).args(&["sleep", "1000"]);
    r.run(&["create", r.id()]).ok();
    r.run(&["start", r.id()]).ok();
    assert_eq!(r.run(&["exec", r.id(), "id", "-u"]).ok().stdout(), "0\n");
    r.run(&["kill", r.id(), "KILL"]).ok();
    r.run(&["delete", "--force", r.id()]).ok();
    assert!(!r.c.path("root").join(r.id()).exists());
}

#[test]
fn container_hooks_are_in_its_namespaces() {
    const SAY: &str = "id -u; for n in ipc mnt pid user uts; do readlink /proc/self/ns/$n; done";
    let r = Rootless::new(NOBODY).args(&["sh", "-c", SAY]);
    let of_hook = r.c.path("of-hook");
    let hook = format!("{{ {SAY}; }} >{}", of_hook.display());
    let r = r.config(|config| {
        config["hooks"]["createContainer"] = json!([{ "path": "/bin/sh", "args": ["sh", "-c", hook] }]);
    });
    assert_eq!(r.run(&["run", r.id()]).ok().stdout(), fs::read_to_string(of_hook).unwrap());
}

#[test]
fn limits_that_cannot_be_set_are_no_secret() {
    let limit = |config: &mut Value| config["linux"]["resources"] = json!({ "pids": { "limit": 7 } });
    let r = Rootless::new(NOBODY).config(limit);
    r.run(&["create", r.id()]).fails(1, "cgroup");
}

/// The user's own systemd, and newuidmap.
fn has_user() -> bool {
    is_v2()
        && Path::new("/run/user/1000/systemd/private").exists()
        && fs::read_to_string("/etc/subuid").is_ok_and(|text| text.contains("tare:100000:65536"))
}

#[test]
fn sub_ids_are_mapped() {
    needs!(has_user(), "no user `tare` with sub-ids and a systemd");
    let maps = json!([
        { "containerID": 0, "hostID": USER, "size": 1 },
        { "containerID": 1, "hostID": 100_000, "size": 65536 },
    ]);
    let r = Rootless::new(USER).args(&["cat", "/proc/self/uid_map"]).config(|config| {
        config["linux"]["uidMappings"] = maps.clone();
        config["linux"]["gidMappings"] = maps;
    });
    let out = r.run(&["run", r.id()]).ok().stdout();
    assert_eq!(out.split_whitespace().collect::<Vec<_>>(), ["0", "1000", "1", "1", "100000", "65536"]);
    let r = r.config(|config| config["linux"]["uidMappings"][1]["hostID"] = json!(300_000));
    r.run(&["run", r.id()]).fails(1, "newuidmap");
}

#[test]
fn limits_by_the_users_systemd() {
    needs!(has_user(), "no user `tare` with sub-ids and a systemd");
    let r = Rootless::new(USER).args(&["sleep", "1000"]).config(|config| {
        config["linux"]["resources"] = json!({ "memory": { "limit": 64 << 20 }, "pids": { "limit": 23 } });
    });
    let of_hook = r.c.path("of-hook");
    let hook = format!("cat /proc/self/cgroup >{}", of_hook.display());
    let r = r.config(|config| {
        config["hooks"]["createContainer"] = json!([{ "path": "/bin/sh", "args": ["sh", "-c", hook] }]);
    });
    r.run(&["--systemd-cgroup", "run", "--detach", r.id()]).ok();
    assert_eq!(fs::read_to_string(of_hook).unwrap(), "0::/\n");
    let state: Value = serde_json::from_str(&r.run(&["state", r.id()]).ok().stdout()).unwrap();
    let own = fs::read_to_string(format!("/proc/{}/cgroup", state["pid"])).unwrap();
    let own = own.trim().strip_prefix("0::").unwrap();
    assert!(own.starts_with("/user.slice/user-1000.slice/user@1000.service/user.slice/"), "{own}");
    let dir = Path::new("/sys/fs/cgroup").join(&own[1..]);
    for (file, value) in [("memory.max", "67108864"), ("pids.max", "23")] {
        assert_eq!(fs::read_to_string(dir.join(file)).unwrap().trim(), value, "{file}");
    }
    // From outside of the user's part of the tree.
    assert_eq!(r.run(&["exec", r.id(), "id", "-u"]).ok().stdout(), "0\n");
    r.run(&["update", "--memory", "96m", "--pids-limit", "31", r.id()]).ok();
    for (file, value) in [("memory.max", "100663296"), ("pids.max", "31")] {
        assert_eq!(fs::read_to_string(dir.join(file)).unwrap().trim(), value, "{file}");
    }
    r.run(&["pause", r.id()]).ok();
    r.run(&["resume", r.id()]).ok();
    r.run(&["kill", r.id(), "KILL"]).ok();
    wait_for("the end", || r.run(&["state", r.id()]).ok().stdout().contains("stopped").then_some(()));
    r.run(&["delete", r.id()]).ok();
    assert!(!dir.exists());
}

/// Where a user's systemd listens.
struct Socket(PathBuf);

impl Socket {
    fn new(r: &Rootless) -> Socket {
        let dir = tempfile::Builder::new().prefix(&r.c.id).tempdir_in(r.c.bundle()).unwrap().keep();
        fs::create_dir(dir.join("systemd")).unwrap();
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o777)).unwrap();
        Socket(dir)
    }

    /// There at once, for everybody.
    fn listen(&self) -> UnixListener {
        let new = self.0.join("new");
        let listener = UnixListener::bind(&new).unwrap();
        fs::set_permissions(&new, PermissionsExt::from_mode(0o777)).unwrap();
        fs::rename(new, self.0.join("systemd/private")).unwrap();
        listener
    }
}

/// Says this to the first who comes.
fn answer(listener: &UnixListener, says: Option<&str>) {
    let (mut peer, _) = listener.accept().unwrap();
    let asked = peer.read(&mut [0; 4096]).unwrap();
    assert!(asked > 0);
    peer.write_all(says.unwrap_or_default().as_bytes()).unwrap();
    if says != Some("") {
        drop(peer.read_to_end(&mut Vec::new()));
    }
}

/// One that is mute, hangs up, wants somebody else or talks nonsense: an error, never a hang.
#[test]
fn a_users_systemd_that_is_none() {
    only_tare!("the words");
    let r = Rootless::new(NOBODY);
    for (says, words) in [
        (Some("REJECTED EXTERNAL\r\n"), "it does not accept who we are"),
        (Some("OK 0123\r\n<!DOCTYPE html><html>"), "it is no D-Bus message"),
        // It is not there any more.
        (Some(""), "unable to connect to the user's systemd"),
        (None, "it does not answer"),
    ] {
        let socket = Socket::new(&r);
        let listener = socket.listen();
        let answers = std::thread::spawn(move || answer(&listener, says));
        r.run_in(&socket.0, &["--systemd-cgroup", "create", r.id()]).fails(1, words);
        answers.join().unwrap();
        assert!(!r.c.path("root").join(r.id()).exists());
    }
}

/// One that executes itself anew hangs up, does not listen for a moment, and then does again.
#[test]
fn a_users_systemd_that_comes_back() {
    only_tare!("the words");
    let r = Rootless::new(NOBODY);
    let socket = Socket::new(&r);
    let first = socket.listen();
    let dir = socket.0.clone();
    let answers = std::thread::spawn(move || {
        answer(&first, Some(""));
        drop(first);
        std::thread::sleep(Duration::from_millis(200));
        fs::remove_file(socket.0.join("systemd/private")).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        answer(&socket.listen(), Some("REJECTED EXTERNAL\r\n"));
    });
    r.run_in(&dir, &["--systemd-cgroup", "create", r.id()]).fails(1, "it does not accept who we are");
    answers.join().unwrap();
}
