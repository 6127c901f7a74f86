// SPDX-License-Identifier: Apache-2.0
//! The caller's side of a terminal: the console socket of containerd and conmon, and a pty of our own.

use std::fs::File;
use std::io::{IoSliceMut, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::wait_for;

pub(crate) struct ConsoleSocket {
    listener: UnixListener,
    pub(crate) path: PathBuf,
}

impl ConsoleSocket {
    pub(crate) fn bind(dir: &Path) -> Self {
        let path = dir.join("console.sock");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, path }
    }

    pub(crate) fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// One message: a name as payload, one fd. Call it when the runtime has returned.
    pub(crate) fn receive(&self) -> (String, OwnedFd) {
        let (stream, _) = wait_for("the runtime on the console socket", || self.listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        let mut name = [0; 4096];
        let mut space = nix::cmsg_space!([RawFd; 4]);
        let mut iov = [IoSliceMut::new(&mut name)];
        let msg = recvmsg::<()>(stream.as_raw_fd(), &mut iov, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)
            .unwrap();
        let fds: Vec<RawFd> = msg
            .cmsgs()
            .unwrap()
            .flat_map(|c| if let ControlMessageOwned::ScmRights(fds) = c { fds } else { vec![] })
            .collect();
        let len = msg.bytes;
        assert_eq!(fds.len(), 1, "exactly one fd");
        // SAFETY: the kernel has just installed this fd for us; nothing else owns it.
        let fd = unsafe { OwnedFd::from_raw_fd(fds[0]) };
        (String::from_utf8_lossy(&name[..len]).into_owned(), fd)
    }
}

/// The master side, read by a thread of its own until the other side is gone.
pub(crate) struct Terminal {
    pub(crate) master: File,
    seen: Arc<Mutex<String>>,
}

impl Terminal {
    pub(crate) fn new(master: OwnedFd) -> Self {
        let master = File::from(master);
        let seen = Arc::new(Mutex::new(String::new()));
        let (mut reader, log) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = reader.read(&mut buf) {
                log.lock().unwrap().push_str(&String::from_utf8_lossy(&buf[..n]));
            }
        });
        Self { master, seen }
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }

    #[track_caller]
    pub(crate) fn expect(&self, words: &str) {
        wait_for(&format!("{words:?} on the terminal"), || self.seen().contains(words).then_some(()));
    }
}
