// SPDX-License-Identifier: Apache-2.0
//! An archive as each reader lists it, in one form.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lade::tar::{Entry, Kind, Reader};

/// `type mode uid/gid size-or-device name` and the target; for links and the like, no size. Spaces in front of a name
/// are not told from those of a table.
fn line(kind: char, mode: u32, owner: &str, size: &str, name: &[u8], link: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    let name = if kind == 'd' && name.len() > 1 { name.strip_suffix('/').unwrap_or(&name) } else { &name };
    let name = name.trim_start_matches(' ');
    let size = if matches!(kind, '-' | 'c' | 'b') { size } else { "" };
    format!("{kind} {mode:o} {owner} {size} {:?} {:?}", name, String::from_utf8_lossy(link))
}

pub(super) fn ours(bytes: &[u8]) -> Option<Vec<String>> {
    let mut reader = Reader::new(bytes);
    let mut lines = Vec::new();
    loop {
        let Some(entry) = reader.next_entry().ok()? else { return Some(lines) };
        while !reader.data().ok()?.is_empty() {}
        // The unpacker refuses it.
        let links = matches!(entry.kind, Kind::HardLink | Kind::Symlink);
        if entry.path.is_empty() || links && entry.link.is_empty() {
            return None;
        }
        let Entry { path, link, mode, uid, gid, size, major, minor, .. } = &entry;
        let (kind, link): (_, &[u8]) = match entry.kind {
            Kind::File => ('-', b""),
            Kind::HardLink => ('h', link),
            Kind::Symlink => ('l', link),
            Kind::Char => ('c', b""),
            Kind::Block => ('b', b""),
            Kind::Dir => ('d', b""),
            Kind::Fifo => ('p', b""),
        };
        let device = matches!(kind, 'c' | 'b');
        let size = if device { format!("{major},{minor}") } else { size.to_string() };
        lines.push(line(kind, *mode, &format!("{uid}/{gid}"), &size, path, link));
    }
}

fn permissions(text: &str) -> u32 {
    let mut mode = 0;
    for (i, c) in text.chars().take(9).enumerate() {
        let bit = 0o400 >> i;
        let (set, special) = match c {
            '-' => (false, false),
            's' | 't' => (true, true),
            'S' | 'T' => (false, true),
            _ => (true, false),
        };
        mode |= if set { bit } else { 0 };
        mode |= if special { [0o4000, 0o2000, 0o1000][i / 3] } else { 0 };
    }
    mode
}

/// Undoes the escapes of C.
fn unescaped(text: &str) -> Vec<u8> {
    let (mut out, mut bytes) = (Vec::new(), text.bytes().peekable());
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let mut code = 0u32;
        let mut digits = 0;
        while let Some(digit) = bytes.next_if(|b| digits < 3 && (b'0'..=b'7').contains(b)) {
            code = code * 8 + u32::from(digit - b'0');
            digits += 1;
        }
        if digits > 0 {
            out.push(code as u8);
        } else if let Some(byte) = bytes.next() {
            out.push(match byte {
                b'n' => b'\n',
                b't' => b'\t',
                b'r' => b'\r',
                b'a' => 7,
                b'b' => 8,
                b'v' => 11,
                b'f' => 12,
                other => other,
            });
        }
    }
    out
}

/// The listing of `tar` or `bsdtar`; None if it refuses.
pub(super) fn listed(program: &str, file: &Path) -> Option<Vec<String>> {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
    command.args(["-t", "-v", "-P", "--numeric-owner", "-f"]).arg(file);
    let gnu = program == "tar";
    if gnu {
        command.args(["--quoting-style=escape", "--no-wildcards"]);
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return None;
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().map(|l| if gnu { of_gnu(l) } else { of_bsd(l) }).collect())
}

/// By the first letter of a line; to GNU tar a contiguous file (type 7, which is any file today) is a kind of its own.
fn kind_of(text: &str) -> char {
    match text.chars().next().unwrap() {
        'C' => '-',
        other => other,
    }
}

/// Splits off so many words, however many spaces are between them; a name may begin with spaces of its own.
fn words(line: &str, n: usize) -> (Vec<&str>, &str) {
    let (mut found, mut rest) = (Vec::new(), line);
    for _ in 0..n {
        rest = rest.trim_start_matches(' ');
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        found.push(word);
        rest = more;
    }
    (found, rest)
}

fn named(kind: char, rest: &str) -> (char, Vec<u8>, Vec<u8>) {
    let hard = rest.split_once(" link to ");
    let (kind, (name, link)) = match (kind, hard, rest.split_once(" -> ")) {
        ('l', _, Some(parts)) => ('l', parts),
        (_, Some(parts), _) => ('h', parts),
        (other, ..) => (other, (rest, "")),
    };
    (kind, unescaped(name), unescaped(link))
}

/// `-rw-r--r-- 7/8 3 2001-09-09 01:46 name`
fn of_gnu(text: &str) -> String {
    // A time that no calendar has is a number, without a time of the day.
    let dated = words(text, 4).0[3].matches('-').count() == 2;
    let (words, rest) = words(text, if dated { 5 } else { 4 });
    let (kind, name, link) = named(kind_of(text), rest);
    line(kind, permissions(&words[0][1..]), words[1], words[2], &name, &link)
}

/// `-rw-r--r--  0 7      8           3 Sep  9  2001 name`
fn of_bsd(text: &str) -> String {
    let (words, rest) = words(text, 8);
    let (kind, name, link) = named(kind_of(text), rest);
    line(kind, permissions(&words[0][1..]), &format!("{}/{}", words[2], words[3]), words[4], &name, &link)
}

const PYTHON: &str = r#"
import json, os, sys, tarfile
kinds = {b"0": "-", b"\0": "-", b"7": "-", b"S": "-", b"1": "h", b"2": "l", b"3": "c", b"4": "b", b"5": "d", b"6": "p"}
text = lambda name: list(name.encode("utf-8", "surrogateescape"))
for file in sorted(os.listdir(sys.argv[1])):
    try:
        with tarfile.open(os.path.join(sys.argv[1], file), "r:") as tar:
            entries = [[kinds.get(m.type, "?"), m.mode & 0o7777, f"{m.uid}/{m.gid}",
                f"{m.devmajor},{m.devminor}" if m.type in b"34" else str(m.size), text(m.name), text(m.linkname)] for m in tar]
    except Exception as e:
        entries = None
    print(json.dumps([file, entries]))
"#;

pub(super) fn of_python(dir: &Path) -> BTreeMap<String, Option<Vec<String>>> {
    let output = Command::new("python3").args(["-c", PYTHON]).arg(dir).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    type Row = (char, u32, String, String, Vec<u8>, Vec<u8>);
    let parse = |text: &str| {
        let (file, rows): (String, Option<Vec<Row>>) = serde_json::from_str(text).unwrap();
        let row = |(kind, mode, owner, size, name, link): Row| {
            let link = if matches!(kind, 'h' | 'l') { link } else { Vec::new() };
            line(kind, mode, &owner, &size, &name, &link)
        };
        (file, rows.map(|rows| rows.into_iter().map(row).collect()))
    };
    String::from_utf8(output.stdout).unwrap().lines().map(parse).collect()
}
