// SPDX-License-Identifier: Apache-2.0
//! `linux.netDevices`: devices of the caller's network namespace that become the container's.

use std::collections::BTreeSet;
use std::ffi::CString;

use oci_spec::runtime::Spec;

use super::namespaces::Namespaces;
use super::{Draft, Request, invalid};
use crate::error::Result;
use crate::host::Host;
use crate::spec::{c_string, key};
use crate::step::Slot;
use crate::sys::process::NEWNET;

/// One that moves.
#[derive(Debug)]
pub struct NetDevice {
    pub name: CString,
    /// Its name in the container; often the same.
    pub becomes: CString,
    pub place: String,
}

/// All of them. Back they come by themselves: when the namespace ends, the kernel gives physical
/// devices to the initial one, and removes the others.
#[derive(Debug, Default)]
pub struct NetDevices {
    pub devices: Vec<NetDevice>,
    /// A network namespace that is joined; without one it is the new one of init.
    pub namespace: Option<Slot>,
}

pub(super) fn add_all(draft: &mut Draft, spec: &Spec, host: &Host, spaces: &Namespaces) -> Result<()> {
    let asked = spec.linux().as_ref().and_then(|linux| linux.net_devices().as_ref());
    let mut asked: Vec<_> = asked.into_iter().flatten().collect();
    if asked.is_empty() {
        return Ok(());
    }
    if !spaces.own(NEWNET) {
        let what = "unable to move network devices without a private NET namespace";
        return Err(invalid("/linux/netDevices", what));
    }
    if !host.privileged || host.in_user_namespace {
        let what = "network devices are not supported for rootless containers";
        return Err(invalid("/linux/netDevices", what));
    }
    asked.sort_by_key(|(name, _)| *name);
    let mut names = BTreeSet::new();
    for (name, device) in asked {
        let place = format!("/linux/netDevices/{}", key(name));
        let becomes = device.name().as_deref().filter(|name| !name.is_empty()).unwrap_or(name);
        for name in [name, becomes] {
            if !is_valid(name) {
                return Err(invalid(place, format!("invalid network device name {name:?}")));
            }
        }
        if !names.insert(becomes) {
            return Err(invalid(place, format!("two network devices get the name {becomes:?}")));
        }
        let (name, becomes) = (c_string(name, String::new)?, c_string(becomes, String::new)?);
        draft.plan.net_devices.devices.push(NetDevice { name, becomes, place });
    }
    let network = |request: &Request| matches!(request, Request::Namespace { namespace: NEWNET, .. });
    draft.plan.net_devices.namespace = draft.plan.requests.iter().position(network).map(Slot);
    Ok(())
}

/// The kernel's own rule (dev_valid_name): 15 bytes, and nothing that a path or a list could misread.
fn is_valid(name: &str) -> bool {
    let bad = |c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace();
    !name.is_empty() && name.len() < libc::IFNAMSIZ && name != "." && name != ".." && !name.contains(bad)
}
