// SPDX-License-Identifier: Apache-2.0
//! `features`: what this runtime can do, so that Docker, containerd and CRI-O know before they try.
//!
//! Only true statements: a client acts on each. What is not there yet says `false` or an empty list,
//! as a missing property would mean "unknown".

use std::collections::HashMap;

use clap::{ArgMatches, Command};
use oci_spec::runtime::{
    Apparmor, Arch, Cgroup, Features, IDMap, IntelRdt, LinuxFeature, LinuxNamespaceType, LinuxSeccompAction,
    MemoryPolicy, MountExtensions, NetDevices, Seccomp, Selinux,
};

use super::global::Global;
use super::{flags, output, state, version};
use crate::error::Result;
use crate::plan::options;

pub(super) fn command() -> Command {
    flags::command("features", "Print what tare can do, as JSON", "")
}

pub(super) fn run(_global: &Global, _matches: &ArgMatches) -> Result<i32> {
    output::print(&(state::indented(&features(), "    ")? + "\n"))?;
    Ok(0)
}

fn features() -> Features {
    let mut features = Features::default();
    features
        .set_oci_version_min("1.0.0".to_owned())
        .set_oci_version_max(version::SPEC.to_owned())
        .set_hooks(Some(owned(HOOKS)))
        .set_mount_options(Some(options::names().map(str::to_owned).collect()))
        .set_linux(Some(linux()))
        .set_annotations(Some(annotations()))
        .set_potentially_unsafe_config_annotations(Some(Vec::new()));
    features
}

/// What has no property of its own. The name that clients look for has runc's in it; crun says it so too.
fn annotations() -> HashMap<String, String> {
    let all = [("tare.version", version::TARE), ("org.opencontainers.runc.checkpoint.enabled", "false")];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

fn linux() -> LinuxFeature {
    let mut linux = LinuxFeature::default();
    linux
        .set_namespaces(Some(NAMESPACES.to_vec()))
        .set_capabilities(Some(capabilities()))
        .set_cgroup(Some(cgroup()))
        .set_seccomp(Some(seccomp()))
        .set_apparmor(Some(Apparmor::default().set_enabled(Some(true)).clone()))
        .set_selinux(Some(Selinux::default().set_enabled(Some(true)).clone()))
        .set_intel_rdt(Some(intel_rdt()))
        .set_memory_policy(Some(memory_policy()))
        .set_mount_extensions(Some(mount_extensions()))
        .set_net_devices(Some(NetDevices::default().set_enabled(Some(true)).clone()));
    linux
}

/// In the order in which they run.
const HOOKS: &[&str] =
    &["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

/// By name.
const NAMESPACES: &[LinuxNamespaceType] = &[
    LinuxNamespaceType::Cgroup,
    LinuxNamespaceType::Ipc,
    LinuxNamespaceType::Mount,
    LinuxNamespaceType::Network,
    LinuxNamespaceType::Pid,
    LinuxNamespaceType::Time,
    LinuxNamespaceType::User,
    LinuxNamespaceType::Uts,
];

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// All that have a name, whether or not the running kernel knows them.
fn capabilities() -> Vec<String> {
    let mut names: Vec<String> = caps::all().iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}

fn cgroup() -> Cgroup {
    let mut cgroup = Cgroup::default();
    cgroup
        .set_v1(Some(true))
        .set_v2(Some(true))
        .set_systemd(Some(true))
        .set_systemd_user(Some(true))
        .set_rdma(Some(true));
    cgroup
}

/// By name, as the compiler of filters knows them.
#[rustfmt::skip]
fn seccomp() -> Seccomp {
    use LinuxSeccompAction::{
        ScmpActAllow, ScmpActErrno, ScmpActKill, ScmpActKillProcess, ScmpActKillThread, ScmpActLog, ScmpActNotify,
        ScmpActTrace, ScmpActTrap,
    };
    let actions = vec![
        ScmpActAllow, ScmpActErrno, ScmpActKill, ScmpActKillProcess, ScmpActKillThread, ScmpActLog, ScmpActNotify,
        ScmpActTrace, ScmpActTrap,
    ];
    let operators = [
        "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
        "SCMP_CMP_NE",
    ];
    let flags = [
        "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC",
        "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    ];
    let mut seccomp = Seccomp::default();
    seccomp
        .set_enabled(Some(true))
        .set_actions(Some(actions))
        .set_operators(Some(owned(&operators)))
        .set_archs(Some(ARCHITECTURES.to_vec()))
        .set_known_flags(Some(owned(&flags)))
        .set_supported_flags(Some(owned(&flags)));
    seccomp
}

/// By name.
const ARCHITECTURES: &[Arch] = &[
    Arch::ScmpArchAarch64,
    Arch::ScmpArchArm,
    Arch::ScmpArchLoongarch64,
    Arch::ScmpArchM68k,
    Arch::ScmpArchMips,
    Arch::ScmpArchMips64,
    Arch::ScmpArchMips64n32,
    Arch::ScmpArchMipsel,
    Arch::ScmpArchMipsel64,
    Arch::ScmpArchMipsel64n32,
    Arch::ScmpArchParisc,
    Arch::ScmpArchParisc64,
    Arch::ScmpArchPpc,
    Arch::ScmpArchPpc64,
    Arch::ScmpArchPpc64le,
    Arch::ScmpArchRiscv64,
    Arch::ScmpArchS390,
    Arch::ScmpArchS390x,
    Arch::ScmpArchSh,
    Arch::ScmpArchSheb,
    Arch::ScmpArchX32,
    Arch::ScmpArchX86,
    Arch::ScmpArchX86_64,
];

fn intel_rdt() -> IntelRdt {
    let mut rdt = IntelRdt::default();
    rdt.set_enabled(Some(true)).set_schemata(Some(true)).set_monitoring(Some(true));
    rdt
}

#[rustfmt::skip]
fn memory_policy() -> MemoryPolicy {
    let modes = [
        "MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
        "MPOL_WEIGHTED_INTERLEAVE",
    ];
    let flags = ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"];
    let mut policy = MemoryPolicy::default();
    policy.set_modes(Some(owned(&modes))).set_flags(Some(owned(&flags)));
    policy
}

fn mount_extensions() -> MountExtensions {
    let mut extensions = MountExtensions::default();
    extensions.set_idmap(Some(IDMap::default().set_enabled(Some(true)).clone()));
    extensions
}

#[cfg(test)]
mod tests;
