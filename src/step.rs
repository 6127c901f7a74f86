// SPDX-License-Identifier: Apache-2.0
//! What init does, as data: `plan` decides the list, `init` performs it, `explain` prints it.
//!
//! Built by the parent before clone, so that the child need not allocate. May name: types of sys.

use std::ffi::{CStr, CString};
use std::string::String;
use std::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::sys::cred::{CapSet, Caps};
use crate::sys::mount::{Attr, Depth};
use crate::sys::process::{BpfInstruction, Limit, SchedAttr};
use crate::sys::tty::Size;

/// A step and the property of config.json that asks for it, as a JSON pointer; "" for none.
#[derive(Debug, Serialize, Deserialize)]
pub struct Planned {
    pub step: Step,
    /// Init knows it by its number.
    #[serde(skip)]
    pub place: String,
}

/// A descriptor that the parent takes before clone and the child inherits: an index into the
/// plan's requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot(pub usize);

/// A path that means something only once it is resolved under the container's root. Relative, with
/// no leading slash; the root itself is ".".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRoot(pub CString);

/// When the runtime's hooks run while init waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookPoint {
    /// `prestart`, then `createRuntime`: the namespaces are there, the root is not yet switched.
    CreateRuntime,
    /// `createContainer`: the same moment, in the container's namespaces.
    CreateContainer,
}

/// One operation of init. Each is performed by the file of `init/` that has the subject's name.
#[derive(Debug, Serialize, Deserialize)]
pub enum Step {
    // membership
    JoinCgroups,
    /// The parent has init moved into its cgroup, by systemd.
    AwaitCgroup,
    JoinNamespace {
        namespace: u64,
        slot: Slot,
    },
    /// `exec`: into the namespaces of the container's init, by its pidfd.
    JoinContainer {
        namespaces: u64,
        slot: Slot,
    },
    NewNamespace(u64),
    /// The one device that a new network namespace has comes down.
    LoopbackUp,
    /// The parent writes the id maps of a new user namespace.
    AwaitIdMaps,
    BecomeNamespaceRoot,
    NewSession,
    JoinKeyring(CString),
    TimeOffsets(CString),

    // the root filesystem, in the order of the mounts in config.json
    SetPropagation {
        propagation: u64,
        depth: Depth,
    },
    /// A new mount namespace: not of the caller's very many mounts, but of the kernel's few (`host::crowd`). `cgroups`:
    /// those of the host will be asked for there.
    KernelsMounts {
        slot: Slot,
        cgroups: bool,
    },
    OpenRoot {
        path: CString,
        from: Option<Slot>,
    },
    PrivateRootParent {
        path: CString,
    },
    Mount(FsMount),
    Bind(BindMount),
    CgroupTree(CgroupTree),
    Node {
        path: InRoot,
        node: Node,
    },
    BindDevice {
        source: CString,
        path: InRoot,
    },
    Link {
        target: CString,
        path: InRoot,
    },
    Terminal {
        console: Slot,
        size: Option<Size>,
        uid: u32,
    },
    Hooks(HookPoint),
    MakeDirectory(InRoot),
    Sysctl {
        file: CString,
        value: CString,
    },
    /// `label`: SELinux's, of the empty directory that covers a directory.
    Mask {
        path: InRoot,
        label: Option<CString>,
    },
    MakeReadonly(InRoot),
    Remount {
        path: InRoot,
        attr: Attr,
    },
    HideHostMount(CString),
    /// `shared`: the old root is a peer of the host's, and must not be when it is unmounted.
    PivotRoot {
        shared: bool,
    },
    MoveRoot,

    // the process
    Hostname(CString),
    Domainname(CString),
    TakeTerminal,
    /// The host's /dev/null on a standard stream becomes the container's.
    ReopenNull,
    Affinity(Vec<u64>),
    Scheduler(SchedAttr),
    IoPriority(i32),
    MemoryPolicy {
        mode: i32,
        nodes: Vec<u64>,
    },
    Personality(u64),
    /// "exec" and the profile, as the kernel takes it.
    AppArmorProfile(CString),
    SelinuxLabel(CString),
    /// SELinux's label of the session keyring.
    KeyLabel(CString),
    Limits(Vec<Limit>),
    NoNewPrivileges,
    Seccomp {
        flags: u64,
        #[serde(with = "filter")]
        program: Vec<BpfInstruction>,
        listener: bool,
    },
    Identity(Identity),
    /// The first try may lack the right to enter, as root without CAP_DAC_OVERRIDE does; the last not.
    WorkingDirectory {
        path: CString,
        last: bool,
    },
    FindHome {
        uid: u32,
    },
    FindProgram(Program),

    // the end
    /// Mounts, namespaces and cgroups are as they will be: what follows changes init alone.
    InPlace,
    /// Nothing is left open or set up that the program must not find.
    Settle,
    Ready,
    AwaitStart(Slot),
    AwaitOrder,
    Execute,
}

/// A filesystem that is made new (or, like proc, a view of one).
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct FsMount {
    pub kind: CString,
    pub source: CString,
    pub target: InRoot,
    /// Options for the filesystem; those without a value are flags.
    pub options: Vec<(CString, Option<CString>)>,
    /// SELinux's label of its root, for what cannot be mounted with one.
    pub label: Option<CString>,
    /// The same options and flags for mount(2), where the new API is not to be had.
    pub data: CString,
    pub attrs: u64,
    /// What only mount(2) takes, and no filesystem that has another way needs.
    pub superblock: u64,
    pub propagation: u64,
    /// proc and sysfs must not be mounted through a link or on a file (CVE-2019-19921).
    pub strict_target: bool,
    /// No new mount: the one that is there gets these flags and options.
    pub remount: bool,
    /// Copy what the mount will cover into it first.
    pub copy_up: bool,
    /// What `/dev` gets before anyone can see it; the directories are what is mounted on next.
    pub dirs: Vec<CString>,
    pub nodes: Vec<(CString, Node)>,
    pub links: Vec<(CString, CString)>,
    /// When no mode is asked for, a tmpfs takes that of the directory it covers.
    pub inherit_mode: bool,
    /// sysfs cannot be mounted by a user namespace that does not own the network namespace: then the
    /// host's is bound.
    pub bind_fallback: Option<CString>,
}

impl FsMount {
    /// Its name, where the target is directly in /dev.
    pub fn name_in_dev(&self) -> Option<&CStr> {
        let name = self.target.0.to_bytes_with_nul().strip_prefix(b"dev/")?;
        CStr::from_bytes_with_nul(name).ok().filter(|name| !name.to_bytes().contains(&b'/'))
    }

    /// Nothing is to be done to it before or after it is mounted.
    pub fn is_plain(&self) -> bool {
        let filled = !(self.dirs.is_empty() && self.nodes.is_empty() && self.links.is_empty());
        !(filled || self.copy_up || self.inherit_mode)
            && self.propagation == 0
            && !self.remount
            && self.bind_fallback.is_none()
            && self.label.is_none()
    }
}

/// A host file or directory that appears in the container.
#[derive(Debug, Serialize, Deserialize)]
pub struct BindMount {
    pub source: Source,
    pub target: InRoot,
    pub depth: Depth,
    /// The parent has to do it, for a source that only init can open.
    pub idmap: Option<IdMapped>,
    /// The mount alone.
    pub attr: Attr,
    /// What clears the flags of the source that a list of flags does not name, where that is allowed.
    pub unnamed: Attr,
    /// Flags that `attr` clears, and must not find on the source.
    pub locked: u64,
    /// The access-time mode that the source must have already.
    pub access_time: Option<u64>,
    /// It and all mounts below it (`rro` and its family).
    pub tree_attr: Attr,
    pub propagation: (u64, Depth),
}

impl BindMount {
    /// What a bind puts on /proc has to be a procfs: the runtime and LSMs trust it (CVE-2019-16884).
    pub fn is_proc(&self) -> bool {
        self.target.0.as_bytes() == b"proc"
    }
}

/// The user namespace that carries a mount's maps.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct IdMapped {
    pub slot: Slot,
    pub depth: Depth,
}

/// Where a bind mount comes from.
#[derive(Debug, Serialize, Deserialize)]
pub enum Source {
    Path(CString),
    /// What earlier mounts have put into the root, or the image has there.
    InRoot(InRoot),
    /// The parent has opened it: init, in its user namespace, may not be able to.
    Opened(Slot),
}

/// `/sys/fs/cgroup` as the container sees it.
#[derive(Debug, Serialize, Deserialize)]
pub struct CgroupTree {
    pub target: InRoot,
    pub attr: Attr,
    /// SELinux's label of the directory that holds them.
    pub label: Option<CString>,
    pub hierarchies: Vec<CgroupDir>,
    pub links: Vec<(CString, CString)>,
}

/// A directory of the host in a cgroup tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CgroupDir {
    pub path: CString,
    /// Shown where the first is not there: a rootless container may be without a cgroup of its own.
    pub otherwise: Option<CString>,
    /// Its name below the target; without one it is the target.
    pub name: CString,
}

/// A device node or fifo.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// Type and permissions.
    pub mode: u32,
    pub device: u64,
    pub uid: u32,
    pub gid: u32,
}

/// Who the process becomes.
#[derive(Debug, Serialize, Deserialize)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    /// None: setgroups(2) is not to be had here, and nothing is changed.
    pub groups: Option<Vec<u32>>,
    pub umask: Option<u32>,
    /// By init itself, as the parent, which reads the rest back, numbers them otherwise.
    pub read_back: bool,
    pub caps: Option<CapPlan>,
}

/// The five sets. Without one at all the process keeps what the kernel gives its ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapPlan {
    pub bounding: CapSet,
    pub sets: Caps,
    pub ambient: CapSet,
}

/// How args[0] is found.
#[derive(Debug, Serialize, Deserialize)]
pub struct Program {
    /// In this order; one entry when args[0] has a slash.
    pub candidates: Vec<CString>,
    pub searched: bool,
}

/// A seccomp program as numbers: the instruction is a type of the crate libc.
mod filter {
    use std::vec::Vec;

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::sys::process::BpfInstruction;

    type Numbers = (u16, u8, u8, u32);

    pub(super) fn serialize<S: Serializer>(program: &[BpfInstruction], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(program.iter().map(|i| (i.code, i.jt, i.jf, i.k)))
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Vec<BpfInstruction>, D::Error> {
        let numbers = Vec::<Numbers>::deserialize(from)?;
        Ok(numbers.into_iter().map(|(code, jt, jf, k)| BpfInstruction { code, jt, jf, k }).collect())
    }
}
