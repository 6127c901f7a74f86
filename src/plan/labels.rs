// SPDX-License-Identifier: Apache-2.0
//! AppArmor and SELinux: the labels of the process and of what is mounted.

use std::ffi::CString;

use oci_spec::runtime::{Process, Spec};

use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::c_string;
use crate::step::{FsMount, Step};

fn given(label: &Option<String>) -> Option<&str> {
    label.as_deref().filter(|label| !label.is_empty())
}

pub(super) fn are_asked_for(spec: &Spec) -> bool {
    let process = spec.process().as_ref().and_then(|process| given(process.selinux_label()));
    process.is_some() || spec.linux().as_ref().is_some_and(|linux| given(linux.mount_label()).is_some())
}

/// A process label is what a host without SELinux cannot give: an error, as in runc.
pub(super) fn check(process: &Process, selinux: bool) -> Result<()> {
    if given(process.selinux_label()).is_some() && !selinux {
        let what = "selinux label is specified in config, but selinux is disabled or not supported";
        return Err(invalid("/process/selinuxLabel", what));
    }
    Ok(())
}

/// Before the session keyring is made.
pub(super) fn keyring(draft: &mut Draft, process: &Process) -> Result<()> {
    if let Some(label) = given(process.selinux_label()) {
        let place = "/process/selinuxLabel";
        draft.add(place, Step::KeyLabel(c_string(label, || place.into())?));
    }
    Ok(())
}

/// What exec makes of the process. Whether the host has the module the kernel says, as with runc.
pub(super) fn add(draft: &mut Draft, process: &Process) -> Result<()> {
    if let Some(profile) = given(process.apparmor_profile()) {
        let place = "/process/apparmorProfile";
        draft.add(place, Step::AppArmorProfile(c_string(format!("exec {profile}"), || place.into())?));
    }
    if let Some(label) = given(process.selinux_label()) {
        let place = "/process/selinuxLabel";
        draft.add(place, Step::SelinuxLabel(c_string(label, || place.into())?));
    }
    Ok(())
}

pub(super) fn of_mounts(spec: &Spec) -> Result<Option<CString>> {
    let label = spec.linux().as_ref().and_then(|linux| given(linux.mount_label()));
    label.map(|label| c_string(label, || "/linux/mountLabel".into())).transpose()
}

/// The policy labels procfs and sysfs itself; mqueue takes no option for it, but a label afterwards.
pub(super) fn label(fs: &mut FsMount, spec: &Spec, selinux: bool) -> Result<()> {
    let Some(label) = of_mounts(spec)? else { return Ok(()) };
    match fs.kind.to_bytes() {
        b"proc" | b"sysfs" => {}
        b"mqueue" => fs.label = selinux.then_some(label),
        _ => fs.options.push((c"context".to_owned(), Some(label))),
    }
    Ok(())
}
