// SPDX-License-Identifier: Apache-2.0
//! The image's own passwd and group. They are files of a stranger: resolved inside the rootfs, regular or refused,
//! read to a bound (CVE-2026-47262 was an endless /etc/group; a FIFO there hung every runtime that was tried).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat};

use crate::bail;
use crate::error::{Context, Error, Result};

const FILE_MAX: u64 = 1 << 20;
/// Larger ids were taken for -1 or wrapped to 0 by one tool or another (CVE-2024-40635).
const ID_MAX: u32 = i32::MAX as u32;

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    pub uid: u32,
    pub gid: u32,
    pub additional_gids: Vec<u32>,
}

/// `user`, `uid`, `user:group`, `uid:gid`, ... as an image config has it.
pub(super) fn resolve(rootfs: &OwnedFd, text: &str) -> Result<User> {
    if text.is_empty() {
        return Ok(User::default());
    }
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let passwd = read(rootfs, "etc/passwd")?;
    let groups = read(rootfs, "etc/group")?;
    lookup(user, group, &passwd, &groups).context(|| format!("unable to find the user {text:?} of the image"))
}

fn lookup(user: &str, group: Option<&str>, passwd: &str, groups: &str) -> Result<User> {
    let mut found = User::default();
    let entry = match number(user)? {
        Some(uid) => {
            found.uid = uid;
            passwd.lines().filter_map(fields).find(|f| f.get(2) == Some(&user))
        }
        None => {
            let entry = passwd.lines().filter_map(fields).find(|f| f[0] == user);
            let entry =
                entry.ok_or_else(|| Error::new(format!("/etc/passwd of the image has no user {user:?}")))?;
            found.uid = id(entry.get(2))?;
            Some(entry)
        }
    };
    match group {
        Some(group) => {
            found.gid = match number(group)? {
                Some(gid) => gid,
                None => {
                    let entry = groups.lines().filter_map(fields).find(|f| f[0] == group);
                    let entry = entry.ok_or_else(|| {
                        Error::new(format!("/etc/group of the image has no group {group:?}"))
                    })?;
                    id(entry.get(2))?
                }
            };
        }
        None => {
            if let Some(entry) = entry {
                found.gid = id(entry.get(3))?;
                // The conversion rules: only for a user, named or found by id, and with no group given.
                found.additional_gids = supplementary(entry[0], groups, found.gid)?;
            }
        }
    }
    Ok(found)
}

fn supplementary(user: &str, groups: &str, gid: u32) -> Result<Vec<u32>> {
    let mut gids = Vec::new();
    for entry in groups.lines().filter_map(fields) {
        if entry.get(3).is_some_and(|members| members.split(',').any(|m| m == user)) {
            let member_of = id(entry.get(2))?;
            if member_of != gid && !gids.contains(&member_of) {
                gids.push(member_of);
            }
        }
    }
    Ok(gids)
}

fn fields(line: &str) -> Option<Vec<&str>> {
    let line = line.trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| line.split(':').collect())
}

/// A number is never looked up as a name (CVE-2016-3697).
fn number(text: &str) -> Result<Option<u32>> {
    if text.is_empty() {
        bail!("it is empty");
    }
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        if text.starts_with(['-', '+']) && text[1..].bytes().all(|b| b.is_ascii_digit()) {
            bail!("{text} is no valid id");
        }
        return Ok(None);
    }
    match text.parse::<u32>() {
        Ok(id) if id <= ID_MAX => Ok(Some(id)),
        _ => bail!("{text} is no valid id: the largest is {ID_MAX}"),
    }
}

fn id(field: Option<&&str>) -> Result<u32> {
    let text = field.copied().unwrap_or_default();
    number(text)?.ok_or_else(|| Error::new(format!("{text:?} in the image's passwd or group is no valid id")))
}

fn read(rootfs: &OwnedFd, name: &str) -> Result<String> {
    let what = || format!("unable to read /{name} of the image");
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let path = match openat2(rootfs, name, how) {
        Ok(fd) => fd,
        Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(String::new()),
        Err(e) => return Err(e).context(what),
    };
    if fstat(&path).context(what)?.st_mode & SFlag::S_IFMT.bits() != SFlag::S_IFREG.bits() {
        bail!("{}: it is not a regular file", what());
    }
    let link = format!("/proc/self/fd/{}", path.as_raw_fd());
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = File::from(open(link.as_str(), flags, Mode::empty()).context(what)?);
    let mut bytes = Vec::new();
    file.take(FILE_MAX + 1).read_to_end(&mut bytes).context(what)?;
    if bytes.len() as u64 > FILE_MAX {
        bail!("{}: it is larger than {FILE_MAX} bytes", what());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/sh\n# no\napp:x:1000:1001::/:\n1000:x:7:7::/:\nbig:x:4294967296:1::/:\n";
    const GROUP: &str = "root:x:0:\nextra:x:2000:app,root\nmore:x:2001:other,app\napp:x:1001:app\n";

    #[test]
    fn names_and_numbers() {
        let user = |uid, gid, more: &[u32]| User { uid, gid, additional_gids: more.to_vec() };
        for (text, want) in [
            ("app", user(1000, 1001, &[2000, 2001])),
            ("1000", user(1000, 1001, &[2000, 2001])),
            ("app:extra", user(1000, 2000, &[])),
            ("app:5", user(1000, 5, &[])),
            ("42", user(42, 0, &[])),
            ("42:more", user(42, 2001, &[])),
            ("root", user(0, 0, &[2000])),
        ] {
            let (name, group) = text.split_once(':').map_or((text, None), |(n, g)| (n, Some(g)));
            assert_eq!(lookup(name, group, PASSWD, GROUP).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn refuses_what_wraps() {
        for (user, group) in [
            ("4294967295", None),
            ("2147483648", None),
            ("-1", None),
            ("+1", None),
            ("big", None),
            ("nobody", None),
            ("", None),
            ("app", Some("nobody")),
            ("app", Some("4294967296")),
            ("app", Some("")),
        ] {
            assert!(lookup(user, group, PASSWD, GROUP).is_err(), "{user}:{group:?}");
        }
    }
}
