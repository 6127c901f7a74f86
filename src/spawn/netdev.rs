// SPDX-License-Identifier: Apache-2.0
//! Moves network devices into the container's network namespace, with their addresses.
//!
//! The kernel takes a device down when it moves, and its addresses away; its name, MTU and hardware
//! address it keeps. Nothing of the device has changed when the kernel refuses the move.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::Child;
use crate::error::{Error, Result, While};
use crate::plan::{NetDevice, Plan};
use crate::sys::netlink::{Message, RTM_GETADDR, RTM_GETLINK, RTM_NEWADDR, RTM_NEWLINK, Route, attributes};
use crate::sys::process::{NEWNET, setns};
use crate::sys::{self, Errno};

const IFLA_IFNAME: u16 = 3;
const IFLA_NET_NS_FD: u16 = 28;

/// Those that make an address what it is; its label begins with the device's old name.
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;

const PERMANENT: u32 = 0x80;
/// What an administrator can ask for of an address: no duplicate detection, home address, temporary
/// addresses beside it, no route, multicast.
const ASKED_FOR: u32 = 0x02 | 0x10 | 0x100 | 0x200 | 0x400;

pub(super) fn move_all(plan: &Plan, fds: &[OwnedFd], child: &Child) -> Result<()> {
    let moved = &plan.net_devices;
    if moved.devices.is_empty() {
        return Ok(());
    }
    let new;
    let namespace = match moved.namespace {
        Some(slot) => fds[slot.0].as_fd(),
        None => {
            // Init is our child, and not reaped: the pid is its own.
            let path = CString::new(format!("/proc/{}/ns/net", child.pid)).unwrap_or_default();
            new = sys::fs::open(&path, sys::fs::O_RDONLY)
                .or_unable(|| "open the container's network namespace".into())?;
            new.as_fd()
        }
    };
    let here = Route::open().or_unable(|| "ask for network devices".into())?;
    let there = open_in(namespace)?;
    for device in &moved.devices {
        one(device, &here, &there, namespace).map_err(|error| error.at(&device.place))?;
    }
    Ok(())
}

/// A socket belongs to the namespace that it is opened in: a moment there is enough.
fn open_in(namespace: BorrowedFd<'_>) -> Result<Route> {
    let unable = || "ask for network devices of the container".to_owned();
    let own = sys::fs::open(c"/proc/self/ns/net", sys::fs::O_RDONLY).or_unable(unable)?;
    setns(namespace, NEWNET).or_unable(unable)?;
    let socket = Route::open();
    setns(own.as_fd(), NEWNET).or_unable(|| "come back to our own network namespace".into())?;
    socket.or_unable(unable)
}

fn one(device: &NetDevice, here: &Route, there: &Route, namespace: BorrowedFd<'_>) -> Result<()> {
    let name = device.name.to_string_lossy();
    let index = index(here, &device.name).or_unable(|| format!("find the network device {name}"))?;
    let addresses = addresses(here, index).or_unable(|| format!("read the addresses of {name}"))?;
    // With a free name the kernel moves it first, and fails to rename it then.
    if self::index(there, &device.becomes).is_ok() {
        return Err(refused(&name, Errno::EEXIST));
    }
    // Moved and renamed at once: in the container the old name may be another device's.
    let change = Message::new(RTM_NEWLINK, &link(index, 0))
        .attribute(IFLA_IFNAME, device.becomes.to_bytes_with_nul())
        .attribute(IFLA_NET_NS_FD, &namespace.as_raw_fd().to_ne_bytes());
    here.change(change).map_err(|errno| refused(&name, errno))?;
    let index = self::index(there, &device.becomes).or_unable(|| format!("find {name} in the container"))?;
    for address in &addresses {
        there.change(address.of(index)).or_unable(|| format!("keep an address of {name}"))?;
    }
    let up = Message::new(RTM_NEWLINK, &link(index, libc::IFF_UP as u32));
    there.change(up).or_unable(|| format!("bring the network device {name} up in the container"))
}

fn refused(name: &str, errno: Errno) -> Error {
    let error = Error::sys(format!("unable to move network device {name} into the container"), errno);
    match errno {
        Errno::EINVAL => error.hint("some devices, as bridges and the loopback, stay where they are made"),
        Errno::EEXIST => error.hint("a device of that name is in the network namespace already"),
        _ => error,
    }
}

/// struct ifinfomsg: the flags to set, which are also all that changes.
fn link(index: i32, flags: u32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..].copy_from_slice(&flags.to_ne_bytes());
    message
}

fn index(route: &Route, name: &CStr) -> sys::Result<i32> {
    let question = Message::new(RTM_GETLINK, &link(0, 0)).attribute(IFLA_IFNAME, name.to_bytes_with_nul());
    let answer = route.ask(question)?;
    let index = answer.get(4..8).and_then(|bytes| bytes.try_into().ok());
    index.map(i32::from_ne_bytes).ok_or(Errno::EPROTO)
}

/// struct ifaddrmsg, and the attributes to make it again.
struct Address {
    family: u8,
    prefix: u8,
    attributes: Vec<(u16, Vec<u8>)>,
}

impl Address {
    /// Permanent and of global scope, as runc: what DHCP or autoconfiguration has given is bound to the
    /// network that it came from.
    fn read(bytes: &[u8], device: i32) -> Option<Address> {
        let &[family, prefix, flags, scope, ref rest @ ..] = bytes else { return None };
        let (index, rest) = rest.split_at_checked(4)?;
        let mut flags = u32::from(flags);
        let mut kept = Vec::new();
        for (kind, value) in attributes(rest) {
            match kind {
                IFA_FLAGS => flags = u32::from_ne_bytes(value.try_into().ok()?),
                IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST => kept.push((kind, value.to_vec())),
                _ => {}
            }
        }
        if index != device.to_ne_bytes() || flags & PERMANENT == 0 || scope != libc::RT_SCOPE_UNIVERSE {
            return None;
        }
        kept.push((IFA_FLAGS, (flags & ASKED_FOR).to_ne_bytes().to_vec()));
        Some(Address { family, prefix, attributes: kept })
    }

    fn of(&self, index: i32) -> Message {
        let [a, b, c, d] = index.to_ne_bytes();
        let fixed = [self.family, self.prefix, 0, libc::RT_SCOPE_UNIVERSE, a, b, c, d];
        let message = Message::new(RTM_NEWADDR, &fixed);
        self.attributes.iter().fold(message, |message, (kind, value)| message.attribute(*kind, value))
    }
}

fn addresses(route: &Route, index: i32) -> sys::Result<Vec<Address>> {
    let all = route.list(RTM_GETADDR, &[0; 8])?;
    Ok(all.iter().filter_map(|bytes| Address::read(bytes, index)).collect())
}
