// SPDX-License-Identifier: Apache-2.0
//! Says a step in words: for `explain`, and as the "unable to ..." of its failure.

use std::ffi::CStr;
use std::fmt;

use super::{IdMap, Plan, Request};
use crate::step::{BindMount, FsMount, HookPoint, IdMapped, InRoot, Planned, Slot, Source, Step};
use crate::sys::process;

/// The plan as a list, a step a line, with its place in config.json.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "clone init into new namespaces: {}", namespaces(self.clone))?;
        for (namespace, slot) in &self.through {
            let of = request(&self.requests[slot.0]);
            writeln!(f, "  through a process in {} of {of}", namespaces(*namespace))?;
        }
        for device in &self.net_devices.devices {
            let (name, becomes) = (text(&device.name), text(&device.becomes));
            writeln!(f, "  with the network device {name} as {becomes} in it  ({})", device.place)?;
        }
        for (i, planned) in self.steps.iter().enumerate() {
            let Planned { step, place } = planned;
            if place.is_empty() {
                writeln!(f, "{i:3}  {step}")?;
            } else {
                writeln!(f, "{i:3}  {step}  ({place})")?;
            }
            match step {
                Step::Mount(fs) => contents(fs, f)?,
                Step::Bind(BindMount { source: Source::Opened(slot), .. }) => self.opened(*slot, f)?,
                Step::Bind(BindMount { idmap: Some(idmap), .. }) => {
                    write!(f, "       which has")?;
                    self.mapped(*idmap, f)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Plan {
    /// What the parent has done to a mount's source.
    fn opened(&self, slot: Slot, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Request::Tree { path, idmap, .. } = &self.requests[slot.0] else { return Ok(()) };
        write!(f, "       which is {}", text(path))?;
        match idmap {
            None => writeln!(f),
            Some(idmap) => {
                f.write_str(",")?;
                self.mapped(*idmap, f)
            }
        }
    }

    fn mapped(&self, IdMapped { slot, .. }: IdMapped, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requests[slot.0] {
            Request::IdMaps { maps, .. } => {
                writeln!(f, " its uids mapped {} and gids {}", ranges(&maps.uids), ranges(&maps.gids))
            }
            other => writeln!(f, " its ids mapped as in {}", request(other)),
        }
    }
}

/// On disk, in the mount, how many.
fn ranges(maps: &[IdMap]) -> String {
    let ranges: Vec<_> = maps.iter().map(|m| format!("{}:{}:{}", m.container, m.host, m.size)).collect();
    ranges.join(",")
}

/// What a filesystem has in it before anyone can see it: no step of its own makes it.
fn contents(fs: &FsMount, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let names = fs.nodes.iter().map(|(name, _)| name).chain(fs.links.iter().map(|(_, name)| name));
    let names: Vec<_> = names.map(|name| text(name)).collect();
    if !names.is_empty() {
        writeln!(f, "       with {} in it", names.join(" "))?;
    }
    let option = fs.options.iter().find(|(name, _)| name.as_c_str() == c"context");
    match fs.label.as_ref().or(option.and_then(|(_, value)| value.as_ref())) {
        Some(label) => writeln!(f, "       with the label {}", text(label)),
        None => Ok(()),
    }
}

fn request(request: &Request) -> String {
    match request {
        Request::Namespace { path, .. } => path.display().to_string(),
        Request::IdMaps { .. } => "the maps of a mount".into(),
        Request::Init => "the container's init".into(),
        Request::Tree { path, .. } => text(path).into(),
        Request::Console => "the console socket".into(),
        Request::Fifo => "the start fifo".into(),
    }
}

fn namespaces(bits: u64) -> String {
    let names = [
        (process::NEWUSER, "user"),
        (process::NEWNS, "mount"),
        (process::NEWPID, "pid"),
        (process::NEWNET, "network"),
        (process::NEWIPC, "ipc"),
        (process::NEWUTS, "uts"),
        (process::NEWCGROUP, "cgroup"),
        (process::NEWTIME, "time"),
    ];
    let names: Vec<_> = names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "none".into() } else { names.join(" ") }
}

fn text(s: &CStr) -> &str {
    s.to_str().unwrap_or("?")
}

impl fmt::Display for InRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match text(&self.0) {
            "." => f.write_str("/"),
            path => write!(f, "/{path}"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::AwaitCgroup => write!(f, "wait until systemd has made the container's unit around init"),
            Step::JoinCgroups => write!(f, "join the container's cgroups"),
            Step::JoinNamespace { namespace, .. } => {
                write!(f, "join the {} namespace", namespaces(*namespace))
            }
            Step::JoinContainer { namespaces: bits, .. } => {
                write!(f, "join the container's namespaces: {}", namespaces(*bits))
            }
            Step::NewNamespace(bits) => write!(f, "make a new {} namespace", namespaces(*bits)),
            Step::LoopbackUp => write!(f, "bring the loopback device up"),
            Step::AwaitIdMaps => write!(f, "get the user namespace's id maps"),
            Step::BecomeNamespaceRoot => write!(f, "become root of the user namespace"),
            Step::NewSession => write!(f, "start a new session"),
            Step::JoinKeyring(_) => write!(f, "join a session keyring of the container's own"),
            Step::TimeOffsets(lines) => write!(f, "set the clocks' offsets {:?}", text(lines)),
            Step::Hooks(HookPoint::CreateRuntime) => write!(f, "run the prestart and createRuntime hooks"),
            Step::Hooks(HookPoint::CreateContainer) => write!(f, "run the createContainer hooks"),
            Step::InPlace => write!(f, "report that all around it is in place"),
            Step::Settle => write!(f, "close what is not the program's, reset signals"),
            Step::Ready => write!(f, "report that all is ready"),
            Step::AwaitStart(_) => write!(f, "wait for `start`"),
            Step::AwaitOrder => write!(f, "wait for the word to go"),
            Step::Execute => write!(f, "execute the program"),
            Step::FindProgram(program) => match program.candidates.as_slice() {
                [one] if !program.searched => write!(f, "find {}", text(one)),
                all => write!(f, "find the program in {} directories of PATH", all.len()),
            },
            step => fmt_root(step, f).unwrap_or_else(|| fmt_process(step, f)),
        }
    }
}

/// The steps that build the root.
fn fmt_root(step: &Step, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
    Some(match step {
        Step::SetPropagation { propagation, .. } => {
            write!(f, "make the mounts {}", propagation_name(*propagation))
        }
        Step::KernelsMounts { .. } => {
            write!(f, "copy the kernel's few mounts, not the caller's many")
        }
        Step::OpenRoot { path, .. } => write!(f, "open the root filesystem {}", text(path)),
        Step::PrivateRootParent { path } => write!(f, "make the mount of {} private", text(path)),
        Step::Mount(fs) => write!(f, "mount {} on {}", text(&fs.kind), fs.target),
        Step::Bind(bind) => match &bind.source {
            Source::Path(source) => write!(f, "bind {} on {}", text(source), bind.target),
            Source::InRoot(source) => write!(f, "bind the container's {source} on {}", bind.target),
            Source::Opened(_) => write!(f, "bind the opened source on {}", bind.target),
        },
        Step::CgroupTree(tree) => write!(f, "show the cgroups on {}", tree.target),
        Step::Node { path, .. } => write!(f, "make the device {path}"),
        Step::BindDevice { path, .. } => write!(f, "bind the host's device on {path}"),
        Step::Link { target, path } => write!(f, "make the link {path} to {}", text(target)),
        Step::Terminal { .. } => write!(f, "allocate a terminal out of /dev/pts"),
        Step::MakeDirectory(path) => write!(f, "make the working directory {path}"),
        Step::Sysctl { file, value } => write!(f, "write {:?} to /proc/{}", text(value), text(file)),
        Step::Mask { path, label: None } => write!(f, "mask {path}"),
        Step::Mask { path, label: Some(label) } => write!(f, "mask {path}, labelled {}", text(label)),
        Step::MakeReadonly(path) => write!(f, "make {path} read-only"),
        Step::Remount { path, .. } => write!(f, "make the mount on {path} read-only"),
        Step::HideHostMount(path) => write!(f, "hide the host's {}", text(path)),
        Step::PivotRoot { .. } => write!(f, "pivot_root into the root filesystem"),
        Step::MoveRoot => write!(f, "move the root filesystem to / and chroot into it"),
        _ => return None,
    })
}

/// The steps that make the process.
fn fmt_process(step: &Step, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match step {
        Step::Hostname(name) => write!(f, "set the hostname {}", text(name)),
        Step::Domainname(name) => write!(f, "set the domainname {}", text(name)),
        Step::ReopenNull => write!(f, "let standard streams on /dev/null be the container's"),
        Step::TakeTerminal => write!(f, "make the terminal the standard streams"),
        Step::Affinity(_) => write!(f, "set the CPU affinity"),
        Step::Scheduler(_) => write!(f, "set the scheduler"),
        Step::IoPriority(_) => write!(f, "set the I/O priority"),
        Step::MemoryPolicy { .. } => write!(f, "set the memory policy"),
        Step::Personality(_) => write!(f, "set the personality"),
        Step::AppArmorProfile(profile) => write!(f, "apply the apparmor profile: {}", text(profile)),
        Step::SelinuxLabel(label) => write!(f, "set the process label {}", text(label)),
        Step::KeyLabel(label) => write!(f, "set the label of keys {}", text(label)),
        Step::Limits(limits) => write!(f, "set {} resource limits", limits.len()),
        Step::NoNewPrivileges => write!(f, "set no_new_privs"),
        Step::Seccomp { program, .. } => write!(f, "load a seccomp filter of {} instructions", program.len()),
        Step::Identity(id) => write!(f, "become uid {} gid {}", id.uid, id.gid),
        Step::WorkingDirectory { path, last: false } => write!(f, "try the working directory {}", text(path)),
        Step::WorkingDirectory { path, last: true } => {
            write!(f, "enter the working directory {}", text(path))
        }
        Step::FindHome { uid } => write!(f, "find the home directory of uid {uid}"),
        _ => write!(f, "do something nobody has a word for"),
    }
}

fn propagation_name(flag: u64) -> &'static str {
    match flag {
        libc::MS_SHARED => "shared",
        libc::MS_SLAVE => "slaves of the host's",
        libc::MS_UNBINDABLE => "unbindable",
        _ => "private",
    }
}
