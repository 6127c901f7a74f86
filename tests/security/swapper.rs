// SPDX-License-Identifier: Apache-2.0
//! The other side of a race: a thread that exchanges two paths all the time, as a container does that shares a volume.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

pub(crate) struct Swapper {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Swapper {
    pub(crate) fn between(one: &Path, other: &Path) -> Self {
        let path = |p: &Path| CString::new(p.as_os_str().as_bytes()).unwrap();
        let (one, other) = (path(one), path(other));
        let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&count));
        let swap = move || {
            // SAFETY: two strings that outlive the call.
            let rc = unsafe {
                let (at, exchange) = (libc::AT_FDCWD, libc::RENAME_EXCHANGE);
                libc::renameat2(at, one.as_ptr(), at, other.as_ptr(), exchange)
            };
            assert_eq!(rc, 0, "{}", std::io::Error::last_os_error());
        };
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                swap();
                counter.fetch_add(1, Ordering::Relaxed);
                // On one processor too, the other side has to get on.
                std::thread::yield_now();
            }
        });
        Self { stop, count, thread: Some(thread) }
    }

    /// How often they were exchanged by now.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}
