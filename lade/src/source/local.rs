// SPDX-License-Identifier: Apache-2.0
//! Sources on this machine, by the names containers tools give them: `oci:DIR[:TAG]`, `oci-archive:FILE[:NAME]`,
//! `docker-archive:FILE[:NAME]`.

use std::io::Read;
use std::path::Path;

use super::archive::Archive;
use super::docker_archive::DockerArchive;
use super::layout::Layout;
use super::{Offer, Source};
use crate::bail;
use crate::error::Result;
use crate::reference::Reference;

pub struct Local {
    pub source: Box<dyn Source>,
    pub offers: Vec<Offer>,
}

/// `path[:name]`; a colon in the path is taken for part of it as long as such a path exists.
fn split(rest: &str) -> (&str, Option<&str>) {
    if Path::new(rest).exists() {
        return (rest, None);
    }
    match rest.split_once(':') {
        Some((path, name)) if !name.is_empty() => (path, Some(name)),
        Some((path, _)) => (path, None),
        None => (rest, None),
    }
}

/// None: this is no local source but a reference. A compressed archive is spooled in `spool`.
pub fn open(text: &str, spool: &Path) -> Result<Option<Local>> {
    let Some((transport, rest)) = text.split_once(':') else { return Ok(None) };
    Ok(Some(match transport {
        "oci" => {
            let (path, tag) = split(rest);
            one(Layout::open_dir(Path::new(path))?, tag)?
        }
        "oci-archive" => {
            let (path, tag) = split(rest);
            let archive = Archive::open(Path::new(path), spool)?;
            one(Layout::in_archive(archive, Path::new(path))?, tag)?
        }
        "docker-archive" => {
            let (path, name) = split(rest);
            docker(DockerArchive::open(Archive::open(Path::new(path), spool)?)?, name)?
        }
        _ => return Ok(None),
    }))
}

fn one(layout: Layout, tag: Option<&str>) -> Result<Local> {
    let offers = vec![layout.offer_named(tag)?];
    Ok(Local { source: Box::new(layout), offers })
}

fn docker(mut archive: DockerArchive, name: Option<&str>) -> Result<Local> {
    let same = |tag: &str| match (name, Reference::parse(tag)) {
        (None, _) => true,
        (Some(name), Ok(tag)) => Reference::parse(name).is_ok_and(|n| n == tag),
        (Some(name), Err(_)) => name == tag,
    };
    let offers = archive.offers(same)?;
    Ok(Local { source: Box::new(archive), offers })
}

/// Everything in an archive of either kind (`lade load`).
pub fn open_any(archive: Archive, shown: &Path) -> Result<Local> {
    if archive.has("manifest.json") {
        return docker(DockerArchive::open(archive)?, None);
    }
    if archive.has("index.json") {
        let layout = Layout::in_archive(archive, shown)?;
        let offers = layout.offers()?;
        return Ok(Local { source: Box::new(layout), offers });
    }
    bail!("{} is neither an OCI archive nor what docker save writes", shown.display())
}

pub fn spool(from: impl Read, spool: &Path) -> Result<Archive> {
    Archive::spool(from, spool)
}

/// The name an image gets in the store. A name that is no full reference belongs to this machine, not to Docker Hub.
pub fn name_of(offered: Option<&str>, file: &Path) -> Result<Option<String>> {
    let Some(offered) = offered else { return Ok(None) };
    if offered.contains('/') {
        return Ok(Some(Reference::parse(offered)?.to_string()));
    }
    if let Ok(reference) = Reference::parse(&format!("localhost/{offered}")) {
        return Ok(Some(reference.to_string()));
    }
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    Ok(Reference::parse(&format!("localhost/{stem}:{offered}")).ok().map(|r| r.to_string()))
}
