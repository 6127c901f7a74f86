// SPDX-License-Identifier: Apache-2.0
//! New resources for a container that runs: what they make of its saved config, and what is written.
//!
//! Only what was asked for is written, so that a value which somebody else has set meanwhile stays: a
//! kubelet writes into these files too, and the NVIDIA hook into the device rules.

use oci_spec::runtime::{LinuxDeviceCgroup, LinuxResources};
use serde_json::{Value, json};

use super::devices::{Devices, access, subject};
use super::{Limits, limits};
use crate::error::Result;
use crate::host::cgroup::Version;
use crate::host::systemd::Bus;

#[derive(Debug)]
pub struct Update {
    /// `linux.resources` from now on.
    pub resources: Value,
    pub limits: Limits,
    /// The device rules before.
    pub devices: Devices,
}

/// One value of a pair is not written without the other: they are in one file (cpu.max), or the one is
/// counted from the other (memory.swap.max). Whichever is not asked for stays as it was.
const PAIRS: [(&str, [&str; 2]); 3] = [
    ("cpu", ["quota", "period"]),
    ("cpu", ["realtimeRuntime", "realtimePeriod"]),
    ("memory", ["limit", "swap"]),
];

/// `request` is a `resources` object, and so is `saved`, or null.
pub fn update(saved: &Value, mut request: Value, version: Version) -> Result<Update> {
    let mut resources = saved.clone();
    for all in [&mut resources, &mut request] {
        drop_unset(all);
    }
    let old = crate::spec::resources(&resources)?;
    let asked = crate::spec::resources(&request)?;
    let rules = add_rules(rules(&old), rules(&asked))?;
    settle(&mut request);
    merge(&mut resources, &request);
    for (group, pair) in PAIRS {
        complete(&mut request, &resources, group, pair);
    }
    for all in [&mut resources, &mut request] {
        all["devices"] = json!(rules);
    }
    drop_unset(&mut request);
    let request = crate::spec::resources(&request)?;
    let mut limits = limits(Some(&request), version)?;
    limits.with_properties(Some(&request), Bus::System, version);
    Ok(Update { limits, devices: Devices::plan(crate::spec::list(old.devices()))?, resources })
}

fn rules(resources: &LinuxResources) -> Vec<LinuxDeviceCgroup> {
    resources.devices().clone().unwrap_or_default()
}

/// What is null, or an object of nothing, is not asked for: `"pids": {}` is no limit of 0.
fn drop_unset(value: &mut Value) {
    match value {
        Value::Null => *value = json!({}),
        Value::Object(members) => {
            for group in members.values_mut().filter_map(Value::as_object_mut) {
                group.retain(|_, value| !value.is_null());
            }
            members.retain(|_, value| !value.is_null() && value.as_object().is_none_or(|o| !o.is_empty()));
        }
        _ => {}
    }
}

/// What runc makes of values that stand alone.
fn settle(request: &mut Value) {
    if request["memory"]["limit"] == -1 && request["memory"]["swap"].is_null() {
        // An old limit of memory and swap together would outlive that of memory.
        request["memory"]["swap"] = json!(0);
    }
    for (zero, other) in [("quota", "period"), ("period", "quota")] {
        if is_set(&request["cpu"][other]) && request["cpu"][zero] == 0 {
            request["cpu"][zero] = Value::Null;
        }
    }
    if !request["cpu"]["idle"].is_null() && request["cpu"]["shares"].is_null() {
        // An idle cgroup takes no weight.
        request["cpu"]["shares"] = json!(0);
    }
}

/// Objects member by member; lists by what their members are about.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from.iter().filter(|(_, value)| !value.is_null()) {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => {
            for item in from {
                // The last one is the one in force.
                match into.iter().rposition(|known| subject_of(known) == subject_of(item)) {
                    Some(at) => merge(&mut into[at], item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, from) => into.clone_from(from),
    }
}

/// A block device, a page size, a network interface.
fn subject_of(item: &Value) -> [&Value; 4] {
    ["major", "minor", "pageSize", "name"].map(|key| &item[key])
}

/// 0 is "not set" in a pair, as in runc.
fn is_set(value: &Value) -> bool {
    !value.is_null() && *value != 0
}

fn complete(request: &mut Value, resources: &Value, group: &str, pair: [&str; 2]) {
    if pair.iter().any(|key| is_set(&request[group][*key])) {
        for key in pair.into_iter().filter(|key| is_set(&resources[group][*key])) {
            request[group][key] = resources[group][key].clone();
        }
    }
}

/// The new rules after the old ones. An old one that has no effect any more goes: a caller that gives a
/// device and takes it away again, day after day, does not make the list longer.
fn add_rules(old: Vec<LinuxDeviceCgroup>, new: Vec<LinuxDeviceCgroup>) -> Result<Vec<LinuxDeviceCgroup>> {
    let place = "/linux/resources/devices";
    let mut kept: Vec<LinuxDeviceCgroup> = old;
    for (i, rule) in new.into_iter().enumerate() {
        let at = format!("{place}/{i}");
        match subject(&rule, &at)? {
            None => kept.clear(),
            Some(which) => {
                let covered = access(&rule, &at)?;
                let mut hidden = Vec::with_capacity(kept.len());
                for earlier in &kept {
                    let same = subject(earlier, place)? == Some(which);
                    hidden.push(same && access(earlier, place)?.without(covered).is_empty());
                }
                let mut hidden = hidden.into_iter();
                kept.retain(|_| !hidden.next().unwrap_or(false));
            }
        }
        kept.push(rule);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn writes(saved: &Value, request: Value, version: Version) -> Vec<(String, String)> {
        let update = update(saved, request, version).unwrap();
        update.limits.writes.into_iter().map(|write| (write.file, write.value)).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(file, value)| ((*file).to_owned(), (*value).to_owned())).collect()
    }

    fn saved() -> Value {
        json!({
            "memory": { "limit": 32 << 20, "swap": 64 << 20 },
            "cpu": { "shares": 100, "quota": 50_000, "period": 100_000, "cpus": "0" },
            "pids": { "limit": 20 },
        })
    }

    #[test]
    fn only_what_is_asked_for_is_written() {
        for (request, expected) in [
            (json!({}), pairs(&[])),
            (json!({ "pids": { "limit": 7 }, "memory": null }), pairs(&[("pids.max", "7")])),
            (json!({ "pids": {}, "cpu": { "shares": null } }), pairs(&[])),
            (json!({ "cpu": { "shares": 200 } }), pairs(&[("cpu.shares", "200")])),
            (json!({ "cpu": { "idle": 1 } }), pairs(&[("cpu.idle", "1")])),
        ] {
            assert_eq!(writes(&saved(), request.clone(), Version::V1), expected, "{request}");
        }
    }

    #[test]
    fn half_of_a_pair_takes_the_other_from_the_config() {
        for (request, v1, v2) in [
            (
                json!({ "cpu": { "quota": 30_000 } }),
                pairs(&[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "30000")]),
                pairs(&[("cpu.max", "30000 100000")]),
            ),
            (
                json!({ "cpu": { "period": 200_000, "quota": 0 } }),
                pairs(&[("cpu.cfs_period_us", "200000"), ("cpu.cfs_quota_us", "50000")]),
                pairs(&[("cpu.max", "50000 200000")]),
            ),
            (
                json!({ "memory": { "swap": 96 << 20 } }),
                pairs(&[("memory.limit_in_bytes", "33554432"), ("memory.memsw.limit_in_bytes", "100663296")]),
                pairs(&[("memory.swap.max", "67108864"), ("memory.max", "33554432")]),
            ),
            (
                json!({ "memory": { "limit": -1 } }),
                pairs(&[("memory.limit_in_bytes", "-1"), ("memory.memsw.limit_in_bytes", "-1")]),
                pairs(&[("memory.swap.max", "max"), ("memory.max", "max")]),
            ),
        ] {
            assert_eq!(writes(&saved(), request.clone(), Version::V1), v1, "{request}");
            assert_eq!(writes(&saved(), request.clone(), Version::V2), v2, "{request}");
        }
    }

    #[test]
    fn the_config_remembers_all_of_it() {
        let request = json!({
            "cpu": { "quota": 30_000 },
            "blockIO": { "throttleReadBpsDevice": [{ "major": 8, "minor": 0, "rate": 7 }] },
        });
        let first = update(&saved(), request, Version::V1).unwrap().resources;
        let request = json!({ "blockIO": { "throttleReadBpsDevice": [
            { "major": 8, "minor": 16, "rate": 8 }, { "major": 8, "minor": 0, "rate": 9 },
        ] } });
        let second = update(&first, request, Version::V1).unwrap().resources;
        let expected = json!({
            "memory": { "limit": 32 << 20, "swap": 64 << 20 },
            "cpu": { "shares": 100, "quota": 30_000, "period": 100_000, "cpus": "0" },
            "pids": { "limit": 20 },
            "blockIO": { "throttleReadBpsDevice": [
                { "major": 8, "minor": 0, "rate": 9 }, { "major": 8, "minor": 16, "rate": 8 },
            ] },
            "devices": [],
        });
        assert_eq!(second, expected);
        assert_eq!(update(&Value::Null, json!({}), Version::V2).unwrap().resources, json!({ "devices": [] }));
    }

    #[test]
    fn device_rules_are_added_and_do_not_pile_up() {
        let all = json!({ "allow": false, "access": "rwm" });
        let rule = |allow, minor, access| json!({ "allow": allow, "type": "c", "major": 10, "minor": minor, "access": access });
        let mut resources = json!({ "devices": [all, rule(true, 1, "rw")] });
        let mut devices = Vec::new();
        for allow in [true, false, true, false] {
            let update =
                update(&resources, json!({ "devices": [rule(allow, 2, "rwm")] }), Version::V1).unwrap();
            assert_eq!(update.devices != update.limits.devices, allow || !devices.is_empty());
            resources = update.resources;
            devices.push(update.limits.devices);
            assert_eq!(resources["devices"], json!([all, rule(true, 1, "rw"), rule(allow, 2, "rwm")]));
        }
        assert!(devices[0] == devices[2] && devices[1] == devices[3] && devices[0] != devices[1]);
        // The whole list once more, as containerd sends it, changes nothing.
        let again = json!({ "devices": resources["devices"] });
        let again = update(&resources, again, Version::V1).unwrap();
        assert_eq!((again.devices, &again.resources), (again.limits.devices, &resources));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (request, error) in [
            (
                json!({ "memory": { "limit": "x" } }),
                "unable to understand the resources (config.json: /linux/resources/memory/limit): invalid type: string \"x\", expected i64",
            ),
            (json!({ "memory": { "swap": 1 } }), "memory+swap limit should be >= memory limit"),
            (
                json!([]),
                "unable to understand the resources (config.json: /linux/resources): invalid type: sequence",
            ),
            (
                json!({ "cpu": [] }),
                "unable to understand the resources (config.json: /linux/resources/cpu): invalid type: sequence",
            ),
            (json!({ "cpu": { "shares": [7] } }), "/linux/resources/cpu/shares): invalid type: sequence"),
            (json!({ "devices": [{ "allow": true, "type": "c", "access": "z" }] }), "invalid device access"),
        ] {
            let said = update(&saved(), request.clone(), Version::V1).unwrap_err().to_string();
            assert!(said.contains(error), "{request}: {said}");
        }
    }
}
