// SPDX-License-Identifier: Apache-2.0
//! `spec`: write a config.json to start from.

mod config;

use std::path::PathBuf;

use clap::{ArgMatches, Command};

use super::flags::{self, switch};
use super::global::Global;
use super::{create, state};
use crate::bundle;
use crate::error::Result;
use crate::host::{account, cgroup};
use config::config;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct SpecOptions {
    pub(super) bundle: PathBuf,
    pub(super) rootless: bool,
}

pub(super) fn command() -> Command {
    flags::command("spec", "Write a config.json to start from", "[options]")
        .arg(create::bundle())
        .arg(switch("rootless", "for a caller who is not root"))
}

impl SpecOptions {
    pub(super) fn new(matches: &ArgMatches) -> SpecOptions {
        SpecOptions { bundle: create::bundle_of(matches), rootless: flags::is_on(matches, "rootless") }
    }
}

pub(super) fn run(_global: &Global, matches: &ArgMatches) -> Result<i32> {
    let options = SpecOptions::new(matches);
    let caller = options.rootless.then(|| (account::effective_uid(), account::effective_gid()));
    let unified = cgroup::read()?.version == cgroup::Version::V2;
    let config = state::indented(&config(caller, unified), "\t")?;
    bundle::write_new(&options.bundle, config.as_bytes())?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(caller: Option<(u32, u32)>, unified: bool) -> String {
        state::indented(&config(caller, unified), "\t").unwrap()
    }

    fn parsed(text: &str) -> serde_json::Value {
        // What the rest of tare reads it with takes it.
        serde_json::from_str::<oci_spec::runtime::Spec>(text).unwrap();
        serde_json::from_str(text).unwrap()
    }

    fn namespaces(spec: &serde_json::Value) -> Vec<&str> {
        let all = spec["linux"]["namespaces"].as_array().unwrap();
        all.iter().map(|namespace| namespace["type"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_layout_is_runcs() {
        let text = text(None, false);
        let head = "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"terminal\": true,\n\t\t\"user\": {\n\
                    \t\t\t\"uid\": 0,\n\t\t\t\"gid\": 0\n\t\t},\n\t\t\"args\": [\n\t\t\t\"sh\"\n\t\t],\n";
        assert!(text.starts_with(head), "{text}");
        assert!(text.ends_with("\t\t\t\"/proc/sysrq-trigger\"\n\t\t]\n\t}\n}"), "{text}");
        assert!(text.contains("\t\t{\n\t\t\t\"destination\": \"/proc\",\n\t\t\t\"type\": \"proc\",\n\t\t\t\"source\": \"proc\"\n\t\t},"));
        let spec = parsed(&text);
        assert_eq!(namespaces(&spec), ["pid", "network", "ipc", "uts", "mount"]);
        assert_eq!(spec["linux"]["resources"]["devices"][0]["allow"], false);
    }

    #[test]
    fn a_unified_host_gets_a_cgroup_namespace() {
        assert_eq!(
            namespaces(&parsed(&text(None, true))),
            ["pid", "network", "ipc", "uts", "mount", "cgroup"]
        );
    }

    #[test]
    fn a_rootless_one_asks_for_nothing_that_only_root_may_do() {
        let text = text(Some((1000, 100)), true);
        let spec = parsed(&text);
        assert_eq!(namespaces(&spec), ["pid", "ipc", "uts", "mount", "cgroup", "user"]);
        assert_eq!(spec["linux"]["uidMappings"][0]["hostID"], 1000);
        assert_eq!(spec["linux"]["gidMappings"][0]["hostID"], 100);
        assert_eq!(spec["mounts"][5]["source"], "/sys");
        assert_eq!(spec["mounts"][5]["options"][0], "rbind");
        assert!(spec["linux"].get("resources").is_none() && !text.contains("gid="), "{text}");
    }
}
