// SPDX-License-Identifier: Apache-2.0
//! HOME from the image's /etc/passwd. The file is the image's: it may be a fifo, a device, or a
//! gigabyte of one line; what is read is bounded and never blocks.

use std::os::fd::AsFd;

use super::{Done, Init};
use crate::sys::fs::{self, O_NOCTTY, O_NONBLOCK, O_RDONLY, S_IFREG};

/// The user that a line must be for, and where the home goes.
struct Search<'b> {
    uid: u32,
    home: &'b mut [u8],
    /// Bytes of `home` in use, "HOME=" included.
    len: usize,
    field: usize,
    number: Option<u32>,
    fits: bool,
}

const PREFIX: &[u8] = b"HOME=";

impl Init<'_> {
    pub(super) fn find_home(&mut self, uid: u32) -> Done {
        let Some((index, buffer)) = self.exec.home.take() else { return Ok(()) };
        let len = search(uid, buffer).unwrap_or(0);
        let home: &'static [u8] = buffer;
        let found = std::ffi::CStr::from_bytes_until_nul(&home[..home.len().min(len + 1)]).ok();
        let home = found.filter(|home| home.to_bytes().len() > PREFIX.len()).unwrap_or(c"HOME=/");
        self.exec.env.set(index, home);
        Ok(())
    }
}

/// The length of "HOME=..." in `home`, followed by a NUL; 0 without an entry.
fn search(uid: u32, home: &mut [u8]) -> crate::sys::Result<usize> {
    const MOST: usize = 1 << 20;
    // O_NONBLOCK: opening a fifo must not wait for its writer; and only a regular file is read.
    let flags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    let file = fs::open(c"/etc/passwd", flags)?;
    if !fs::fstat(file.as_fd())?.is(S_IFREG) {
        return Ok(0);
    }
    let mut search = Search { uid, home, len: 0, field: 0, number: Some(0), fits: false };
    let mut buffer = [0; 4096];
    let mut total = 0;
    while total < MOST {
        let n = fs::read(file.as_fd(), &mut buffer)?;
        if n == 0 {
            break;
        }
        total += n;
        for byte in &buffer[..n] {
            if search.take(*byte) {
                return Ok(search.len);
            }
        }
    }
    Ok(if search.finish() { search.len } else { 0 })
}

impl Search<'_> {
    /// name:password:uid:gid:comment:home:shell. True once the user's home is whole.
    fn take(&mut self, byte: u8) -> bool {
        match (byte, self.field) {
            (b'\n', _) => {
                if self.finish() {
                    return true;
                }
                (self.field, self.number, self.len) = (0, Some(0), 0);
            }
            (b':', field) => {
                if field == 2 {
                    self.fits = self.number == Some(self.uid);
                }
                if field == 5 && self.finish() {
                    return true;
                }
                self.field += 1;
                if self.field == 5 {
                    self.len = PREFIX.len();
                    self.home[..PREFIX.len()].copy_from_slice(PREFIX);
                }
            }
            (digit, 2) => {
                let value = digit.is_ascii_digit().then(|| u32::from(digit - b'0'));
                self.number = self.number.zip(value).and_then(|(n, d)| n.checked_mul(10)?.checked_add(d));
            }
            (byte, 5) => match self.home.get_mut(self.len) {
                Some(place) => {
                    *place = byte;
                    self.len += 1;
                }
                // Longer than a path can be: as good as none.
                None => self.fits = false,
            },
            _ => {}
        }
        false
    }

    /// Ends the home with a NUL, if this line is the user's and has come to its home.
    fn finish(&mut self) -> bool {
        let whole = self.fits && self.field >= 5 && self.len < self.home.len();
        if whole {
            self.home[self.len] = 0;
        }
        self.fits = self.fits && whole;
        whole
    }
}

/// Whatever the passwd file: a home that ends, or none. False for anything else.
#[cfg(fuzzing)]
pub fn fuzz(passwd: &[u8], uid: u32) -> bool {
    let mut home = [0; 64];
    let mut search = Search { uid, home: &mut home, len: 0, field: 0, number: Some(0), fits: false };
    let found = passwd.iter().any(|byte| search.take(*byte)) || search.finish();
    let len = search.len;
    !found || (home.starts_with(PREFIX) && home[len] == 0)
}
