// SPDX-License-Identifier: Apache-2.0
//! Which devices a container may use: the rules of config.json in order, then those that every container
//! gets. Nothing is allowed that no rule allows.
//!
//! The state they leave is that of a v1 devices cgroup: a default and exceptions to it. runc models both
//! versions after it, so that a config means the same on v1 and v2.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxDeviceType};

use crate::error::{Error, Result};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// What holds for a device without an exception: use, or no use.
    pub allowed: bool,
    pub exceptions: BTreeMap<Which, Access>,
}

impl Devices {
    /// For a unit of systemd on v1, where there is one list, that of both: systemd writes its own once more when it is
    /// reloaded. It has no rule that denies, and none for one minor number of all major ones.
    ///
    /// # Errors
    /// It would give more.
    pub fn refuse_beyond_systemd(&self) -> Result<()> {
        let every = |which: &Which| which.major.is_none() && which.minor.is_some();
        let is_within =
            if self.allowed { self.exceptions.is_empty() } else { !self.exceptions.keys().any(every) };
        if is_within {
            return Ok(());
        }
        let error = Error::new("unable to restrict the devices of a unit of systemd on cgroup v1");
        let error = error.because("it has no words for these rules, and would give more at its next reload");
        let hint = "deny all, then allow each; or without --systemd-cgroup";
        Err(error.at("/linux/resources/devices").hint(hint))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which {
    /// None is every number.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Node {
    Block,
    Char,
}

/// A set of mknod, read and write, with the kernel's bits (BPF_DEVCG_ACC_*).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Access(u8);

/// A line for devices.allow or devices.deny.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub allow: bool,
    pub rule: String,
}

impl Access {
    pub const MKNOD: Access = Access(1);
    pub const READ: Access = Access(2);
    pub const WRITE: Access = Access(4);
    pub const ALL: Access = Access(7);

    /// None for anything but the letters r, w and m, and a, which adds nothing: runc passes over it, and
    /// clients write "rwa".
    pub fn parse(letters: &str) -> Option<Access> {
        letters.chars().try_fold(Access(0), |access, letter| match letter {
            'r' => Some(access.union(Access::READ)),
            'w' => Some(access.union(Access::WRITE)),
            'm' => Some(access.union(Access::MKNOD)),
            'a' => Some(access),
            _ => None,
        })
    }

    pub fn bits(self) -> u8 {
        self.0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn union(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    pub fn without(self, other: Access) -> Access {
        Access(self.0 & !other.0)
    }

    pub fn overlaps(self, other: Access) -> bool {
        self.0 & other.0 != 0
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(Access::READ, 'r'), (Access::WRITE, 'w'), (Access::MKNOD, 'm')];
        letters
            .iter()
            .filter(|(bit, _)| self.overlaps(*bit))
            .try_for_each(|(_, letter)| f.write_char(*letter))
    }
}

/// As the v1 files have it: "c 1:*".
impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |n: Option<u32>| n.map_or_else(|| "*".to_owned(), |n| n.to_string());
        let node = match self.node {
            Node::Block => 'b',
            Node::Char => 'c',
        };
        write!(f, "{node} {}:{}", number(self.major), number(self.minor))
    }
}

/// What every container may do, after the rules of its config: runc's AllowedDevices. Any node may be
/// made, since without a rule for its use it is of no use. 10:200 is /dev/net/tun, which runc tried to
/// take back in 1.2 and could not (opencontainers/runc#3468).
const ALWAYS: [(Node, Option<u32>, Option<u32>, Access); 11] = [
    (Node::Char, None, None, Access::MKNOD),
    (Node::Block, None, None, Access::MKNOD),
    (Node::Char, Some(1), Some(3), Access::ALL),
    (Node::Char, Some(1), Some(8), Access::ALL),
    (Node::Char, Some(1), Some(7), Access::ALL),
    (Node::Char, Some(5), Some(0), Access::ALL),
    (Node::Char, Some(1), Some(5), Access::ALL),
    (Node::Char, Some(1), Some(9), Access::ALL),
    (Node::Char, Some(136), None, Access::ALL),
    (Node::Char, Some(5), Some(2), Access::ALL),
    (Node::Char, Some(10), Some(200), Access::ALL),
];

impl Devices {
    /// The rules of a config and, after them, those of every container.
    pub fn plan(rules: &[LinuxDeviceCgroup]) -> Result<Devices> {
        let mut devices = Devices::default();
        for (i, rule) in rules.iter().enumerate() {
            let place = format!("/linux/resources/devices/{i}");
            let subject = subject(rule, &place)?;
            let access = access(rule, &place)?;
            devices.apply(rule.allow(), subject, access).map_err(|e| e.at(place))?;
        }
        for (node, major, minor, access) in ALWAYS {
            let which = Which { major, minor, node };
            devices.apply(true, Some(which), access).map_err(|e| e.at("/linux/resources/devices"))?;
        }
        Ok(devices)
    }

    /// One rule; no `subject` is every device, whatever the access.
    fn apply(&mut self, allow: bool, subject: Option<Which>, access: Access) -> Result<()> {
        match subject {
            None => *self = Devices { allowed: allow, exceptions: BTreeMap::new() },
            Some(which) if allow == self.allowed => self.remove(which, access)?,
            Some(which) => {
                let exception = self.exceptions.entry(which).or_default();
                *exception = exception.union(access);
            }
        }
        Ok(())
    }

    /// An exception that covers more than the rule would stay as it is in a v1 cgroup, without a word:
    /// that is refused, as the caller believes the device shut (or open).
    fn remove(&mut self, which: Which, access: Access) -> Result<()> {
        for (major, minor) in [(None, which.minor), (which.major, None), (None, None)] {
            let wider = Which { major, minor, ..which };
            let Some(held) = self.exceptions.get(&wider).filter(|_| wider != which) else { continue };
            if held.overlaps(access) {
                let error = Error::new(format!("unable to apply the device rule \"{which} {access}\""));
                return Err(error.because(format!("it would cut a hole into the rule \"{wider} {held}\"")));
            }
        }
        let left = self.exceptions.get(&which).map_or(Access(0), |held| held.without(access));
        if left.is_empty() {
            self.exceptions.remove(&which);
        } else {
            self.exceptions.insert(which, left);
        }
        Ok(())
    }

    /// The state that a devices.list shows. A cgroup that allows by default shows no exceptions.
    pub fn parse_list(list: &str) -> Option<Devices> {
        let mut devices = Devices::default();
        for line in list.lines() {
            let mut words = line.split([' ', ':']);
            let node = match words.next()? {
                "a" => return Some(Devices { allowed: true, exceptions: BTreeMap::new() }),
                "b" => Node::Block,
                "c" => Node::Char,
                _ => return None,
            };
            let mut number = || match words.next()? {
                "*" => Some(None),
                digits => digits.parse().ok().map(Some),
            };
            let which = Which { major: number()?, minor: number()?, node };
            devices.apply(true, Some(which), Access::parse(words.next()?)?).ok()?;
        }
        Some(devices)
    }

    /// What to write into a v1 cgroup to bring it to this state. From an unknown one, as that of a new
    /// cgroup is its parent's, or from one that allows by default, by way of "a", which forgets every
    /// exception; else without a moment in which a device is shut that was and stays open.
    pub fn changes(&self, from: Option<&Devices>) -> Vec<Change> {
        let none = BTreeMap::new();
        let from = from.filter(|from| !from.allowed && !self.allowed);
        let old = from.map_or(&none, |from| &from.exceptions);
        let mut changes = Vec::new();
        if from.is_none() {
            changes.push(Change { allow: self.allowed, rule: "a".to_owned() });
        }
        let mut change = |allow, which: &Which, access: Access| {
            if !access.is_empty() {
                changes.push(Change { allow, rule: format!("{which} {access}") });
            }
        };
        for (which, held) in old {
            let kept = self.exceptions.get(which).copied().unwrap_or_default();
            change(self.allowed, which, held.without(kept));
        }
        for (which, wanted) in &self.exceptions {
            let held = old.get(which).copied().unwrap_or_default();
            change(!self.allowed, which, wanted.without(held));
        }
        changes
    }
}

/// None is every device: with the type "a" the kernel looks at nothing else, and so does runc.
pub(super) fn subject(rule: &LinuxDeviceCgroup, place: &str) -> Result<Option<Which>> {
    let node = match rule.typ() {
        None | Some(LinuxDeviceType::A) => return Ok(None),
        Some(LinuxDeviceType::B) => Node::Block,
        Some(LinuxDeviceType::C) => Node::Char,
        Some(other) => {
            let error = Error::new(format!("invalid cgroup device type {:?}", other.as_str()));
            return Err(error.at(format!("{place}/type")));
        }
    };
    let number = |field: &str, value: Option<i64>| match value {
        None | Some(-1) => Ok(None),
        Some(value) => u32::try_from(value).map(Some).map_err(|_| {
            Error::new(format!("invalid {field} number of a device: {value}")).at(format!("{place}/{field}"))
        }),
    };
    let (major, minor) = (number("major", rule.major())?, number("minor", rule.minor())?);
    Ok(Some(Which { major, minor, node }))
}

pub(super) fn access(rule: &LinuxDeviceCgroup, place: &str) -> Result<Access> {
    let letters = rule.access().as_deref().unwrap_or_default();
    match Access::parse(letters) {
        Some(access) if !access.is_empty() => Ok(access),
        _ => {
            let error = Error::new(format!("invalid device access {letters:?}"));
            Err(error.at(format!("{place}/access")).because("it must be some of the letters r, w and m"))
        }
    }
}
