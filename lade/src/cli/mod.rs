// SPDX-License-Identifier: Apache-2.0
//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod bundle;
mod history;
mod import;
mod inspect;
mod load;
mod login;
mod ls;
mod options;
mod output;
mod prune;
mod pull;
mod push;
mod rm;
mod save;
mod tag;
mod verify;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::Result;
use crate::store::Store;

#[derive(Parser)]
#[command(name = "lade", version, about, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    /// The store [default: /var/lib/lade, or lade in the user's data directory]
    #[arg(long, global = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring an image into the store, from a registry or oci:, oci-archive:, docker-archive:
    Pull(Box<pull::Pull>),
    /// Send an image to a registry
    Push(push::Push),
    /// Make a bundle (config.json and rootfs) of an image
    Bundle(Box<bundle::Bundle>),
    /// List images
    #[command(visible_alias = "images")]
    Ls(ls::Ls),
    /// Remove images
    #[command(visible_alias = "rmi")]
    Rm(rm::Rm),
    /// Remove what nothing names any more
    Prune(prune::Prune),
    /// Show all that is known of images, as JSON
    Inspect(inspect::Inspect),
    /// Show how an image was made
    History(history::History),
    /// Give an image another name
    Tag(tag::Tag),
    /// Write images to an archive or a directory
    Save(save::Save),
    /// Read images from an archive
    Load(load::Load),
    /// Make an image of a root filesystem (a directory or a tar)
    Import(import::Import),
    /// Check that images are still what was pulled
    Verify(Box<verify::Verify>),
    /// Keep credentials for a registry
    Login(login::Login),
    /// Forget them
    Logout(login::Logout),
}

/// `image prune` is `prune`: in Docker's longer form each of these commands is one of `image`.
fn arguments() -> Vec<OsString> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let at = if words.get(1).is_some_and(|w| w == "--root") { 3 } else { 1 };
    if words.len() > at + 1 && words[at] == "image" {
        words.remove(at);
    }
    words
}

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse_from(arguments()) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version come as errors too, and go to standard output.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            output::error(&e);
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    // These two have nothing to do with the store.
    match &cli.command {
        Command::Login(c) => return c.run(),
        Command::Logout(c) => return c.run(),
        _ => {}
    }
    let root = match cli.root.or_else(|| std::env::var_os("LADE_ROOT").map(PathBuf::from)) {
        Some(root) => root,
        None => Store::default_root()?,
    };
    let store = Store::open(&root)?;
    match cli.command {
        Command::Pull(c) => c.run(&store),
        Command::Push(c) => c.run(&store),
        Command::Bundle(c) => c.run(&store),
        Command::Ls(c) => c.run(&store),
        Command::Rm(c) => c.run(&store),
        Command::Prune(c) => c.run(&store),
        Command::Inspect(c) => c.run(&store),
        Command::History(c) => c.run(&store),
        Command::Tag(c) => c.run(&store),
        Command::Verify(c) => c.run(&store),
        Command::Save(c) => c.run(&store),
        Command::Load(c) => c.run(&store),
        Command::Import(c) => c.run(&store),
        Command::Login(_) | Command::Logout(_) => Ok(()),
    }
}
