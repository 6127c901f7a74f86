// SPDX-License-Identifier: Apache-2.0
//! A filter around the runtime that answers 0 (SCMP_ACT_ERRNO with errnoRet 0) makes a call into nothing: one that the
//! safety of a container rests on must be found out, or not have been needed.

use std::collections::BTreeSet;

use crate::call::Call;
use crate::harness::{Container, is_v2};
use crate::inject::Act;
use crate::points::Point;
use crate::rich::rich;
use crate::subject::{Subject, Verb};
use crate::sweep::{calls_of, hit};
use crate::tally::{Bad, Tally};
use crate::whole::{Seeded, bounded};

/// Who a process is, what it may, where its root, its mounts, its namespaces and cgroups are, who may look into it.
fn kind(call: &Call) -> Option<&'static str> {
    let [first, second, third, ..] = call.args;
    let is = |option: i32| first == u64::from(option.cast_unsigned());
    Some(match call.number {
        libc::SYS_setresuid => "setresuid",
        libc::SYS_setresgid => "setresgid",
        libc::SYS_setgroups => "setgroups",
        libc::SYS_capset => "capset",
        libc::SYS_prctl if is(libc::PR_CAPBSET_DROP) => "bounding set",
        libc::SYS_prctl if is(libc::PR_CAP_AMBIENT) => "ambient set",
        libc::SYS_prctl if is(libc::PR_SET_NO_NEW_PRIVS) => "no_new_privs",
        libc::SYS_prctl if is(libc::PR_SET_DUMPABLE) && second == 0 => "dumpable",
        libc::SYS_seccomp => "seccomp",
        libc::SYS_pivot_root => "pivot_root",
        libc::SYS_chroot => "chroot",
        libc::SYS_umount2 => "umount2",
        libc::SYS_unshare => "unshare",
        libc::SYS_setns => "setns",
        libc::SYS_mount => "mount",
        libc::SYS_move_mount => "move_mount",
        libc::SYS_mount_setattr => "mount_setattr",
        libc::SYS_sethostname => "sethostname",
        libc::SYS_keyctl if first == KEYCTL_JOIN_SESSION_KEYRING => "keyring",
        libc::SYS_setsid => "setsid",
        libc::SYS_prlimit64 if third != 0 => "prlimit",
        libc::SYS_fcntl if second == u64::from(libc::F_ADD_SEALS.cast_unsigned()) => "seals",
        libc::SYS_write if call.place.process > 0 && third == 1 => "cgroup",
        _ => return None,
    })
}

const KEYCTL_JOIN_SESSION_KEYRING: u64 = 1;

/// What the container's program cannot tell: to go on is wrong.
const UNSEEN: [&str; 3] = ["keyring", "seals", "setsid"];

/// Each call in turn; the kinds of those that were noticed.
fn each(name: &str, mut subject: Subject) -> BTreeSet<&'static str> {
    let mut tally = Tally::new(&format!("no-ops in {name}"));
    let mut noticed = BTreeSet::new();
    let mut session = false;
    let of_kind = |call: Call| {
        let kind = kind(&call)?;
        session |= kind == "setsid";
        // Init's "0" into each `tasks` file comes before that; a sysctl may be as short.
        (kind != "cgroup" || !session).then_some((kind, call))
    };
    // One capability is like the other.
    let (drops, mut calls): (Vec<_>, Vec<_>) =
        calls_of(&mut subject).into_iter().filter_map(of_kind).partition(|(kind, _)| *kind == "bounding set");
    calls.extend(Seeded::new(name).choose(drops, bounded(3, usize::MAX)));
    let (all, mut refused) = (calls.len(), 0);
    for (kind, call) in calls {
        let point = Point { call, act: Act::Nothing };
        let Some(done) = hit(&mut subject, &point, &mut tally) else {
            // Another call is there now: of this one nothing is known.
            noticed.insert(kind);
            continue;
        };
        if done.code == 0 {
            println!("no-ops in {name}: {} ({kind}): goes on", point.call);
            if UNSEEN.contains(&kind) {
                tally.bad(Bad::Wrong, format!("{} ({kind}): goes on", point.call));
            }
        } else {
            refused += 1;
            noticed.insert(kind);
            println!("no-ops in {name}: {} ({kind}): noticed: {}", point.call, done.stderr().trim());
        }
        subject.judge(&done, &format!("{} does nothing", point.call), &mut tally);
    }
    println!("no-ops in {name}: {refused} of {all} noticed: {noticed:?}");
    tally.close();
    noticed
}

/// What is made into nothing is never found out of these.
#[track_caller]
fn are_noticed(kinds: &[&str], noticed: &BTreeSet<&str>) {
    let missed: Vec<_> = kinds.iter().filter(|kind| !noticed.contains(*kind)).collect();
    assert!(!crate::harness::is_tare() || missed.is_empty(), "not noticed: {missed:?}");
}

const OF_A_PROCESS: [&str; 13] = [
    "setresuid",
    "setresgid",
    "setgroups",
    "capset",
    "bounding set",
    "ambient set",
    "no_new_privs",
    "dumpable",
    "seccomp",
    "keyring",
    "setsid",
    "prlimit",
    "seals",
];

#[test]
fn create() {
    let own = serde_json::json!({ "type": "cgroup" });
    let noticed = each("create", Subject::new(rich().namespace("cgroup", Some(own)), Verb::Create));
    are_noticed(&OF_A_PROCESS, &noticed);
    are_noticed(&["pivot_root", "unshare", "mount", "move_mount", "mount_setattr", "sethostname"], &noticed);
    are_noticed(if is_v2() { &[] } else { &["cgroup"] }, &noticed);
}

#[test]
fn create_without_pivot_root() {
    let noticed = each("create --no-pivot", Subject::with(rich(), Verb::Create, &["--no-pivot"]));
    are_noticed(&["chroot", "move_mount"], &noticed);
}

#[test]
fn exec() {
    let noticed = each("exec", Subject::new(rich(), Verb::Exec));
    are_noticed(&OF_A_PROCESS, &noticed);
    are_noticed(if is_v2() { &["setns"] } else { &["setns", "cgroup"] }, &noticed);
}

#[test]
fn create_in_a_user_namespace() {
    let c = rich().userns().set("/linux/devices", serde_json::json!([]));
    let noticed = each("create in a user namespace", Subject::new(c, Verb::Create));
    are_noticed(&["setresuid", "setresgid", "setgroups", "mount", "move_mount", "mount_setattr"], &noticed);
}
