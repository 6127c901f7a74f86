// SPDX-License-Identifier: Apache-2.0
//! D-Bus messages as bytes (D-Bus specification, "Message Protocol"), as much of it as systemd's manager
//! needs. Pure.

use crate::plan::cgroup::Property;
use crate::plan::cgroup::variant::Value;

/// The specification's own limit is 128 MiB; systemd sends us nothing near this.
const LONGEST: usize = 16 << 20;
const FIXED: usize = 16;
const ENDIAN: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };

const METHOD_CALL: u8 = 1;
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A method to be called.
pub(super) struct Method<'a> {
    pub(super) destination: &'a str,
    pub(super) path: &'a str,
    pub(super) interface: &'a str,
    pub(super) member: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Return,
    Error,
    Signal,
    Other,
}

/// What has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) reply_to: Option<u32>,
    pub(super) member: String,
    pub(super) error: String,
    signature: String,
    body: Vec<u8>,
}

/// The bytes of a call with these arguments.
pub(super) fn call(serial: u32, method: &Method<'_>, signature: &str, body: &[u8]) -> Vec<u8> {
    let mut out = Writer { bytes: vec![ENDIAN, METHOD_CALL, 0, 1] };
    out.u32(body.len() as u32);
    out.u32(serial);
    let fields = [
        (PATH, "o", method.path),
        (INTERFACE, "s", method.interface),
        (MEMBER, "s", method.member),
        (DESTINATION, "s", method.destination),
    ];
    out.array(8, |out| {
        for (code, kind, value) in fields {
            out.align(8);
            out.bytes.push(code);
            out.signature(kind);
            out.text(value);
        }
        if !signature.is_empty() {
            out.align(8);
            out.bytes.push(SIGNATURE);
            out.signature("g");
            out.signature(signature);
        }
    });
    out.align(8);
    out.bytes.extend_from_slice(body);
    out.bytes
}

/// The arguments of a call, in order.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.align(4);
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.align(8);
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.u32(value.into());
    }

    pub(super) fn text(&mut self, value: &str) {
        self.u32(value.len() as u32);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }

    fn signature(&mut self, value: &str) {
        self.bytes.push(value.len() as u8);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
    }

    /// The length counts from after the padding of the first element.
    pub(super) fn array(&mut self, align: usize, elements: impl FnOnce(&mut Writer)) {
        self.u32(0);
        let length = self.bytes.len() - 4;
        self.align(align);
        let start = self.bytes.len();
        elements(self);
        let size = (self.bytes.len() - start) as u32;
        self.bytes[length..length + 4].copy_from_slice(&size.to_ne_bytes());
    }

    /// `a(sv)`
    pub(super) fn properties<'p>(&mut self, properties: impl Iterator<Item = &'p Property>) {
        self.array(8, |out| {
            for property in properties {
                out.align(8);
                out.text(&property.name);
                out.variant(&property.value);
            }
        });
    }

    fn variant(&mut self, value: &Value) {
        let kind = match value {
            Value::Bool(_) => "b",
            Value::Int32(_) => "i",
            Value::Uint32(_) => "u",
            Value::Int64(_) => "x",
            Value::Uint64(_) => "t",
            Value::Double(_) => "d",
            Value::Text(_) => "s",
            Value::Texts(_) => "as",
            Value::Bytes(_) => "ay",
            Value::Numbers(_) => "au",
            Value::Pairs(_) => "a(ss)",
        };
        self.signature(kind);
        match value {
            Value::Bool(value) => self.bool(*value),
            Value::Int32(value) => self.u32(value.cast_unsigned()),
            Value::Uint32(value) => self.u32(*value),
            Value::Int64(value) => self.u64(value.cast_unsigned()),
            Value::Uint64(value) => self.u64(*value),
            Value::Double(value) => self.u64(value.to_bits()),
            Value::Text(value) => self.text(value),
            Value::Texts(all) => self.array(4, |out| all.iter().for_each(|value| out.text(value))),
            Value::Bytes(all) => self.array(1, |out| out.bytes.extend_from_slice(all)),
            Value::Numbers(all) => self.array(4, |out| all.iter().for_each(|value| out.u32(*value))),
            Value::Pairs(all) => self.array(8, |out| {
                for (first, second) in all {
                    out.align(8);
                    out.text(first);
                    out.text(second);
                }
            }),
        }
    }
}

/// How long the message is that begins here; None when too little of it is there to tell.
pub(super) fn length(bytes: &[u8]) -> Option<Result<usize, &'static str>> {
    let fixed = bytes.first_chunk::<FIXED>()?;
    if fixed[0] != ENDIAN || fixed[3] != 1 {
        return Some(Err("it is no D-Bus message of this machine"));
    }
    let word =
        |at: usize| u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]) as usize;
    let length = (FIXED + word(12)).next_multiple_of(8) + word(4);
    Some(if length > LONGEST { Err("it is too long") } else { Ok(length) })
}

/// A whole message, of the length told above.
pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
    let mut reader = Reader { bytes, at: FIXED };
    let fields_end = FIXED + Reader { bytes, at: 12 }.u32()? as usize;
    let kind = match *bytes.get(1)? {
        2 => Kind::Return,
        3 => Kind::Error,
        4 => Kind::Signal,
        _ => Kind::Other,
    };
    let mut message = Message {
        kind,
        reply_to: None,
        member: String::new(),
        error: String::new(),
        signature: String::new(),
        body: Vec::new(),
    };
    while reader.at < fields_end {
        reader.align(8);
        let code = reader.byte()?;
        let kind = reader.signature()?;
        match (code, kind) {
            (MEMBER, "s") => message.member = reader.text()?.to_owned(),
            (ERROR_NAME, "s") => message.error = reader.text()?.to_owned(),
            (REPLY_SERIAL, "u") => message.reply_to = Some(reader.u32()?),
            (SIGNATURE, "g") => message.signature = reader.signature()?.to_owned(),
            (_, "s" | "o") => drop(reader.text()?),
            (_, "g") => drop(reader.signature()?),
            (_, "u") => drop(reader.u32()?),
            _ => return None,
        }
    }
    message.body = bytes.get(fields_end.next_multiple_of(8)..)?.to_vec();
    Some(message)
}

impl Message {
    /// The texts of a body that begins with this signature of `s`, `o`, `u`, and `v` around a text.
    pub(super) fn texts(&self, signature: &str) -> Option<Vec<&str>> {
        if !self.signature.starts_with(signature) {
            return None;
        }
        let mut reader = Reader { bytes: &self.body, at: 0 };
        let mut out = Vec::new();
        for kind in signature.chars() {
            match kind {
                'u' => drop(reader.u32()?),
                'v' if !matches!(reader.signature()?, "s" | "o") => return None,
                _ => out.push(reader.text()?),
            }
        }
        Some(out)
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn u32(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)?.try_into().ok().map(u32::from_ne_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()? as usize;
        self.ended(length)
    }

    fn signature(&mut self) -> Option<&'a str> {
        let length = self.byte()? as usize;
        self.ended(length)
    }

    fn ended(&mut self, length: usize) -> Option<&'a str> {
        let text = self.take(length)?;
        (self.byte()? == 0).then_some(())?;
        std::str::from_utf8(text).ok()
    }
}

/// Whatever the bytes.
#[cfg(fuzzing)]
pub fn fuzz(bytes: &[u8]) {
    if let Some(Ok(length)) = length(bytes)
        && let Some(message) = bytes.get(..length).and_then(parse)
    {
        let signature = message.signature.clone();
        let _ = (message.texts(&signature), message.texts("v"), message.texts("uoss"));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const METHOD: Method<'_> = Method { destination: "d.d", path: "/p", interface: "i.i", member: "M" };

    /// By the specification's rules, byte for byte.
    #[test]
    #[cfg(target_endian = "little")]
    fn a_call_as_the_specification_has_it() {
        let mut body = Writer::default();
        body.text("ab");
        body.u32(7);
        let bytes = call(3, &METHOD, "su", &body.bytes);
        let expected: &[&[u8]] = &[
            b"l\x01\x00\x01\x0c\0\0\0\x03\0\0\0\x4f\0\0\0",
            b"\x01\x01o\0\x02\0\0\0/p\0\0\0\0\0\0",
            b"\x02\x01s\0\x03\0\0\0i.i\0\0\0\0\0",
            b"\x03\x01s\0\x01\0\0\0M\0\0\0\0\0\0\0",
            b"\x06\x01s\0\x03\0\0\0d.d\0\0\0\0\0",
            b"\x08\x01g\0\x02su\0",
            b"\x02\0\0\0ab\0\0\x07\0\0\0",
        ];
        let mut expected = expected.concat();
        // The length of the fields ends with the last of them: no padding is counted.
        expected[12] = (expected.len() - 16 - 12) as u8;
        assert_eq!(bytes, expected);
        assert_eq!(length(&bytes), Some(Ok(bytes.len())));
    }

    fn message(signature: &str, body: &Writer) -> Vec<u8> {
        let mut bytes = call(9, &METHOD, signature, &body.bytes);
        bytes[1] = 4;
        bytes
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut body = Writer::default();
        body.u32(5);
        body.text("/job/5");
        body.text("a.scope");
        body.text("done");
        let read = parse(&message("uoss", &body)).unwrap();
        assert_eq!((read.kind, read.member.as_str(), read.reply_to), (Kind::Signal, "M", None));
        assert_eq!(read.texts("uoss"), Some(vec!["/job/5", "a.scope", "done"]));
        assert_eq!(read.texts("us"), None);
        let mut body = Writer::default();
        body.variant(&Value::Text("/x".into()));
        assert_eq!(parse(&message("v", &body)).unwrap().texts("v"), Some(vec!["/x"]));
        let mut body = Writer::default();
        body.variant(&Value::Uint64(1));
        assert_eq!(parse(&message("v", &body)).unwrap().texts("v"), None);
    }

    /// A message cut short or bent anywhere is refused or read, without a panic.
    #[test]
    fn nothing_that_comes_makes_it_panic() {
        let mut body = Writer::default();
        body.text("a");
        body.array(8, |out| out.u64(1));
        let good = message("sat", &body);
        for at in 0..good.len() {
            let _ = parse(&good[..at]).map(|m| m.texts("sou").is_some());
            for value in [0, 1, 7, 0x7f, 0xff] {
                let mut bent = good.clone();
                bent[at] = value;
                let _ = length(&bent);
                let _ = parse(&bent).map(|m| (m.texts("s").is_some(), m.texts("v").is_some()));
            }
        }
    }

    #[test]
    fn arrays_are_aligned_and_counted_from_their_first_element() {
        let mut out = Writer::default();
        out.variant(&Value::Pairs(vec![("a".into(), "b".into())]));
        // The signature's 7 bytes, a byte of padding, the length, padding to 8, the pair.
        assert_eq!(out.bytes.len(), 16 + 14);
        assert_eq!(out.bytes[8..12], 14u32.to_ne_bytes());
        let mut empty = Writer::default();
        empty.array(8, |_| {});
        assert_eq!(empty.bytes, [0; 8]);
    }
}
