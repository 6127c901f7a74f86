// SPDX-License-Identifier: Apache-2.0
//! rtnetlink(7): requests to the kernel's network stack, a socket in one network namespace.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::{Errno, Result, retry};

pub const RTM_NEWLINK: u16 = 16;
pub const RTM_GETLINK: u16 = 18;
pub const RTM_NEWADDR: u16 = 20;
pub const RTM_GETADDR: u16 = 22;

const HEADER: usize = 16;
const F_REQUEST: u16 = 1;
const F_ACK: u16 = 4;
const F_DUMP: u16 = 0x300;
const F_DUMP_INTERRUPTED: u16 = 0x10;
const ERROR: u16 = 2;
const DONE: u16 = 3;

/// A request in the making: header, the fixed part of its kind, attributes, all aligned to 4.
#[derive(Debug)]
pub struct Message(Vec<u8>);

impl Message {
    pub fn new(kind: u16, fixed: &[u8]) -> Message {
        let mut message = Message(vec![0; HEADER]);
        message.0[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.0.extend_from_slice(fixed);
        message
    }

    #[must_use]
    pub fn attribute(mut self, kind: u16, value: &[u8]) -> Message {
        let len = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&len.to_ne_bytes());
        self.0.extend_from_slice(&kind.to_ne_bytes());
        self.0.extend_from_slice(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn finish(mut self, flags: u16) -> Vec<u8> {
        let len = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_ne_bytes());
        self.0[6..8].copy_from_slice(&(F_REQUEST | flags).to_ne_bytes());
        self.0
    }
}

/// The attributes of an answer: kind and value.
pub fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (len, kind) = (word(bytes, 0)?, word(bytes, 2)?);
        let value = bytes.get(4..usize::from(len))?;
        bytes = bytes.get(usize::from(len).next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

/// Of the network namespace that it was opened in, wherever the process is later.
#[derive(Debug)]
pub struct Route(OwnedFd);

/// What became of a request.
enum Answer {
    More,
    Done,
    /// The list changed while it was told.
    Interrupted,
}

impl Route {
    pub fn open() -> Result<Route> {
        let protocol = SockProtocol::NetlinkRoute;
        socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol).map(Route)
    }

    /// A change; back when it is made.
    pub fn change(&self, message: Message) -> Result<()> {
        self.send(&message.finish(F_ACK))?;
        while matches!(self.receive(&mut |_| {})?, Answer::More) {}
        Ok(())
    }

    /// The one answer to a question, without its header.
    pub fn ask(&self, message: Message) -> Result<Vec<u8>> {
        let mut answer = Vec::new();
        self.send(&message.finish(F_ACK))?;
        while matches!(self.receive(&mut |found| answer = found.to_vec())?, Answer::More) {}
        Ok(answer)
    }

    /// The whole list of something, each without its header.
    pub fn list(&self, kind: u16, fixed: &[u8]) -> Result<Vec<Vec<u8>>> {
        const TRIES: usize = 8;
        for _ in 0..TRIES {
            let mut items = Vec::new();
            self.send(&Message::new(kind, fixed).finish(F_DUMP))?;
            let mut whole = true;
            loop {
                match self.receive(&mut |found| items.push(found.to_vec()))? {
                    Answer::More => {}
                    Answer::Interrupted => whole = false,
                    Answer::Done => break,
                }
            }
            if whole {
                return Ok(items);
            }
        }
        Err(Errno::EINTR)
    }

    fn send(&self, bytes: &[u8]) -> Result<()> {
        retry(|| send(self.0.as_raw_fd(), bytes, MsgFlags::empty())).map(drop)
    }

    /// One packet of the kernel's, of several messages.
    fn receive(&self, found: &mut impl FnMut(&[u8])) -> Result<Answer> {
        // The kernel makes packets of a list no longer than this.
        let mut buffer = vec![0; 32 << 10];
        let n = retry(|| recv(self.0.as_fd().as_raw_fd(), &mut buffer, MsgFlags::empty()))?;
        let mut rest = &buffer[..n];
        let mut answer = Answer::More;
        while let (Some(len), Some(kind), Some(flags)) = (long(rest, 0), word(rest, 4), word(rest, 6)) {
            let body = rest.get(HEADER..len as usize).ok_or(Errno::EPROTO)?;
            if flags & F_DUMP_INTERRUPTED != 0 {
                answer = Answer::Interrupted;
            }
            match kind {
                ERROR | DONE => {
                    return match long(body, 0).ok_or(Errno::EPROTO)?.cast_signed() {
                        0 => Ok(Answer::Done),
                        errno => Err(Errno::from_raw(-errno)),
                    };
                }
                _ => found(body),
            }
            rest = rest.get((len as usize).next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(answer)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_ne_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_read_as_they_were_written() {
        let message = Message::new(RTM_NEWLINK, &[7; 4]).attribute(3, b"eth0\0").attribute(28, &[1, 2, 3, 4]);
        let bytes = message.finish(F_ACK);
        assert_eq!(long(&bytes, 0), Some(bytes.len() as u32));
        let read: Vec<_> = attributes(&bytes[HEADER + 4..]).collect();
        assert_eq!(read, [(3, b"eth0\0".as_slice()), (28, &[1, 2, 3, 4])]);
    }

    /// A length of zero would never end, one beyond the end is none of ours.
    #[test]
    fn broken_attributes_end_the_list() {
        assert_eq!(attributes(&[0; 8]).count(), 0);
        assert_eq!(attributes(&[200, 0, 1, 0, 0]).count(), 0);
        assert_eq!(attributes(&[4, 0, 1]).count(), 0);
    }
}
