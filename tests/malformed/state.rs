// SPDX-License-Identifier: Apache-2.0
//! The state of a container that runs, with another value at each place, cut off or garbled: every command ends, by no
//! panic, in one line if it refuses, and does nothing to other processes; with the state as it was the container is
//! whole, or goes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Container, Output, finish, only_tare};
use crate::mutate::{places, replacements, with};

const COMMANDS: [&[&str]; 12] = [
    &["state"],
    &["list"],
    &["ps"],
    &["events", "--stats"],
    &["exec"],
    &["kill"],
    &["pause"],
    &["resume"],
    &["update", "--pids-limit", "50"],
    &["start"],
    &["delete"],
    &["delete", "--force"],
];

struct Victim {
    c: Container,
    file: PathBuf,
    own: Vec<u8>,
    config: Vec<u8>,
}

impl Victim {
    fn new() -> Self {
        let c = Container::new().args(&["sleep", "1000"]);
        let file = c.state_root().join(&c.id).join("state.json");
        let mut this = Self { c, file, own: Vec::new(), config: Vec::new() };
        this.up();
        this
    }

    fn up(&mut self) {
        self.c.run(&["--detach"]).ok();
        self.own = fs::read(&self.file).unwrap();
        self.config = fs::read(self.file.with_file_name("config.json")).unwrap();
    }

    fn command(&self, words: &[&str]) -> Output {
        let c = &self.c;
        finish(match words {
            ["list"] => c.runtime(["list"]),
            ["exec"] => {
                let mut exec = c.on("exec", &[]);
                exec.arg("true");
                exec
            }
            // To which sleep does nothing.
            ["kill"] => c.runtime(["kill", &c.id, "WINCH"]),
            [verb, flags @ ..] => c.on(verb, flags),
            [] => unreachable!(),
        })
    }

    fn suffers(&mut self, what: &str, state: &[u8]) {
        for words in COMMANDS {
            fs::write(&self.file, state).unwrap();
            let out = self.command(words);
            let (err, what) = (out.stderr(), format!("{words:?} where {what}"));
            assert!(
                out.code >= 0 && out.code != 101 && !err.contains("panicked"),
                "{what}: {}: {err}",
                out.code
            );
            assert!(out.code == 0 || !err.trim().is_empty(), "{what}: {} without a word", out.code);
            let lines = err.trim_end().lines().filter(|line| !line.starts_with("hint: ")).count();
            assert!(lines <= 1 || out.code == 0, "{what}: {err}");
            self.mend();
        }
    }

    /// Its state is what it was: it runs again, or goes and another is made.
    fn mend(&mut self) {
        let dir = self.file.parent().unwrap();
        if !dir.exists() {
            fs::create_dir(dir).unwrap();
            fs::set_permissions(dir, PermissionsExt::from_mode(0o711)).unwrap();
        }
        for (name, data) in [("config.json", &self.config), ("state.json", &self.own)] {
            let file = dir.join(name);
            let _ = fs::remove_file(&file);
            fs::write(&file, data).unwrap();
            fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        }
        match self.c.status().as_str() {
            "running" => {}
            "paused" => drop(finish(self.c.on("resume", &[])).ok()),
            _ => {
                self.c.delete(&["--force"]).ok();
                let left = self.c.left();
                assert!(left.is_empty(), "{left:?}");
                self.up();
            }
        }
    }
}

#[test]
fn another_value_at_each_place() {
    only_tare!("the state is ours");
    let mut victim = Victim::new();
    let (own, kinds) = (victim.own.clone(), replacements());
    let document: Value = serde_json::from_slice(&own).unwrap();
    // Each place with some of the kinds, so that all come to their turn.
    let each = std::env::var("MUTATIONS").map_or(1, |n| n.parse::<usize>().unwrap().min(kinds.len()));
    for (n, place) in places(&document).iter().enumerate() {
        for (kind, text) in kinds.iter().cycle().skip(n * 7 % kinds.len()).take(each) {
            // Of the container that lives now.
            let document: Value = serde_json::from_slice(&victim.own).unwrap();
            if document.pointer(place).is_some() {
                victim.suffers(&format!("{place} is {kind}"), &with(&document, place, text));
            }
        }
    }
}

#[test]
fn cut_off_and_garbled() {
    only_tare!("as above");
    let mut victim = Victim::new();
    for part in [0, 1, 2, 7] {
        let end = victim.own.len() * part / 8;
        let cut = victim.own[..end].to_vec();
        victim.suffers(&format!("{end} bytes are left"), &cut);
        let mut bytes = victim.own.clone();
        bytes[end] ^= 0xff;
        victim.suffers(&format!("byte {end} is another"), &bytes);
    }
    for text in ["null", "[]", "7", "\"state\"", "{}", "\u{feff}{}"] {
        victim.suffers(text, text.as_bytes());
    }
}
