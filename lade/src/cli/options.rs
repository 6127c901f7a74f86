// SPDX-License-Identifier: Apache-2.0
//! Flags that several commands share.

use std::path::PathBuf;

use clap::Args;

use crate::bail;
use crate::error::{Context, Result};
use crate::image::Platform;
use crate::progress::{Mode, Progress};
use crate::pull;
use crate::source::registry::Settings;
use crate::unpack::Limits;

/// How an image is brought into the store.
#[derive(Args)]
pub(super) struct Ingest {
    /// os/arch[/variant] to take from a multi-platform image [default: this machine's]
    #[arg(long, value_name = "PLATFORM")]
    platform: Option<String>,
    /// Layers to work on at a time
    #[arg(long, short, value_name = "N", default_value_t = 4)]
    jobs: usize,
    /// Only say what would be fetched
    #[arg(long)]
    pub dry_run: bool,
    /// Refuse to download more than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_size: Option<u64>,
    /// Refuse a layer that unpacks to more than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_layer_size: Option<u64>,
    /// Refuse a file that is longer than this, holes included
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_file_size: Option<u64>,
    /// Refuse a layer of more entries than this
    #[arg(long, value_name = "N")]
    max_entries: Option<u64>,
    /// Refuse a layer whose directories are deeper than this, at most 1000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
    max_depth: Option<u64>,
    /// Refuse a layer with an extended header (a long name, attributes) larger than this
    #[arg(long, value_name = "SIZE", value_parser = size)]
    max_header_size: Option<u64>,
    /// Refuse a layer that unpacks to more than N times its size
    #[arg(long, value_name = "N")]
    max_ratio: Option<u64>,
    /// Do not compare what is needed with what is free
    #[arg(long)]
    no_space_check: bool,
    #[command(flatten)]
    shown: Shown,
}

/// How registries are spoken to.
#[derive(Args)]
#[command(next_help_heading = "Registry options")]
pub(super) struct Registries {
    /// Speak to this host (with its port) without TLS
    #[arg(long, value_name = "HOST")]
    plain_http: Vec<String>,
    /// Trust the authorities in this file too
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// USER:PASSWORD (others can see it; lade login keeps it out of sight)
    #[arg(long, value_name = "CREDENTIALS")]
    creds: Option<String>,
    /// Where credentials are [default: as for Docker and podman]
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Use no credentials
    #[arg(long, conflicts_with = "creds")]
    anonymous: bool,
    /// Give credentials to this token server though it is of another domain than the registry
    #[arg(long, value_name = "HOST")]
    trust_realm: Vec<String>,
    /// Give up on a server that for so long sends less than a kilobyte a second
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    stall: u64,
}

impl Registries {
    pub(super) fn settings(&self) -> Result<Settings> {
        let credentials = match self.creds.as_deref().map(|c| c.split_once(':')) {
            None => None,
            Some(Some((user, password))) => Some((user.to_owned(), password.to_owned())),
            Some(None) => bail!("--creds takes USER:PASSWORD"),
        };
        Ok(Settings {
            plain_http: self.plain_http.clone(),
            ca: self.ca.clone(),
            credentials,
            authfile: self.authfile.clone(),
            anonymous: self.anonymous,
            trusted_realms: self.trust_realm.clone(),
            stall: std::time::Duration::from_secs(self.stall),
        })
    }
}

#[derive(Args)]
pub(super) struct Shown {
    /// How to show progress
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: Mode,
    /// Print nothing but results
    #[arg(long, short)]
    pub quiet: bool,
}

impl Shown {
    pub(super) fn progress(&self) -> Progress {
        Progress::new(if self.quiet { Mode::None } else { self.progress })
    }
}

impl Ingest {
    pub(super) fn progress(&self) -> Progress {
        self.shown.progress()
    }

    pub(super) fn options(&self) -> Result<pull::Options> {
        let usual = Limits::default();
        let limits = Limits {
            layer_bytes: self.max_layer_size.unwrap_or(usual.layer_bytes),
            file_bytes: self.max_file_size.unwrap_or(usual.file_bytes),
            entries: self.max_entries.unwrap_or(usual.entries),
            depth: self.max_depth.map_or(usual.depth, |n| n as usize),
            header_bytes: self.max_header_size.unwrap_or(usual.header_bytes),
            ratio: self.max_ratio.unwrap_or(usual.ratio),
        };
        Ok(pull::Options {
            platform: self.platform.as_deref().map_or_else(|| Ok(Platform::host()), Platform::parse)?,
            limits,
            jobs: self.jobs.clamp(1, 32),
            check_space: !self.no_space_check,
            dry_run: self.dry_run,
            max_download: self.max_size,
        })
    }
}

/// `10`, `10k`, `10M`, `10GiB`: powers of 1024, as Docker's flags.
pub(super) fn size(text: &str) -> Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit = unit.to_ascii_lowercase();
    let shift = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => bail!("invalid size {text:?}"),
    };
    let number: u64 =
        number.parse().map_err(std::io::Error::other).context(|| format!("invalid size {text:?}"))?;
    match number.checked_shl(shift).filter(|n| n >> shift == number) {
        Some(bytes) => Ok(bytes),
        None => bail!("invalid size {text:?}: it is too large"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, want) in
            [("5", Some(5)), ("1k", Some(1024)), ("2MiB", Some(2 << 20)), ("3g", Some(3 << 30))]
        {
            assert_eq!(size(text).ok(), want);
        }
        for bad in ["", "x", "1x", "-1", "99999999999t"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }
}
