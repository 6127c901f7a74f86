// SPDX-License-Identifier: Apache-2.0
//! Least privilege: what init holds as each of its system calls begins (ARCHITECTURE.md, "What init holds, when").

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::call::Call;
use crate::harness::only_tare;
use crate::inject::{Traced, watch};
use crate::rich::rich;
use crate::subject::{Subject, Verb};

/// Of one process, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    /// The lines of /proc/PID/status.
    status: BTreeMap<String, String>,
    /// Each descriptor, what it is open on, and whether exec closes it.
    fds: BTreeMap<i32, (String, bool)>,
    namespaces: BTreeMap<&'static str, String>,
    /// Files of /proc/PID belong to the host's root, whoever the process is.
    is_hidden: bool,
    root: Option<(u64, u64)>,
}

const NAMESPACES: [&str; 5] = ["pid", "net", "ipc", "uts", "mnt"];

impl Held {
    pub(crate) fn of(pid: i32) -> Self {
        let dir = format!("/proc/{pid}");
        let status = fs::read_to_string(format!("{dir}/status")).unwrap_or_default();
        let status = status.lines().filter_map(|line| line.split_once(":\t"));
        let fds = fs::read_dir(format!("{dir}/fd")).into_iter().flatten().flatten().filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let info = fs::read_to_string(format!("{dir}/fdinfo/{number}")).ok()?;
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:\t"))?;
            let closes = i32::from_str_radix(flags, 8).ok()? & libc::O_CLOEXEC != 0;
            Some((number, (fs::read_link(entry.path()).ok()?.to_str()?.to_owned(), closes)))
        });
        let root = fs::metadata(format!("{dir}/root/.")).ok();
        Self {
            status: status.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            fds: fds.collect(),
            namespaces: NAMESPACES.into_iter().map(|kind| (kind, namespace(&dir, kind))).collect(),
            is_hidden: fs::metadata(format!("{dir}/status")).is_ok_and(|meta| meta.uid() == 0),
            root: root.map(|meta| (meta.dev(), meta.ino())),
        }
    }

    fn capabilities(&self) -> [&str; 5] {
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(|set| self.status[set].as_str())
    }

    /// Beyond the standard streams.
    fn more(&self) -> Vec<&str> {
        self.fds.iter().filter(|(number, _)| **number > 2).map(|(_, (to, _))| to.as_str()).collect()
    }
}

fn namespace(dir: &str, kind: &str) -> String {
    fs::read_link(format!("{dir}/ns/{kind}")).map(|link| link.display().to_string()).unwrap_or_default()
}

/// The calls of init's own program, and what is held as they begin.
fn of_init(done: &Traced) -> Vec<(&Call, &Held)> {
    assert_eq!(done.code, 0, "{}", done.stderr());
    let all = done.calls.iter().zip(&done.held).filter(|(call, _)| call.place.process == 1);
    all.skip_while(|(call, _)| call.number != libc::SYS_execveat).skip(1).collect()
}

fn position(calls: &[(&Call, &Held)], what: impl Fn(&Call) -> bool) -> usize {
    calls.iter().rposition(|(call, _)| what(call)).unwrap()
}

fn is_prctl(call: &Call, option: i32, value: u64) -> bool {
    call.number == libc::SYS_prctl && call.args[..2] == [u64::from(option.cast_unsigned()), value]
}

/// KILL and NET_BIND_SERVICE in all five sets.
const CAPABILITIES: [&str; 5] = ["0000000000000420"; 5];

#[test]
fn as_each_call_begins() {
    only_tare!("this is about tare's init");
    let mut subject = Subject::new(rich(), Verb::Run);
    let rootfs = fs::metadata(subject.c.rootfs("")).unwrap().ino();
    let done = watch(subject.command());
    let calls = of_init(&done);
    let (_, first) = calls[0];
    // It makes its network namespace itself, before all else; and on a host of very many mounts (hack/crowd) the mounts'.
    let made = |flag: i32| {
        let makes = |call: &Call| call.number == libc::SYS_unshare && call.args[0] == flag as u64;
        calls.iter().position(|(call, _)| makes(call)).map(|n| calls[n + 1].1)
    };
    assert!(made(libc::CLONE_NEWNET).is_some());
    for kind in NAMESPACES {
        let held = match kind {
            "net" => made(libc::CLONE_NEWNET),
            "mnt" => made(libc::CLONE_NEWNS),
            _ => None,
        };
        let held = held.unwrap_or(first);
        assert_ne!(held.namespaces[kind], namespace("/proc/self", kind), "{kind}");
    }
    assert_eq!(first.capabilities()[2], Held::of(std::process::id().cast_signed()).capabilities()[2]);
    let pivot = position(&calls, |call| call.number == libc::SYS_chdir && call.path.as_deref() == Some("/"));
    let setuid = position(&calls, |call| call.number == libc::SYS_setresuid);
    let capset =
        position(&calls, |call| is_prctl(call, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE as u64));
    let settle = position(&calls, |call| is_prctl(call, libc::PR_SET_PDEATHSIG, 0));
    let seccomp = position(&calls, |call| call.number == libc::SYS_seccomp);
    assert!(pivot < setuid && setuid < capset && capset < settle && settle < seccomp);
    for (n, (call, held)) in calls.iter().enumerate() {
        if n > pivot {
            assert_eq!(held.root.unwrap().1, rootfs, "{call}");
        }
        if n > setuid {
            assert_eq!(held.status["Uid"], "1000\t1000\t1000\t1000", "{call}");
            assert!(held.is_hidden, "{call}");
        }
        if n > capset {
            assert_eq!(held.capabilities(), CAPABILITIES, "{call}");
        }
        if n > seccomp {
            assert_eq!(
                (held.status["Seccomp"].as_str(), held.status["NoNewPrivs"].as_str()),
                ("2", "1"),
                "{call}"
            );
            assert!([libc::SYS_read, libc::SYS_write, libc::SYS_execve].contains(&call.number), "{call}");
            let [channel] = held.more()[..] else { panic!("{call}: {:?}", held.more()) };
            assert!(channel.starts_with("socket:"), "{call}: {channel}");
        }
    }
    let (call, last) = calls.last().unwrap();
    assert_eq!(call.number, libc::SYS_execve);
    let stays = last.fds.iter().filter(|(_, (_, closes))| !closes).map(|(number, _)| *number);
    assert_eq!(stays.collect::<Vec<_>>(), [0, 1, 2]);
}

/// What may wait for days has no directory, no socket and no file of the host open.
#[test]
fn as_it_waits_for_start() {
    only_tare!("as above");
    let mut subject = Subject::new(rich(), Verb::Create);
    let done = watch(subject.command());
    let calls = of_init(&done);
    let (call, held) = calls.last().unwrap();
    assert_eq!(call.number, libc::SYS_read);
    let [fifo] = held.more()[..] else { panic!("{:?}", held.more()) };
    assert!(fifo.contains(&subject.c.id), "{fifo}");
    assert_eq!(held.capabilities(), CAPABILITIES);
    assert!(held.is_hidden);
    subject.clear("held", &mut crate::tally::Tally::new("held"));
}
