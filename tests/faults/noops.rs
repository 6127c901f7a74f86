// SPDX-License-Identifier: Apache-2.0
//! A filter around the runtime that answers 0 (SCMP_ACT_ERRNO with errnoRet 0) makes a call into nothing: one that the
//! safety of a container rests on must be found out, or not have been needed.

use crate::call::Call;
use crate::harness::Container;
use crate::inject::Act;
use crate::points::Point;
use crate::subject::{Subject, Verb, rich};
use crate::sweep::{calls_of, hit};
use crate::tally::Tally;

/// Who a process is and what it may. What it sees, mounts and cgroups, is told by `rest`.
fn is_of_identity(call: &Call) -> bool {
    const AMBIENT_AND_BOUNDING: [u64; 3] =
        [libc::PR_CAPBSET_DROP as u64, libc::PR_CAP_AMBIENT as u64, libc::PR_SET_NO_NEW_PRIVS as u64];
    match call.number {
        libc::SYS_setresuid
        | libc::SYS_setresgid
        | libc::SYS_setgroups
        | libc::SYS_capset
        | libc::SYS_seccomp
        | libc::SYS_pivot_root
        | libc::SYS_umount2
        | libc::SYS_unshare
        | libc::SYS_setns => true,
        libc::SYS_prctl => AMBIENT_AND_BOUNDING.contains(&call.args[0]),
        _ => false,
    }
}

fn each(name: &str, c: Container, verb: Verb, is_meant: fn(&Call) -> bool) {
    let mut subject = Subject::new(c, verb);
    let mut tally = Tally::new(&format!("no-ops in {name}"));
    let mut noticed = 0;
    for call in calls_of(&mut subject).into_iter().filter(is_meant) {
        let point = Point { call, act: Act::Nothing };
        let Some(done) = hit(&mut subject, &point, &mut tally) else { continue };
        noticed += usize::from(done.code != 0);
        println!("no-ops in {name}: {}: {}", point.call, if done.code == 0 { "goes on" } else { "noticed" });
        subject.judge(&done, &format!("{} does nothing", point.call), &mut tally);
    }
    println!("no-ops in {name}: {noticed} noticed");
    tally.close();
}

#[test]
fn create() {
    each("create", rich(), Verb::Create, is_of_identity);
}

#[test]
fn exec() {
    each("exec", rich(), Verb::Exec, is_of_identity);
}

#[test]
fn create_in_a_user_namespace() {
    let c = rich().userns().set("/linux/devices", serde_json::json!([]));
    each("create in a user namespace", c, Verb::Create, is_of_identity);
}
