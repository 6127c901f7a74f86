// SPDX-License-Identifier: Apache-2.0
//! Man pages and shell completions, from the definitions that tare parses with: `hack/man` runs it. An example and
//! not a part of tare, so that neither it nor its crates are in the binary.

use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// A file below the prefix of an installation, and what is in it.
pub(crate) type File = (PathBuf, Vec<u8>);

const SHELLS: [(Shell, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions/tare"),
    (Shell::Zsh, "share/zsh/site-functions/_tare"),
    (Shell::Fish, "share/fish/vendor_completions.d/tare.fish"),
];

pub(crate) fn files() -> std::io::Result<Vec<File>> {
    let whole = tare::cli::definition();
    let others = |name: &str| match name {
        "tare" => whole.get_subcommands().map(|command| page_name(command.get_name())).collect(),
        _ => vec!["tare".to_owned()],
    };
    let mut files = Vec::new();
    for command in [&whole].into_iter().chain(whole.get_subcommands()) {
        let name = page_name(command.get_name());
        let page = page(command, &name, &others(command.get_name()))?;
        files.push((Path::new("share/man/man8").join(format!("{name}.8")), page));
    }
    for (shell, path) in SHELLS {
        let mut script = Vec::new();
        generate(shell, &mut whole.clone(), "tare", &mut script);
        files.push((path.into(), script));
    }
    Ok(files)
}

fn page_name(command: &str) -> String {
    if command == "tare" { command.to_owned() } else { format!("tare-{command}") }
}

/// clap_mangen alone would make a synopsis of all flags and none of the arguments.
fn page(command: &Command, name: &str, others: &[String]) -> std::io::Result<Vec<u8>> {
    let source = concat!("tare ", env!("CARGO_PKG_VERSION"));
    let man =
        Man::new(command.clone()).title(name).section("8").source(source).manual("System administration");
    let usage = command.clone().render_usage().to_string();
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    let mut synopsis = Roff::new();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    synopsis.control("SH", ["NAME"]).text([roman(format!("{name} - {about}"))]);
    synopsis.control("SH", ["SYNOPSIS"]);
    for line in usage.trim_start_matches("Usage: ").lines() {
        synopsis.text([roman(line.trim())]).control("br", []);
    }
    synopsis.to_writer(&mut page)?;
    text(&mut page, "DESCRIPTION", command)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut see = Roff::new();
    see.control("SH", ["SEE ALSO"]);
    see.text([roman(others.iter().map(|other| format!("{other}(8)")).collect::<Vec<_>>().join(", "))]);
    see.to_writer(&mut page)?;
    Ok(page)
}

fn text(page: &mut Vec<u8>, section: &str, command: &Command) -> std::io::Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", [section]);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let more = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for paragraph in [format!("{about}.")].iter().map(String::as_str).chain(more.split("\n\n")) {
        roff.control("PP", []).text([roman(paragraph.replace('\n', " "))]);
    }
    roff.to_writer(page)
}

#[allow(dead_code, reason = "tests/manual has the rest of this file as a module")]
fn main() -> std::io::Result<()> {
    let prefix = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| "target/manual".into()));
    for (path, data) in files()? {
        let path = prefix.join(path);
        write(&path, &data)?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "no rootfs, no container: files for a package")]
fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    std::fs::write(path, data)
}
