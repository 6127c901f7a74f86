// SPDX-License-Identifier: Apache-2.0
//! Are init's mounts what the plan asks for: there, with the flags that take rights away, and without peers on the host?
//!
//! Read from its mountinfo, in one pass for all of them. What is mounted through a link of the image is not under the
//! plan's name there, and a path to mask may not exist: only then is a path looked up under init's root.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::proc;
use crate::host::cgroup::unescape;
use crate::plan::Plan;
use crate::step::{InRoot, Planned, Step};
use crate::sys::fs::{O_DIRECTORY, O_PATH, Resolve, mount_flags, openat2};
use crate::sys::mount::{ATTR_NODEV, ATTR_NOEXEC, ATTR_NOSUID, ATTR_NOSYMFOLLOW, ATTR_RDONLY, Depth};
use crate::sys::{self, Errno};

/// Those that take a right away; statfs(2) numbers all but the last as mount_setattr(2) does.
const FLAGS: [(&[u8], u64); 5] = [
    (b"ro", ATTR_RDONLY),
    (b"nosuid", ATTR_NOSUID),
    (b"nodev", ATTR_NODEV),
    (b"noexec", ATTR_NOEXEC),
    (b"nosymfollow", ATTR_NOSYMFOLLOW),
];
const STATFS: u64 = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV | ATTR_NOEXEC;

/// Kinds of peer groups that a mount must not be in.
type Peers = &'static [&'static [u8]];

fn peers(propagation: u64) -> Peers {
    match propagation {
        libc::MS_PRIVATE => &[b"shared:", b"master:"],
        libc::MS_SLAVE => &[b"shared:"],
        _ => &[],
    }
}

/// The mounts of a plan, by their place in the container.
pub(super) struct Wanted<'p>(BTreeMap<Vec<u8>, Mount<'p>>);

struct Mount<'p> {
    /// The last step that has a say.
    planned: &'p Planned,
    /// So many on top of each other; and those that are left out where there is nothing to put them on.
    sure: usize,
    perhaps: usize,
    flags: u64,
    peers: Peers,
    seen: Vec<Seen>,
}

/// A line of mountinfo.
struct Seen {
    id: u64,
    parent: u64,
    good: bool,
}

impl Mount<'_> {
    fn missing(&self) -> usize {
        (self.sure + self.perhaps).saturating_sub(self.seen.len())
    }

    /// The topmost has no other on it. Lines come in the order in which mounts were made, which is not that in which
    /// they were attached: the parent may have made a bind before. Where what is above covers some, the last counts.
    fn good(&self) -> bool {
        let is_top = |one: &&Seen| self.seen.iter().all(|other| other.parent != one.id);
        self.seen.iter().rev().find(is_top).is_some_and(|top| top.good)
    }

    /// `absent`: that accounts for all that are missing.
    fn is_there(&self, absent: bool) -> bool {
        let left_out = absent && self.seen.is_empty() && self.sure == 0 && self.perhaps > 0;
        left_out || (self.missing() == 0 && self.good())
    }
}

impl<'p> Wanted<'p> {
    pub(super) fn of(plan: &'p Plan) -> Wanted<'p> {
        let mut all = Wanted(BTreeMap::new());
        let mut of_root: Peers = &[];
        for planned in &plan.steps {
            match &planned.step {
                // A hook may have changed what was there before it.
                Step::Hooks(_) => all.0.retain(|at, _| at == b"/"),
                Step::SetPropagation { propagation, depth } => {
                    of_root = peers(*propagation);
                    if *depth == Depth::Tree {
                        all.0.values_mut().for_each(|mount| mount.peers = of_root);
                    }
                    if let Some(root) = all.0.get_mut(b"/".as_slice()) {
                        (root.planned, root.peers) = (planned, of_root);
                    }
                }
                Step::OpenRoot { .. } => {
                    // What the parent has cloned for a user namespace is a slave of the host's at first.
                    let of_root: Peers = if of_root.is_empty() { &[] } else { peers(libc::MS_SLAVE) };
                    all.add(&InRoot(c".".into()), planned, (0, of_root));
                }
                // It names all of the flags.
                Step::Mount(fs) if fs.remount => all.on(&fs.target, planned).flags = fs.attrs,
                Step::Mount(fs) => all.add(&fs.target, planned, (fs.attrs, peers(fs.propagation))),
                Step::Bind(bind) => {
                    let flags = bind.attr.set | bind.tree_attr.set;
                    all.add(&bind.target, planned, (flags, peers(bind.propagation.0)));
                }
                Step::CgroupTree(tree) => {
                    all.add(&tree.target, planned, (tree.attr.set, &[]));
                    for dir in tree.hierarchies.iter().filter(|dir| !dir.name.is_empty()) {
                        all.add(&below(&tree.target, &dir.name), planned, (tree.attr.set, &[]));
                    }
                }
                Step::BindDevice { path, .. } => all.add(path, planned, (0, &[])),
                Step::Terminal { .. } if all.0.contains_key(b"/".as_slice()) => {
                    all.add(&InRoot(c"dev/console".into()), planned, (0, &[]));
                }
                Step::Mask { path, .. } => {
                    let mount = all.on(path, planned);
                    (mount.perhaps, mount.flags, mount.peers) = (mount.perhaps + 1, 0, &[]);
                }
                Step::MakeReadonly(path) => {
                    let mount = all.on(path, planned);
                    (mount.perhaps, mount.flags) = (mount.perhaps + 1, mount.flags | ATTR_RDONLY);
                }
                Step::Remount { path, attr } => all.on(path, planned).flags |= attr.set,
                _ => {}
            }
        }
        all
    }

    fn on(&mut self, path: &InRoot, planned: &'p Planned) -> &mut Mount<'p> {
        let path = if path.0.as_bytes() == b"." { b"" } else { path.0.as_bytes() };
        let none = Mount { planned, sure: 0, perhaps: 0, flags: 0, peers: &[], seen: Vec::new() };
        let mount = self.0.entry([b"/", path].concat()).or_insert(none);
        mount.planned = planned;
        mount
    }

    fn add(&mut self, path: &InRoot, planned: &'p Planned, (flags, peers): (u64, Peers)) {
        let mount = self.on(path, planned);
        (mount.sure, mount.flags, mount.peers) = (mount.sure + 1, flags, peers);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The step that is not in force, if there is one. `absent`: so many paths were not there to be covered.
    pub(super) fn compare(
        mut self,
        mountinfo: BorrowedFd<'_>,
        pid: i32,
        absent: usize,
    ) -> sys::Result<Option<&'p Planned>> {
        let mut text = Vec::new();
        loop {
            let start = text.len();
            text.resize(start + 4096, 0);
            let n = sys::fs::read(mountinfo, &mut text[start..])?;
            text.truncate(start + n);
            let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
            text[..whole].split(|byte| *byte == b'\n').for_each(|line| self.see(line));
            text.drain(..whole);
            // Mostly all is known before the end.
            if self.is_whole(absent) {
                return Ok(None);
            } else if n == 0 {
                return Ok(self.look(pid, absent));
            }
        }
    }

    fn all_absent(&self, absent: usize) -> bool {
        self.0.values().map(Mount::missing).sum::<usize>() == absent
    }

    fn is_whole(&self, absent: usize) -> bool {
        self.all_absent(absent) && self.0.values().all(|mount| mount.is_there(true))
    }

    /// A line of proc_pid_mountinfo(5).
    fn see(&mut self, line: &[u8]) {
        let mut words = line.split(|byte| *byte == b' ');
        let mut number = || std::str::from_utf8(words.next()?).ok()?.parse().ok();
        let (Some(id), Some(parent)) = (number(), number()) else { return };
        let mut words = words.skip(2);
        let (Some(at), Some(options)) = (words.next(), words.next()) else { return };
        let Some(mount) = self.0.get_mut(&unescape(at)) else { return };
        let set = |option: &[u8]| FLAGS.iter().find(|(name, _)| *name == option).map_or(0, |(_, flag)| *flag);
        let flags = options.split(|byte| *byte == b',').fold(0, |flags, option| flags | set(option));
        let all = FLAGS.iter().fold(0, |all, (_, flag)| all | flag);
        let mut groups = words.take_while(|word| *word != b"-");
        let peer = groups.any(|group| mount.peers.iter().any(|peers| group.starts_with(peers)));
        let good = mount.flags & all & !flags == 0 && !peer;
        mount.seen.push(Seen { id, parent, good });
    }

    /// Each that is not under its name.
    fn look(&self, pid: i32, absent: usize) -> Option<&'p Planned> {
        let absent = self.all_absent(absent);
        let mut bad = self.0.iter().filter(|(_, mount)| !mount.is_there(absent)).peekable();
        bad.peek()?;
        let root = sys::fs::open(&proc(pid, "root"), O_PATH | O_DIRECTORY);
        bad.find(|(at, mount)| !holds(root.as_ref().ok(), at, mount)).map(|(_, mount)| mount.planned)
    }
}

fn below(dir: &InRoot, name: &CStr) -> InRoot {
    InRoot(CString::new([dir.0.as_bytes(), b"/", name.to_bytes()].concat()).unwrap_or_default())
}

/// Where nobody can look, as an ordinary user at times, nothing is known against it.
fn holds(root: Option<&OwnedFd>, at: &[u8], mount: &Mount<'_>) -> bool {
    if !mount.seen.is_empty() && mount.missing() == 0 {
        // Under its name, and not as it should be; or under another mount of that name.
        return false;
    }
    let (Some(root), Ok(path)) = (root, CString::new(at)) else { return true };
    match openat2(root.as_fd(), &path, O_PATH, 0, Resolve::InRoot) {
        Ok(found) => {
            let flags = mount_flags(found.as_fd()).is_ok_and(|now| mount.flags & STATFS & !now == 0);
            let alone = mount.sure + mount.perhaps == 0;
            flags && (alone || sys::fs::is_mount_root(found.as_fd()).unwrap_or(true))
        }
        // Hidden by a later mount, or nothing to cover.
        Err(Errno::ENOENT | Errno::ENOTDIR) => mount.seen.len() >= mount.sure,
        Err(_) => true,
    }
}

/// Whatever the table of mounts.
#[cfg(fuzzing)]
pub fn fuzz(mountinfo: &[u8]) {
    let path = |path: &std::ffi::CStr| InRoot(path.into());
    let step = |step| Planned { step, place: String::new() };
    let steps = vec![step(Step::MakeReadonly(path(c"proc/sys"))), step(Step::MakeReadonly(path(c".")))];
    let mut plan = Plan::default();
    plan.steps = steps;
    let mut wanted = Wanted::of(&plan);
    mountinfo.split(|byte| *byte == b'\n').for_each(|line| wanted.see(line));
}
