// SPDX-License-Identifier: Apache-2.0
//! Hooks: when init waits for those of the runtime, and what any of them executes.

use std::ffi::CString;
use std::time::Duration;

use oci_spec::runtime::{Hook, Spec};

use super::{Draft, invalid};
use crate::error::Result;
use crate::spec::{c_string, list};
use crate::step::{HookPoint, Step};

/// One hook, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookProgram {
    pub path: CString,
    pub args: Vec<CString>,
    pub env: Vec<CString>,
    pub timeout: Option<Duration>,
    /// Its JSON pointer.
    pub place: String,
}

impl HookProgram {
    /// # Errors
    /// A path that is not absolute, no time at all, a NUL in a string.
    pub fn new(hook: &Hook, place: String) -> Result<HookProgram> {
        if !hook.path().is_absolute() {
            return Err(invalid(format!("{place}/path"), "the path of a hook must be absolute"));
        }
        let path = c_string(hook.path(), || format!("{place}/path"))?;
        let strings = |values: &[String], name: &str| {
            values
                .iter()
                .map(|value| c_string(value, || format!("{place}/{name}")))
                .collect::<Result<Vec<_>>>()
        };
        let args = match list(hook.args()) {
            [] => vec![path.clone()],
            args => strings(args, "args")?,
        };
        let timeout = match hook.timeout() {
            Some(seconds) if seconds <= 0 => {
                return Err(invalid(format!("{place}/timeout"), "the timeout of a hook must be above 0"));
            }
            Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
            None => None,
        };
        Ok(HookProgram { path, args, env: strings(list(hook.env()), "env")?, timeout, place })
    }
}

/// All are checked now: a poststop hook that can never run is not found out when the container is gone.
pub(super) fn add(draft: &mut Draft, spec: &Spec) -> Result<()> {
    let Some(hooks) = spec.hooks() else { return Ok(()) };
    for (kind, hooks) in [
        ("prestart", hooks.prestart()),
        ("createRuntime", hooks.create_runtime()),
        ("createContainer", hooks.create_container()),
        ("startContainer", hooks.start_container()),
        ("poststart", hooks.poststart()),
        ("poststop", hooks.poststop()),
    ] {
        for (i, hook) in list(hooks).iter().enumerate() {
            HookProgram::new(hook, format!("/hooks/{kind}/{i}"))?;
        }
    }
    let prestart = list(hooks.prestart());
    if !prestart.is_empty() || !list(hooks.create_runtime()).is_empty() {
        draft.add("/hooks", Step::Hooks(HookPoint::CreateRuntime));
    }
    if !list(hooks.create_container()).is_empty() {
        draft.add("/hooks/createContainer", Step::Hooks(HookPoint::CreateContainer));
    }
    Ok(())
}
