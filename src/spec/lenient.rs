// SPDX-License-Identifier: Apache-2.0
//! What oci-spec 0.10 refuses and runc does not: a process without a user, capabilities that nobody
//! knows (a newer client, an older kernel).

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::{Value, json};

pub(super) fn mend_config(document: &mut Value, warnings: &mut Vec<String>) {
    if let Some(process) = document.get_mut("process") {
        mend_process(process, warnings);
    }
}

pub(super) fn mend_process(process: &mut Value, warnings: &mut Vec<String>) {
    let Some(process) = process.as_object_mut() else { return };
    if process.get("user").is_none_or(Value::is_null) {
        process.insert("user".into(), json!({"uid": 0, "gid": 0}));
    }
    // Its absence is an error of its own, with runc's words.
    process.entry("cwd").or_insert_with(|| json!(""));
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
