// SPDX-License-Identifier: Apache-2.0
//! What is asked for and cannot be applied yet is an error, never silence: AppArmor, SELinux, network
//! devices, resource control.

use std::ffi::CString;

use oci_spec::runtime::{Process, Spec};

use super::invalid;
use crate::error::Result;

pub(super) fn check(process: &Process) -> Result<()> {
    let asked = |label: &Option<String>| label.as_ref().is_some_and(|l| !l.is_empty());
    if asked(process.apparmor_profile()) {
        return Err(invalid("/process/apparmorProfile", "AppArmor profiles are not supported yet"));
    }
    if asked(process.selinux_label()) {
        return Err(invalid("/process/selinuxLabel", "SELinux labels are not supported yet"));
    }
    Ok(())
}

pub(super) fn check_container(spec: &Spec) -> Result<()> {
    let Some(linux) = spec.linux() else { return Ok(()) };
    if linux.intel_rdt().is_some() {
        return Err(invalid("/linux/intelRdt", "resource control is not supported yet"));
    }
    Ok(())
}

pub(super) fn mount_option(spec: &Spec, _kind: &str) -> Result<Option<(CString, Option<CString>)>> {
    let label = spec.linux().as_ref().and_then(|linux| linux.mount_label().as_ref());
    if label.is_some_and(|l| !l.is_empty()) {
        return Err(invalid("/linux/mountLabel", "SELinux labels are not supported yet"));
    }
    Ok(None)
}
