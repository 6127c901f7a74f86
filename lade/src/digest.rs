// SPDX-License-Identifier: Apache-2.0
//! Digests as the image spec writes them, and the hashers that prove them.
//! Only registered algorithms with their exact length and lower case pass: a digest becomes a file name (CVE-2024-3727).

use std::fmt;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::error::{Error, Result};

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    pub fn parse(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::corrupt(format!("invalid digest {text:?}: {why}"));
        let (algorithm, hex) = text.split_once(':').ok_or_else(|| bad("no algorithm"))?;
        let len = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Err(bad("the algorithm is neither sha256 nor sha512")),
        };
        if hex.len() != len || !hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(bad(&format!("{algorithm} needs {len} lower-case hexadecimal digits")));
        }
        Ok(Digest(text.to_owned()))
    }

    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::sha256();
        hasher.update(bytes);
        hasher.finish()
    }

    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(a, _)| a)
    }

    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, h)| h)
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn hasher(&self) -> Hasher {
        if self.algorithm() == "sha512" { Hasher::Sha512(Box::default()) } else { Hasher::sha256() }
    }

    pub fn check(&self, bytes: &[u8], what: &str) -> Result<()> {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        self.expect(&hasher.finish(), what)
    }

    pub fn expect(&self, got: &Digest, what: &str) -> Result<()> {
        if self == got {
            return Ok(());
        }
        Err(Error::corrupt(format!("{what} does not match its digest: expected {self}, got {got}")))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Digest::parse(&text)
    }
}

impl From<Digest> for String {
    fn from(d: Digest) -> String {
        d.0
    }
}

pub enum Hasher {
    Sha256(Box<sha2::Sha256>),
    Sha512(Box<sha2::Sha512>),
}

impl Hasher {
    pub fn sha256() -> Self {
        Hasher::Sha256(Box::default())
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Hasher::Sha256(h) => h.update(bytes),
            Hasher::Sha512(h) => h.update(bytes),
        }
    }

    pub fn finish(self) -> Digest {
        let (name, bytes) = match self {
            Hasher::Sha256(h) => ("sha256", h.finalize().to_vec()),
            Hasher::Sha512(h) => ("sha512", h.finalize().to_vec()),
        };
        let mut text = format!("{name}:");
        for byte in bytes {
            text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
            text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
        }
        Digest(text)
    }
}

/// Hashes and counts what passes through it, in either direction.
pub struct Hashed<T> {
    inner: T,
    hasher: Hasher,
    count: u64,
}

impl<T> Hashed<T> {
    pub fn new(inner: T, hasher: Hasher) -> Self {
        Hashed { inner, hasher, count: 0 }
    }

    pub fn finish(self) -> (T, Digest, u64) {
        (self.inner, self.hasher.finish(), self.count)
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.hasher.update(&buf[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_registered_algorithms_with_their_length_pass() {
        let hex = "a".repeat(64);
        assert!(Digest::parse(&format!("sha256:{hex}")).is_ok());
        assert!(Digest::parse(&format!("sha512:{hex}{hex}")).is_ok());
        for bad in [
            "sha256:../../../etc/passwd".to_owned(),
            format!("SHA256:{hex}"),
            format!("sha256:{}", "A".repeat(64)),
            format!("sha256:{}", &hex[1..]),
            format!("sha256:{hex}0"),
            format!("sha512:{hex}"),
            format!("md5:{}", "a".repeat(32)),
            format!("sha256+b64u:{hex}"),
            hex.clone(),
            String::new(),
        ] {
            assert!(Digest::parse(&bad).is_err(), "{bad} passed");
        }
    }

    #[test]
    fn known_answer() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(b"").as_str(), empty);
        assert!(Digest::parse(empty).unwrap().check(b"x", "blob").is_err());
    }
}
