// SPDX-License-Identifier: Apache-2.0
//! Man pages and completions can be made and tell of all that the parser knows. No root, no container.

#[path = "../../examples/manual.rs"]
mod generator;

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};

fn files() -> BTreeMap<String, String> {
    let files = generator::files().unwrap().into_iter();
    files.map(|(path, data)| (path.to_str().unwrap().to_owned(), String::from_utf8(data).unwrap())).collect()
}

/// Commands with their visible flags, the global ones under "tare".
fn commands() -> Vec<(String, Vec<String>)> {
    let whole = tare::cli::definition();
    let visible = |command: &clap::Command| {
        let flags = command.get_arguments().filter(|arg| !arg.is_hide_set());
        let flags = flags.filter_map(|arg| arg.get_long().map(str::to_owned)).collect();
        (command.get_name().to_owned(), flags)
    };
    [&whole].into_iter().chain(whole.get_subcommands()).map(visible).collect()
}

#[test]
fn every_command_has_a_page_with_every_flag() {
    let (files, commands) = (files(), commands());
    assert_eq!(commands.len(), 19);
    for (command, flags) in &commands {
        let name = if command == "tare" { "tare".into() } else { format!("tare-{command}") };
        let page = &files[&format!("share/man/man8/{name}.8")];
        assert!(page.contains(&format!(".TH {name} 8")) && page.contains(".SH SYNOPSIS\n"), "{page}");
        for flag in flags {
            let flag = format!("\\-\\-{}", flag.replace('-', "\\-"));
            assert!(page.contains(&flag), "{name}: {flag}");
        }
        assert!(!page.contains("kernel\\-memory"), "what is hidden is not told");
    }
    assert_eq!(files.len(), commands.len() + 3);
}

#[test]
fn every_flag_can_be_completed() {
    let files = files();
    for (shell, path) in [
        ("bash", "share/bash-completion/completions/tare"),
        ("zsh", "share/zsh/site-functions/_tare"),
        ("fish", "share/fish/vendor_completions.d/tare.fish"),
    ] {
        let script = &files[path];
        for (command, flags) in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
            for flag in flags {
                let flag = if shell == "fish" { format!("-l {flag}") } else { format!("--{flag}") };
                assert!(script.contains(&flag), "{shell}: {command} {flag}");
            }
        }
    }
}

/// What follows was asked of bash itself: the words that it would offer.
#[test]
fn bash_offers_them() {
    let offered = |words: &str| {
        let ask = format!(
            "COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _tare tare \"${{COMP_WORDS[COMP_CWORD]}}\" x; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = Command::new("bash")
            .args(["--norc", "-s"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let script = format!("{}\n{ask}\n", files()["share/bash-completion/completions/tare"]);
        bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        String::from_utf8(bash.wait_with_output().unwrap().stdout).unwrap()
    };
    assert_eq!(offered("tare upd").trim(), "update");
    assert_eq!(offered("tare update --cpu-q").trim(), "--cpu-quota");
    assert_eq!(offered("tare --ro").trim().split(' ').collect::<Vec<_>>(), ["--root", "--rootless"]);
}
