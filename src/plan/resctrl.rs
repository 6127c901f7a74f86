// SPDX-License-Identifier: Apache-2.0
//! `linux.intelRdt`: the group of the resctrl filesystem that the container's tasks are in.
//!
//! `enableCMT` and `enableMBM` are ignored, as the specification has deprecated them and runc ignores them.

use oci_spec::runtime::{LinuxIntelRdt, Spec};

use super::invalid;
use crate::error::Result;
use crate::host::resctrl::Resctrl;
use crate::spec::list;

/// Absolute paths on the host.
#[derive(Debug, PartialEq, Eq)]
pub struct Group {
    pub path: String,
    /// Named after the container, which then removes it; a group with a name is others' too.
    pub own: bool,
    /// A named group without a schema is taken as it is, so it has to be there.
    pub must_exist: bool,
    /// Lines for its `schemata`; empty for none.
    pub schemata: String,
    /// The group below it that counts for this container alone.
    pub monitor: Option<String>,
    /// Where the kernel tells why the last change was refused.
    pub last_status: String,
}

pub fn is_asked_for(spec: &Spec) -> bool {
    asked(spec).is_some()
}

fn asked(spec: &Spec) -> Option<&LinuxIntelRdt> {
    spec.linux().as_ref()?.intel_rdt().as_ref()
}

/// # Errors
/// The host has no resctrl filesystem mounted, or not what the schema is for.
pub fn plan(spec: &Spec, id: &str, host: Option<&Resctrl>) -> Result<Option<Group>> {
    let Some(asked) = asked(spec) else { return Ok(None) };
    let at = |name: &str| format!("/linux/intelRdt/{name}");
    let host = host.ok_or_else(|| {
        invalid("/linux/intelRdt", "intelRdt is specified in config, but Intel RDT is not enabled")
            .hint("it takes a CPU with resource control, and `mount -t resctrl resctrl /sys/fs/resctrl`")
    })?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let clos = given(asked.clos_id());
    if clos.as_deref().is_some_and(|name| !is_name(name)) {
        return Err(invalid(at("closID"), format!("invalid intelRdt.ClosID {:?}", clos.unwrap_or_default())));
    }
    let (cache, bandwidth) = (given(asked.l3_cache_schema()), given(asked.mem_bw_schema()));
    if cache.is_some() && !host.cache {
        let what = "intelRdt.l3CacheSchema is specified in config, but Intel RDT/CAT is not enabled";
        return Err(invalid(at("l3CacheSchema"), what));
    }
    if bandwidth.is_some() && !host.bandwidth {
        let what = "intelRdt.memBwSchema is specified in config, but Intel RDT/MBA is not enabled";
        return Err(invalid(at("memBwSchema"), what));
    }
    let lines = cache.into_iter().chain(bandwidth).chain(list(asked.schemata()).iter().cloned());
    let schemata: String = lines.filter(|line| !line.is_empty()).map(|line| line + "\n").collect();
    let path = match clos.as_deref() {
        Some("/") => host.mount.clone(),
        Some(name) => format!("{}/{name}", host.mount),
        None => format!("{}/{id}", host.mount),
    };
    let monitor = asked.enable_monitoring().unwrap_or(false).then(|| format!("{path}/mon_groups/{id}"));
    Ok(Some(Group {
        own: clos.is_none(),
        must_exist: clos.is_some() && schemata.is_empty(),
        last_status: format!("{}/info/last_cmd_status", host.mount),
        path,
        schemata,
        monitor,
    }))
}

/// One directory, or "/" for the group that everything is in by default.
fn is_name(name: &str) -> bool {
    name == "/" || !(name == "." || name == ".." || name.contains(['/', '\0']))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn host() -> Resctrl {
        Resctrl { mount: "/sys/fs/resctrl".into(), cache: true, bandwidth: true }
    }

    fn planned(rdt: &str, host: Option<&Resctrl>) -> Result<Option<Group>> {
        let config = format!("{{\"linux\":{{\"intelRdt\":{rdt}}}}}");
        plan(&crate::spec::config(config.as_bytes()).unwrap().value, "c1", host)
    }

    #[test]
    fn groups() {
        let group = |path: &str, own, must_exist, schemata: &str, monitor: Option<&str>| Group {
            path: path.into(),
            own,
            must_exist,
            schemata: schemata.into(),
            monitor: monitor.map(str::to_owned),
            last_status: "/sys/fs/resctrl/info/last_cmd_status".into(),
        };
        let (c1, a) = ("/sys/fs/resctrl/c1", "/sys/fs/resctrl/a");
        for (rdt, expected) in [
            ("{}", group(c1, true, false, "", None)),
            (r#"{"closID":""}"#, group(c1, true, false, "", None)),
            (r#"{"closID":"a"}"#, group(a, false, true, "", None)),
            (r#"{"closID":"/"}"#, group("/sys/fs/resctrl", false, true, "", None)),
            (
                r#"{"closID":"a","l3CacheSchema":"L3:0=f","memBwSchema":"MB:0=20","schemata":["L2:0=3","","MB:1=9"]}"#,
                group(a, false, false, "L3:0=f\nMB:0=20\nL2:0=3\nMB:1=9\n", None),
            ),
            (
                r#"{"enableMonitoring":true}"#,
                group(c1, true, false, "", Some("/sys/fs/resctrl/c1/mon_groups/c1")),
            ),
            (
                r#"{"closID":"/","enableMonitoring":true,"enableCMT":true}"#,
                group("/sys/fs/resctrl", false, true, "", Some("/sys/fs/resctrl/mon_groups/c1")),
            ),
        ] {
            assert_eq!(planned(rdt, Some(&host())).unwrap(), Some(expected), "{rdt}");
        }
        assert_eq!(planned("null", None).unwrap(), None);
    }

    #[test]
    fn refusals() {
        let none = || Resctrl { cache: false, bandwidth: false, ..host() };
        for (rdt, host, words) in [
            ("{}", None, "Intel RDT is not enabled (config.json: /linux/intelRdt)"),
            (r#"{"closID":".."}"#, Some(host()), "ClosID \"..\" (config.json: /linux/intelRdt/closID)"),
            (r#"{"closID":"a/b"}"#, Some(host()), "ClosID \"a/b\""),
            (r#"{"closID":"//"}"#, Some(host()), "ClosID \"//\""),
            (r#"{"closID":"a\u0000"}"#, Some(host()), "invalid intelRdt.ClosID"),
            (
                r#"{"l3CacheSchema":"L3:0=f"}"#,
                Some(none()),
                "CAT is not enabled (config.json: /linux/intelRdt/l3",
            ),
            (
                r#"{"memBwSchema":"MB:0=9"}"#,
                Some(none()),
                "MBA is not enabled (config.json: /linux/intelRdt/mem",
            ),
        ] {
            let error = planned(rdt, host.as_ref()).unwrap_err().to_string();
            assert!(error.contains(words), "{rdt}\nwant: {words}\n got: {error}");
        }
    }
}
