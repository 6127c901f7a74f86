// SPDX-License-Identifier: Apache-2.0
//! `maskedPaths`, `readonlyPaths`, and the working directory where the image lacks it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{Process, Spec};

use super::{Draft, invalid, labels};
use crate::error::Result;
use crate::spec::{c_string, list};
use crate::step::{InRoot, Step};

/// Before the root is switched: the sources of the masks are the host's own.
pub(super) fn mask_and_protect(draft: &mut Draft, spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    each(linux.readonly_paths(), "/linux/readonlyPaths", |place, path| {
        draft.add(place, Step::MakeReadonly(path))
    })?;
    let label = labels::of_mounts(spec)?;
    each(linux.masked_paths(), "/linux/maskedPaths", |place, path| {
        draft.add(place, Step::Mask { path, label: label.clone() })
    })
}

fn each(paths: &Option<Vec<String>>, name: &str, mut add: impl FnMut(String, InRoot)) -> Result<()> {
    let mut seen = BTreeSet::new();
    for (i, path) in list(paths).iter().enumerate() {
        let place = format!("{name}/{i}");
        if !Path::new(path).is_absolute() {
            return Err(invalid(place, format!("the path {path:?} must be absolute")));
        }
        if seen.insert(path) {
            let path = in_root(Path::new(path), || place.clone())?;
            add(place, path);
        }
    }
    Ok(())
}

/// In the root, by descriptor; runc makes it by path once the root is switched (CVE-2026-55686).
pub(super) fn make_working_directory(draft: &mut Draft, process: &Process) -> Result<()> {
    let path = in_root(process.cwd(), || "/process/cwd".into())?;
    if path.0.as_bytes() != b"." {
        draft.add("/process/cwd", Step::MakeDirectory(path));
    }
    Ok(())
}

/// Without the leading slash and `.`, with `..` resolved by words: as filepath.Clean("/" + path).
pub(super) fn in_root(path: &Path, place: impl FnOnce() -> String) -> Result<InRoot> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    if clean.as_os_str().is_empty() {
        clean.push(".");
    }
    c_string(clean, place).map(InRoot)
}
