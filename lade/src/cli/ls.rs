// SPDX-License-Identifier: Apache-2.0
//! `lade ls`

use clap::Args;
use serde_json::json;

use super::output;
use crate::bail;
use crate::error::Result;
use crate::progress::human;
use crate::reference::Reference;
use crate::store::{Image, Store};

#[derive(Args)]
pub(super) struct Ls {
    /// Show only images whose name matches this pattern
    #[arg(value_name = "PATTERN")]
    pattern: Option<String>,
    /// reference=PATTERN or dangling=true|false
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// For programs
    #[arg(long)]
    json: bool,
    /// Only ids
    #[arg(long, short)]
    quiet: bool,
    /// Whole ids
    #[arg(long)]
    no_trunc: bool,
}

/// An image's name, in the parts a table shows.
pub(super) fn parts(image: &Image) -> (String, String) {
    let none = || "<none>".to_owned();
    match image.name().map(Reference::parse) {
        Some(Ok(r)) => (r.familiar_name(), r.tag().map_or_else(none, str::to_owned)),
        _ => (none(), none()),
    }
}

impl Ls {
    pub(super) fn run(&self, store: &Store) -> Result<()> {
        let mut images = store.images()?;
        let reference = self.pattern.as_ref().map(|p| format!("reference={p}"));
        for filter in self.filter.iter().chain(&reference) {
            match filter.split_once('=') {
                Some(("reference", pattern)) => images.retain(|i| matches(i, pattern)),
                Some(("dangling", "true")) => images.retain(|i| i.name().is_none()),
                Some(("dangling", "false")) => images.retain(|i| i.name().is_some()),
                _ => bail!("unknown filter {filter:?}: it is reference=PATTERN or dangling=true|false"),
            }
        }
        images.reverse();
        if self.json {
            return output::json(&images.iter().map(|i| self.object(i)).collect::<Vec<_>>());
        }
        let id = |image: &Image| {
            if self.no_trunc { image.id().to_string() } else { image.id().short().to_owned() }
        };
        if self.quiet {
            return images.iter().try_for_each(|i| output::line(&id(i)));
        }
        let mut rows = vec![["NAME", "TAG", "ID", "CREATED", "SIZE"].map(str::to_owned).to_vec()];
        for image in &images {
            let (name, tag) = parts(image);
            let created = output::ago(image.config.created.as_deref());
            rows.push(vec![name, tag, id(image), created, human(image.stored_size())]);
        }
        output::table(&rows)
    }

    fn object(&self, image: &Image) -> serde_json::Value {
        let (name, tag) = parts(image);
        json!({
            "Name": image.name(), "Repository": name, "Tag": tag, "Id": image.id(),
            "Digest": image.repo_digest(), "Created": image.config.created, "Size": image.stored_size(),
            "Platform": image.config.platform.to_string(),
        })
    }
}

/// Docker's patterns: with a tag against name and tag, without against the name.
fn matches(image: &Image, pattern: &str) -> bool {
    let Some(Ok(reference)) = image.name().map(Reference::parse) else { return false };
    let tag = reference.tag().unwrap_or_default();
    [reference.familiar_name(), reference.repository()]
        .iter()
        .any(|name| glob(pattern, name) || glob(pattern, &format!("{name}:{tag}")))
}

/// `*` is anything but a slash, `?` one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    match (p.first(), t.first()) {
        (None, None) => true,
        (Some(b'*'), _) => {
            let run = t.iter().take_while(|b| **b != b'/').count();
            (0..=run).any(|n| glob(&pattern[1..], text.get(n..).unwrap_or_default()))
        }
        (Some(b'?'), Some(_)) => glob(&pattern[1..], &text[1..]),
        (Some(a), Some(b)) if a == b && a.is_ascii() => glob(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs() {
        for (pattern, text, want) in [
            ("alp*", "alpine", true),
            ("alpine", "alpine", true),
            ("*:3", "alpine:3", true),
            ("*", "quay.io/a", false),
            ("*/*", "quay.io/a", true),
            ("a?c", "abc", true),
            ("a", "b", false),
        ] {
            assert_eq!(glob(pattern, text), want, "{pattern} {text}");
        }
    }
}
