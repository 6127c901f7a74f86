// SPDX-License-Identifier: Apache-2.0
//! One command of the runtime: started with files for its output (a pipe would stay open for as long as the
//! container lives), ended within a time limit.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// What a command may take at most, on a machine of the usual speed. `SLOWER` says how many times slower this one is: an
/// emulated one, where `hack/test-vm` runs the tests.
pub(super) fn limit() -> Duration {
    let slower = std::env::var("SLOWER").map_or(1, |times| times.parse().unwrap());
    Duration::from_secs(90) * slower
}

/// The children with a `Running`; all others came to us as the subreaper.
static OURS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Waits for the processes of detached containers, as a shim does: a zombie of `exec` that nobody reaps keeps the
/// init of its pid namespace from ending.
pub(super) fn reap_orphans() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                let ours = OURS.lock().unwrap();
                for pid in children().into_iter().filter(|pid| !ours.contains(pid)) {
                    let _ = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
                }
            }
        });
    });
}

/// A child that its caller waits for, until `release`.
pub(crate) fn spawn_held(cmd: &mut Command) -> Child {
    let mut ours = OURS.lock().unwrap();
    let child = cmd.spawn().unwrap();
    ours.insert(child.id().cast_signed());
    child
}

/// Somebody waits for this process, a tracer, should it become ours.
#[allow(dead_code, reason = "not every test binary has a tracer")]
pub(crate) fn hold(pid: i32) {
    OURS.lock().unwrap().insert(pid);
}

pub(crate) fn release(pid: i32) {
    OURS.lock().unwrap().remove(&pid);
}

/// Each thread has its own list.
fn children() -> Vec<i32> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let lists = tasks.map(|t| std::fs::read_to_string(t.path().join("children")).unwrap_or_default());
    lists.flat_map(|l| l.split_whitespace().map(|p| p.parse().unwrap()).collect::<Vec<_>>()).collect()
}

/// Polls until `done` yields a value; the deadline only bounds a failure.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + limit() / 3;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < end, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
pub(crate) fn finish(cmd: Command) -> Output {
    Running::spawn(cmd).wait()
}

/// The same command after a line of shell, which opens fds or sets what has to be the runtime's own.
pub(crate) fn after(prelude: &str, cmd: &Command) -> Command {
    let mut sh = Command::new("sh");
    sh.arg("-c").arg(format!("{prelude}\nexec \"$0\" \"$@\"")).arg(cmd.get_program()).args(cmd.get_args());
    sh.stdin(Stdio::null());
    if let Some(dir) = cmd.get_current_dir() {
        sh.current_dir(dir);
    }
    sh
}

pub(crate) struct Running {
    child: Child,
    out: File,
    err: File,
    line: String,
}

impl Running {
    /// Stdin is what the caller set (null when `cmd` comes from `Container::runtime`).
    pub(crate) fn spawn(mut cmd: Command) -> Self {
        let (out, err) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        cmd.stdout(out.try_clone().unwrap()).stderr(err.try_clone().unwrap());
        Self::start(cmd, out, err)
    }

    /// For a test that owns the standard streams itself (a pty).
    pub(crate) fn spawn_on(mut cmd: Command, stream: impl Fn() -> Stdio) -> Self {
        cmd.stdin(stream()).stdout(stream()).stderr(stream());
        Self::start(cmd, tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap())
    }

    fn start(mut cmd: Command, out: File, err: File) -> Self {
        let child = spawn_held(&mut cmd);
        Self { line: format!("{cmd:?}"), child, out, err }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub(crate) fn stdout(&self) -> String {
        text(&self.out)
    }

    #[track_caller]
    pub(crate) fn wait(mut self) -> Output {
        let end = Instant::now() + limit();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            let (out, err) = (text(&self.out), text(&self.err));
            assert!(Instant::now() < end, "not done in {:?}: {}\n{out}\n{err}", limit(), self.line);
            std::thread::sleep(Duration::from_millis(2));
        };
        let code = status.code().unwrap_or_else(|| -status.signal().unwrap());
        let (out, err) = (self.out.try_clone().unwrap(), self.err.try_clone().unwrap());
        Output { code, out, err, line: self.line.clone() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        release(self.child.id().cast_signed());
    }
}

/// `code` is the exit status, or the negated signal that ended the runtime itself.
pub(crate) struct Output {
    pub(crate) code: i32,
    out: File,
    err: File,
    line: String,
}

impl Output {
    /// All written so far: after a `create` the container goes on writing here.
    pub(crate) fn stdout(&self) -> String {
        text(&self.out)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.err)
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        let (out, err) = (self.stdout(), self.stderr());
        assert_eq!(self.code, code, "{}\nstdout: {out}\nstderr: {err}", self.line);
        self
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    /// Failed with this code, and the error says these words.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &str) -> Self {
        let this = self.code(code);
        // The text log quotes its message.
        let err = this.stderr().replace("\\\"", "\"");
        assert!(err.contains(words), "{}\nno {words:?} in: {err}", this.line);
        this
    }
}

pub(crate) fn text(file: &File) -> String {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    let n = file.read_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes[..n]).into_owned()
}
