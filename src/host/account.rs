// SPDX-License-Identifier: Apache-2.0
//! Who calls us, and what users are called.

use std::os::fd::AsFd;

use crate::sys::fs;

pub use crate::sys::cred::{effective_gid, effective_uid};

/// From /etc/passwd only: a static program has no NSS.
pub fn name_of(uid: u32) -> Option<String> {
    const LIMIT: usize = 1 << 20;
    let file = fs::open(c"/etc/passwd", fs::O_RDONLY).ok()?;
    let passwd = fs::read_to_end(file.as_fd(), LIMIT).ok()?;
    find_name(&String::from_utf8_lossy(&passwd), uid)
}

fn find_name(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, _password, id) = (fields.next()?, fields.next()?, fields.next()?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_first_fitting_line() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\n:x:5\ntoor:x:0:0::/:/bin/sh\nu:x:1000:1000::/:/";
        assert_eq!(find_name(passwd, 0).as_deref(), Some("root"));
        assert_eq!(find_name(passwd, 1000).as_deref(), Some("u"));
        assert_eq!(find_name(passwd, 7), None);
    }
}
