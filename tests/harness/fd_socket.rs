// SPDX-License-Identifier: Apache-2.0
//! A socket on which the runtime hands over a descriptor: the console socket of containerd and conmon, the listener
//! of a seccomp agent.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

use super::wait_for;

pub(crate) struct FdSocket {
    listener: UnixListener,
    pub(crate) path: PathBuf,
}

impl FdSocket {
    pub(crate) fn bind(dir: &Path) -> Self {
        let path = dir.join("fds.sock");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, path }
    }

    pub(crate) fn arg(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// One message: a text and one fd. Call it when the runtime has returned.
    pub(crate) fn receive(&self) -> (String, OwnedFd) {
        let (stream, _) = wait_for("the runtime on the socket", || self.listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        let mut text = [0; 16384];
        let mut space = nix::cmsg_space!([RawFd; 4]);
        let mut iov = [IoSliceMut::new(&mut text)];
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
        (String::from_utf8_lossy(&text[..len]).into_owned(), fd)
    }
}
