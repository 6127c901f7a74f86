// SPDX-License-Identifier: Apache-2.0
//! U17, U18: devices, ids and extended attributes that a layer may not bring.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use lade::sys::xattr;

use super::{accepted, refused};
use crate::support::image::{Tar, checksum, header};

#[test]
fn u17_devices_and_ids_in_range() {
    refused(Tar::new().entry(header(b"dev", b'4').device(4096, 0), b""), "out of range");
    refused(Tar::new().entry(header(b"dev", b'3').device(1, 1 << 20), b""), "out of range");
    refused(Tar::new().entry(header(b"f", b'0').owner(u64::from(u32::MAX), 0), b""), "no valid id");
    refused(Tar::new().entry(header(b"f", b'0').owner(0, 1 << 32), b""), "no valid id");
    accepted(vec![Tar::new().entry(header(b"null", b'3').device(1, 3).mode(0o666), b"")], |flat, _| {
        let meta = fs::symlink_metadata(flat.join("null")).unwrap();
        assert!(meta.file_type().is_char_device() && meta.rdev() == nix::sys::stat::makedev(1, 3));
    });
}

#[test]
fn u18_overlay_and_host_attributes_are_dropped() {
    let evil = [
        "trusted.overlay.opaque",
        "trusted.overlay.redirect",
        "user.overlay.opaque",
        "user.overlay.redirect",
        "security.selinux",
        "security.ima",
        "security.evm",
        "trusted.x",
    ];
    let mut records: Vec<(String, &[u8])> =
        evil.iter().map(|k| (format!("SCHILY.xattr.{k}"), &b"y"[..])).collect();
    records.push(("SCHILY.xattr.user.kept".to_owned(), b"y"));
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    records.push(("SCHILY.xattr.security.capability".to_owned(), &capability));
    let records: Vec<(&str, &[u8])> = records.iter().map(|(k, v)| (k.as_str(), *v)).collect();
    accepted(vec![Tar::new().pax(&records).file("f", "x").pax(&records[..9]).dir("d")], |flat, _| {
        let dir = fs::File::open(flat).unwrap();
        let mut keys = xattr::list_at(&dir, b"f").unwrap();
        keys.sort();
        assert_eq!(keys, [b"security.capability".to_vec(), b"user.kept".to_vec()]);
        assert_eq!(xattr::list_at(&dir, b"d").unwrap(), [b"user.kept".to_vec()]);
    });
}

/// Numbers that no field of a device has room for: base 256 of any width, and the negative ones.
#[test]
fn u17_device_numbers_do_not_wrap() {
    let dev = |field: [u8; 8]| {
        let mut block = header(b"dev", b'3').bytes();
        block[329..337].copy_from_slice(&field);
        checksum(&mut block);
        Tar::new().raw(&block)
    };
    refused(dev([0x80, 0, 0, 1, 0, 0, 0, 5]), "out of range");
    refused(dev([0x81, 0, 0, 0, 0, 0, 0, 5]), "malformed devmajor");
    refused(dev([0xff; 8]), "malformed devmajor");
    refused(dev(*b"-000005\0"), "malformed devmajor");
}
