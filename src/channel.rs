// SPDX-License-Identifier: Apache-2.0
//! The one channel between the parent and init: fixed-size packets, ten kinds.
//!
//! `Report` goes up, `Order` comes down. Used after clone: nothing here allocates. The only other
//! meeting point of the two is the start fifo. May name: sys.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use crate::step::HookPoint;
use crate::sys::{self, Errno, Result};

/// What init tells the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    Cgroup,
    Maps,
    Hooks(HookPoint),
    /// The listener's number in init, for pidfd_getfd.
    SeccompFd(i32),
    /// A mount, by its number in init, that waits for its ids to be mapped, and the step that wants it.
    Mount {
        fd: i32,
        step: usize,
    },
    /// Around init all is as it will be, and it opens nothing more of the host's. So many paths that were to be masked or
    /// made read-only are not there. No answer is waited for: the parent looks at it while init goes on.
    InPlace {
        absent: usize,
    },
    Ready,
    /// Init's pid, told by the process that it was born through.
    Born(i32),
    Failed(Failure),
}

/// Why init gave up: the step's number in the plan, the kernel's errno, and what else is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    pub step: usize,
    pub errno: Errno,
    pub note: Note,
}

impl Failure {
    /// Instead of a step: there is no init yet.
    pub const BIRTH: usize = i32::MAX as usize;
}

/// What an errno alone does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    None,
    /// The mount API's own message, cut to fit.
    Kernel([u8; 96]),
    /// A call succeeded, and yet nothing had changed when it was read back.
    NotInForce,
    /// Which item of the step's list.
    Item(usize),
    /// A link in the image led a mount into /proc.
    InsideProc,
    /// What goes on /proc is no procfs.
    NotProc,
}

/// What the parent tells init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Go,
    Abort,
}

const SIZE: usize = 120;

/// The parent's end.
#[derive(Debug)]
pub struct ParentEnd(OwnedFd);

/// Init's end.
#[derive(Debug)]
pub struct InitEnd(OwnedFd);

pub fn pair() -> Result<(ParentEnd, InitEnd)> {
    let (parent, init) = sys::packet::seqpacket_pair()?;
    Ok((ParentEnd(parent), InitEnd(init)))
}

impl ParentEnd {
    /// The next report; None once init has closed its end: it executed the program, or died.
    pub fn receive(&self) -> Result<Option<Report>> {
        let mut packet = [0; SIZE];
        let mut read = sys::fs::read(self.0.as_fd(), &mut packet);
        if read == Err(Errno::ECONNRESET) {
            // It has closed with an order of ours unread: that is said once, and before its last report.
            read = sys::fs::read(self.0.as_fd(), &mut packet);
        }
        match read {
            Ok(SIZE) => decode(&packet).map(Some),
            Ok(0) | Err(Errno::ECONNRESET) => Ok(None),
            Ok(_) => Err(Errno::EPROTO),
            Err(e) => Err(e),
        }
    }

    /// Has a report come, or the end?
    pub fn has_come(&self) -> Result<bool> {
        let [ready] = sys::signal::poll([Some(self.0.as_fd())], [false], 0)?;
        Ok(ready.readable || ready.hangup)
    }

    /// From here on `receive` gives up with EAGAIN after so long.
    pub fn lose_patience_after(&self, time: std::time::Duration) -> Result<()> {
        sys::packet::lose_patience_after(self.0.as_fd(), time)
    }

    pub fn send(&self, order: Order) -> Result<()> {
        let byte = match order {
            Order::Go => 1,
            Order::Abort => 0,
        };
        sys::packet::send(self.0.as_fd(), &[byte])
    }

    /// `Go`, with descriptors.
    pub fn lend(&self, fds: &[OwnedFd]) -> Result<()> {
        let numbers: std::vec::Vec<i32> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let count = u8::try_from(fds.len()).map_err(|_| Errno::EINVAL)?;
        sys::packet::send_fds(self.0.as_fd(), &[1, count], &numbers)
    }

    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl InitEnd {
    /// By the number that the parent has given it in the program that becomes init.
    ///
    /// # Errors
    /// There is no such descriptor.
    pub fn inherited(number: i32) -> Result<InitEnd> {
        sys::packet::inherited(number).map(InitEnd)
    }

    pub fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// write(2), for a seccomp profile may be in force that knows no sendmsg.
    pub fn send(&self, report: &Report) -> Result<()> {
        sys::fs::write(self.0.as_fd(), &encode(report)).map(drop)
    }

    pub fn number(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Has the parent closed its end, or died?
    pub fn parent_is_gone(&self) -> Result<bool> {
        let [ready] = sys::signal::poll([Some(self.0.as_fd())], [false], 0)?;
        Ok(ready.hangup)
    }

    /// A parent that is gone is an `Abort`.
    pub fn receive(&self) -> Result<Order> {
        let mut byte = [0];
        match sys::fs::read(self.0.as_fd(), &mut byte)? {
            1 if byte[0] == 1 => Ok(Order::Go),
            _ => Ok(Order::Abort),
        }
    }

    /// The same, with descriptors, which `take` is given one by one.
    ///
    /// # Errors
    /// `EMFILE` when there was no room for all of them.
    pub fn borrow(&self, mut take: impl FnMut(OwnedFd)) -> Result<Order> {
        let (mut payload, mut taken) = ([0; 2], 0);
        let count = |fd| {
            taken += 1;
            take(fd);
        };
        match sys::packet::receive_fds(self.0.as_fd(), &mut payload, count)? {
            2 if payload[0] == 1 && payload[1] == taken => Ok(Order::Go),
            2 if payload[0] == 1 => Err(Errno::EMFILE),
            _ => Ok(Order::Abort),
        }
    }
}

/// Five words (kind, step, errno, note, item), then the note's text.
fn encode(report: &Report) -> [u8; SIZE] {
    let mut text = [0; 96];
    let words: [i32; 5] = match *report {
        Report::Maps => [1, 0, 0, 0, 0],
        Report::Hooks(HookPoint::CreateRuntime) => [2, 0, 0, 0, 0],
        Report::Hooks(HookPoint::CreateContainer) => [3, 0, 0, 0, 0],
        Report::SeccompFd(fd) => [4, fd, 0, 0, 0],
        Report::Ready => [5, 0, 0, 0, 0],
        Report::InPlace { absent } => [10, absent as i32, 0, 0, 0],
        Report::Mount { fd, step } => [8, fd, step as i32, 0, 0],
        Report::Cgroup => [7, 0, 0, 0, 0],
        Report::Born(pid) => [9, pid, 0, 0, 0],
        Report::Failed(failure) => {
            let (note, item) = match failure.note {
                Note::None => (0, 0),
                Note::Kernel(message) => {
                    text = message;
                    (1, 0)
                }
                Note::NotInForce => (2, 0),
                Note::Item(item) => (3, item as i32),
                Note::InsideProc => (4, 0),
                Note::NotProc => (5, 0),
            };
            [6, failure.step as i32, sys::number(failure.errno), note, item]
        }
    };
    let mut packet = [0; SIZE];
    for (place, word) in packet.chunks_exact_mut(4).zip(words) {
        place.copy_from_slice(&word.to_ne_bytes());
    }
    packet[SIZE - 96..].copy_from_slice(&text);
    packet
}

fn decode(packet: &[u8; SIZE]) -> Result<Report> {
    let word = |i: usize| {
        i32::from_ne_bytes([packet[i * 4], packet[i * 4 + 1], packet[i * 4 + 2], packet[i * 4 + 3]])
    };
    Ok(match word(0) {
        1 => Report::Maps,
        2 => Report::Hooks(HookPoint::CreateRuntime),
        3 => Report::Hooks(HookPoint::CreateContainer),
        4 => Report::SeccompFd(word(1)),
        5 => Report::Ready,
        10 => Report::InPlace { absent: word(1) as usize },
        7 => Report::Cgroup,
        9 => Report::Born(word(1)),
        8 => Report::Mount { fd: word(1), step: word(2) as usize },
        6 => Report::Failed(Failure {
            step: word(1) as usize,
            errno: Errno::from_raw(word(2)),
            note: match word(3) {
                1 => {
                    let mut text = [0; 96];
                    text.copy_from_slice(&packet[SIZE - 96..]);
                    Note::Kernel(text)
                }
                2 => Note::NotInForce,
                3 => Note::Item(word(4) as usize),
                4 => Note::InsideProc,
                5 => Note::NotProc,
                _ => Note::None,
            },
        }),
        _ => return Err(Errno::EPROTO),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_report_arrives_as_it_was_sent() {
        let (parent, init) = pair().unwrap();
        let failed = |note| Report::Failed(Failure { step: 70_000, errno: Errno::EPERM, note });
        for report in [
            Report::Cgroup,
            Report::Maps,
            Report::Hooks(HookPoint::CreateRuntime),
            Report::Hooks(HookPoint::CreateContainer),
            Report::SeccompFd(9),
            Report::Mount { fd: 9, step: 70_000 },
            Report::InPlace { absent: 3 },
            Report::Ready,
            Report::Born(9),
            failed(Note::None),
            failed(Note::Kernel([b'x'; 96])),
            failed(Note::NotInForce),
            failed(Note::Item(3)),
            failed(Note::InsideProc),
            failed(Note::NotProc),
        ] {
            init.send(&report).unwrap();
            assert_eq!(parent.receive().unwrap(), Some(report));
        }
    }

    #[test]
    fn the_last_report_is_heard_though_an_order_was_not() {
        let (parent, init) = pair().unwrap();
        init.send(&Report::Cgroup).unwrap();
        parent.send(Order::Go).unwrap();
        drop(init);
        assert_eq!(parent.receive().unwrap(), Some(Report::Cgroup));
        assert_eq!(parent.receive().unwrap(), None);
    }

    #[test]
    fn an_end_that_is_gone_is_the_end() {
        let (parent, init) = pair().unwrap();
        drop(init);
        assert_eq!(parent.receive().unwrap(), None);
        let (parent, init) = pair().unwrap();
        drop(parent);
        assert_eq!(init.receive().unwrap(), Order::Abort);
    }
}
