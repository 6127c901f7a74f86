// SPDX-License-Identifier: Apache-2.0
//! What oci-spec 0.10 refuses and runc does not: a process without a user, capabilities that nobody
//! knows (a newer client, an older kernel), two flags of the
//! scheduler, a limit of pids that is null, limits of huge pages beyond i64.

use std::collections::BTreeSet;
use std::str::FromStr;

use oci_spec::runtime::Spec;
use serde_json::{Value, json};

pub(super) fn mend_config(document: &mut Value, warnings: &mut Vec<String>) {
    if let Some(process) = document.get_mut("process") {
        mend_process(process, warnings);
    }
    let Some(resources) = document.pointer_mut("/linux/resources").and_then(Value::as_object_mut) else {
        return;
    };
    if resources.get("pids").is_some_and(|pids| pids.get("limit").is_some_and(Value::is_null)) {
        resources.remove("pids");
    }
    // The specification has uint64, the crate i64: more than that many bytes no machine has.
    for limit in resources.get_mut("hugepageLimits").and_then(Value::as_array_mut).into_iter().flatten() {
        if limit["limit"].as_u64().is_some_and(|bytes| i64::try_from(bytes).is_err()) {
            limit["limit"] = json!(i64::MAX);
        }
    }
}

/// Absent, it is 0 to the crate, which is a limit. runc leaves what is there.
pub(super) fn drop_missing_pids_limit(config: &mut Spec, bytes: &[u8]) {
    let resources = config.linux_mut().as_mut().and_then(|linux| linux.resources_mut().as_mut());
    let Some(resources) = resources.filter(|r| r.pids().is_some_and(|pids| pids.limit() == 0)) else {
        return;
    };
    let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
    if document.pointer("/linux/resources/pids/limit").is_none() {
        resources.set_pids(None);
    }
}

pub(super) fn mend_process(process: &mut Value, warnings: &mut Vec<String>) {
    let Some(process) = process.as_object_mut() else { return };
    if process.get("user").is_none_or(Value::is_null) {
        process.insert("user".into(), json!({"uid": 0, "gid": 0}));
    }
    // Its absence is an error of its own, with runc's words.
    process.entry("cwd").or_insert_with(|| json!(""));
    mend_scheduler_flags(process);
    let Some(Value::Object(sets)) = process.get_mut("capabilities") else { return };
    let mut unknown = BTreeSet::new();
    for set in sets.values_mut() {
        let Some(names) = set.as_array_mut() else { continue };
        names.retain(|name| {
            let known = name.as_str().is_none_or(|name| caps::Capability::from_str(name).is_ok());
            if !known {
                unknown.extend(name.as_str().map(str::to_owned));
            }
            known
        });
    }
    if !unknown.is_empty() {
        let names: Vec<_> = unknown.into_iter().collect();
        warnings.push(format!("ignoring unknown or unavailable capabilities: [{}]", names.join(" ")));
    }
}

/// The crate has other names for two of the specification's flags.
fn mend_scheduler_flags(process: &mut serde_json::Map<String, Value>) {
    let flags = process.get_mut("scheduler").and_then(|scheduler| scheduler.get_mut("flags"));
    for flag in flags.and_then(Value::as_array_mut).into_iter().flatten() {
        match flag.as_str() {
            Some("SCHED_FLAG_RESET_ON_FORK") => *flag = json!("SCHED_RESET_ON_FORK"),
            Some("SCHED_FLAG_DL_OVERRUN") => *flag = json!("SCHED_FLAG_D_L_OVERRUN"),
            _ => {}
        }
    }
}
