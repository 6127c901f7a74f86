// SPDX-License-Identifier: Apache-2.0
//! A kernel without the newer syscalls, or an outer filter that does not know them: the container is the same.
use std::fs;
use std::process::Command;

use libc::{
    SYS_clone3, SYS_close_range, SYS_faccessat2, SYS_fsconfig, SYS_fsmount, SYS_fsopen, SYS_mount_setattr,
    SYS_move_mount, SYS_open_tree, c_long,
};
use serde_json::json;

use crate::harness::{
    Container, FdSocket, Terminal, finish, is_v2, mounts, only_tare, processes, wait_for, without,
};

/// The first five came with Linux 5.2, the last with 5.12.
const MOUNT_API: [c_long; 6] =
    [SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_open_tree, SYS_move_mount, SYS_mount_setattr];

/// The default config with binds of every kind, a tmpfs, a device and more to mask.
fn container() -> Container {
    let c = Container::new();
    fs::create_dir_all(c.path("dir/below")).unwrap();
    fs::write(c.path("dir/file"), "text\n").unwrap();
    fs::create_dir_all(c.rootfs("masked")).unwrap();
    fs::write(c.rootfs("masked/secret"), "secret\n").unwrap();
    let (dir, file) = (c.path("dir"), c.path("dir/file"));
    let device = json!({ "path": "/dev/own", "type": "c", "major": 1, "minor": 5, "fileMode": 0o640 });
    let tmpfs = ["nosuid", "noatime", "mode=1770", "size=64k"];
    c.bind(&dir, "/dir", &["bind"])
        .bind(&dir, "/new/ro", &["rbind", "ro", "nosuid", "nodev", "noexec"])
        .bind(&dir, "/slave", &["rbind", "rslave"])
        .bind(&file, "/etc/file", &["bind", "ro"])
        .mount(json!({ "destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": tmpfs }))
        .config(|c| {
            let more = ["/masked", "/dir/below", "/proc/version", "/nosuch"].map(|p| json!(p));
            c["linux"]["maskedPaths"].as_array_mut().unwrap().extend(more);
        })
        .set("/linux/devices", json!([device]))
        .set("/linux/sysctl", json!({ "net.ipv4.ip_forward": "1" }))
}

fn without_cgroups(c: Container) -> Container {
    c.config(|c| c["mounts"].as_array_mut().unwrap().retain(|m| m["type"] != "cgroup"))
}

/// How things are in the container, and below its mounts.
const LOOK: &str = r#"
    cat /proc/self/mountinfo; echo ----
    for d in /masked /dir/below /dir /new/ro /copied; do echo "$d:" $(ls $d 2>/dev/null); done
    for f in /etc/file /proc/version /dir/file; do echo "$f:" $(cat $f); done
    for p in /tmp /covered /dev /dev/null /dev/own /dev/ptmx /etc/file /new/ro; do
        stat -c '%n %F %a %u %t %T' $p 2>/dev/null; done
    ls /dev; ls -l /dev | grep -- '->' | sed 's/.* //'
    echo x >/dev/null && echo null
    for f in / /new/ro/ /etc/file /sys/ /proc/sys/ /masked/ /dir/below/; do touch "$f"x 2>&1; done
    cat /proc/sys/net/ipv4/ip_forward
    grep -E '^(Cap|NoNew)' /proc/self/status; ls /proc/self/fd | wc -l; pwd; id
"#;

/// Left out is what mount(2) gives another value that means the same: a mount's source, "ro" for the whole file system
/// beside that of the mount. Peer groups, whose numbers are the kernel's, are numbered as they come.
fn look(syscalls: &[c_long], container: Container) -> String {
    let c = container.sh(LOOK);
    let out = finish(without(syscalls, c.on("run", &[]))).ok().stdout();
    let (table, rest) = out.split_once("----\n").unwrap();
    let mut groups = Vec::new();
    // What the parent has opened was made before what init makes.
    let mut table: Vec<_> = mounts(table).collect();
    table.sort_by(|one, other| one.at.cmp(&other.at));
    let lines = table.into_iter().map(|m| {
        let propagation = m.propagation.iter().map(|group| {
            let Some((kind, number)) = group.split_once(':') else { return group.clone() };
            let known = groups.iter().position(|known| known == number);
            let place = known.unwrap_or_else(|| {
                groups.push(number.to_owned());
                groups.len() - 1
            });
            format!("{kind}:{place}")
        });
        let propagation: Vec<_> = propagation.collect();
        let data = m.data.trim_start_matches("ro").trim_start_matches("rw");
        format!("{:?} {:?} {:?} {} {data}\n", m.at, m.flags, propagation, m.fs)
    });
    lines.collect::<String>() + rest
}

#[track_caller]
fn is_the_same(syscalls: &[c_long], container: impl Fn() -> Container) {
    let (whole, without) = (look(&[], container()), look(syscalls, container()));
    let differ = |a: &str, b: &str| {
        a.lines().filter(|l| !b.lines().any(|m| m == *l)).fold(String::new(), |all, l| all + l + "\n")
    };
    let (more, less) = (differ(&without, &whole), differ(&whole, &without));
    assert!(whole == without, "without {syscalls:?}\nmore:\n{more}less:\n{less}");
}

#[test]
fn filter_answers_enosys() {
    let c = Container::new();
    let mut mkdir = Command::new("busybox");
    mkdir.arg("mkdir").arg(c.path("dir"));
    finish(without(&[libc::SYS_mkdir, libc::SYS_mkdirat], mkdir)).fails(1, "Function not implemented");
    let mut ls = Command::new("busybox");
    ls.arg("ls").arg(c.bundle());
    finish(without(&[libc::SYS_mkdir, libc::SYS_mkdirat], ls)).ok();
}

#[test]
fn without_the_mount_api() {
    only_tare!("runc 1.1 does not use it: this is about our fallbacks");
    is_the_same(&MOUNT_API, || without_cgroups(container()));
}

/// What mount_setattr does to mounts that are there already.
fn propagated(how: &str) {
    is_the_same(&MOUNT_API, || without_cgroups(container()).set("/linux/rootfsPropagation", json!(how)));
}

#[test]
fn propagation_without_the_mount_api() {
    only_tare!("as above");
    ["private", "slave", "rprivate", "rslave"].into_iter().for_each(propagated);
}

#[test]
fn shared_propagation_without_the_mount_api() {
    only_tare!("as above");
    ["shared", "rshared", "unbindable"].into_iter().for_each(propagated);
}

#[test]
fn remount_without_the_mount_api() {
    only_tare!("as above");
    let remount = |options: &[&str]| json!({ "destination": "/tmp", "type": "tmpfs", "options": options });
    is_the_same(&MOUNT_API, || without_cgroups(container()).mount(remount(&["remount", "ro", "noexec"])));
}

#[test]
fn no_pivot_without_the_mount_api() {
    only_tare!("as above");
    let run = |syscalls: &[c_long]| {
        let c = without_cgroups(container()).args(&["ls", "/", "/dir"]);
        finish(without(syscalls, c.on("run", &["--no-pivot"]))).ok().stdout()
    };
    assert_eq!(run(&MOUNT_API), run(&[]));
}

/// The flags of a whole tree are beyond mount(2): refused, rather than set on its top alone.
#[test]
fn recursive_flags_need_the_mount_api() {
    only_tare!("as above");
    let c = Container::new().bind("/sys".as_ref(), "/mnt", &["rbind", "rro"]);
    finish(without(&MOUNT_API, c.on("create", &[]))).fails(1, "function not implemented");
}

#[test]
fn cgroups_without_the_mount_api() {
    only_tare!("as above");
    is_the_same(&MOUNT_API, container);
}

#[test]
#[ignore = "tmpcopyup fills a filesystem before it is mounted: fsopen, on every kernel that tare runs on; an outer filter may hide it"]
fn tmpfs_over_something_without_the_mount_api() {
    only_tare!("as above");
    let over_something = || {
        let c = without_cgroups(container());
        fs::create_dir_all(c.rootfs("copied/below")).unwrap();
        fs::create_dir(c.rootfs("covered")).unwrap();
        let tmpfs = |at: &str, options: &[&str]| json!({ "destination": at, "type": "tmpfs", "source": "tmpfs", "options": options });
        c.mount(tmpfs("/copied", &["tmpcopyup", "ro"])).mount(tmpfs("/covered", &[]))
    };
    is_the_same(&MOUNT_API, over_something);
}

#[test]
fn without_open_tree() {
    only_tare!("as above");
    is_the_same(&[SYS_open_tree], || without_cgroups(container()));
}

/// Linux 5.2 to 5.11.
#[test]
fn without_mount_setattr() {
    only_tare!("as above");
    is_the_same(&[SYS_mount_setattr], container);
}

#[test]
#[ignore = "these calls came with one kernel; a filter that hides some of them is not known"]
fn without_one_call_of_the_mount_api() {
    only_tare!("as above");
    for call in MOUNT_API {
        is_the_same(&[call], || without_cgroups(container()));
    }
}

#[test]
fn without_close_range() {
    only_tare!("as above");
    is_the_same(&[SYS_close_range], container);
}

#[test]
fn without_faccessat2() {
    only_tare!("as above");
    is_the_same(&[SYS_faccessat2], container);
}

#[test]
fn without_clone3() {
    only_tare!("as above");
    is_the_same(&[SYS_clone3], container);
    let c = Container::new().up();
    let mut exec = c.on("exec", &[]);
    exec.arg("true");
    finish(without(&[SYS_clone3], exec)).ok();
}

#[test]
#[ignore = "the parent opens what init in its user namespace cannot: open_tree, on every kernel that tare runs on; an outer filter may hide it"]
fn user_namespace_without_the_mount_api() {
    only_tare!("as above");
    let no_device = |c: Container| c.set("/linux/devices", json!([]));
    is_the_same(&MOUNT_API, || no_device(without_cgroups(container())).userns());
}

#[test]
fn life_with_a_terminal() {
    only_tare!("as above");
    let calls = [MOUNT_API.as_slice(), &[SYS_close_range, SYS_faccessat2]].concat();
    let old = |cmd| finish(without(&calls, cmd));
    let c = without_cgroups(container()).sh("tty; ls -l /dev/console; exec sleep 1000");
    let c = c.set("/process/terminal", json!(true));
    let socket = FdSocket::bind(c.bundle());
    old(c.on("create", &["--console-socket", socket.arg()])).ok();
    let terminal = Terminal::new(socket.receive().1);
    old(c.on("start", &[])).ok();
    terminal.expect("/dev/pts/0\r\ncrw");
    let mut exec = c.on("exec", &["--user", "1000"]);
    exec.args(["sh", "-c", "cat /dir/file; id -u; ls /proc/self/fd | wc -l"]);
    assert_eq!(old(exec).ok().stdout(), "text\n1000\n4\n");
    let mut exec = c.on("exec", &["--tty", "--detach", "--console-socket", socket.arg()]);
    exec.args(["sh", "-c", "tty; exec sleep 1000"]);
    old(exec).ok();
    Terminal::new(socket.receive().1).expect("/dev/pts/1");
    old(c.runtime(["kill", &c.id, "KILL"])).ok();
    c.wait_status("stopped");
    old(c.on("delete", &[])).ok();
}

#[test]
fn without_fchmodat2() {
    only_tare!("as above");
    is_the_same(&[libc::SYS_fchmodat2], container);
}

/// Init says why, though the parent would give it its cgroups meanwhile.
#[test]
fn a_network_namespace_that_cannot_be_made() {
    only_tare!("runc makes all of them with another call");
    let c = container();
    let out = finish(without(&[libc::SYS_unshare], c.on("run", &[])));
    out.fails(
        1,
        "unable to make a new network namespace (config.json: /linux/namespaces): function not implemented",
    );
    assert_eq!(c.left(), [""; 0]);
}

/// A call that is not there is asked for once, not once a mount: each process of tare's has its own trace.
#[test]
fn newer_calls_are_asked_for_once() {
    only_tare!("as above");
    let calls = ["fsopen", "open_tree", "move_mount", "mount_setattr", "clone3", "close_range"];
    let absent = [MOUNT_API.as_slice(), &[SYS_clone3, SYS_close_range]].concat();
    let c = without_cgroups(container()).args(&["true"]);
    let traces = c.path("traces");
    fs::create_dir(&traces).unwrap();
    let run = c.on("run", &[]);
    let mut strace = Command::new("strace");
    strace.args(["-ff", "-qq", "-e", &format!("trace={},execve,execveat", calls.join(",")), "-o"]);
    strace.arg(traces.join("of")).arg(run.get_program()).args(run.get_args());
    strace.current_dir(run.get_current_dir().unwrap());
    finish(without(&absent, strace)).ok();
    let mut asked = Vec::new();
    for trace in fs::read_dir(traces).unwrap() {
        let trace = fs::read_to_string(trace.unwrap().path()).unwrap();
        // The sealed copy is a program that begins anew.
        for program in trace.split("execveat(") {
            for call in calls {
                let refused = |line: &&str| line.starts_with(&format!("{call}(")) && line.contains("ENOSYS");
                let times = program.lines().filter(refused).count();
                assert!(times <= 1, "{call}: {program}");
                asked.extend((times == 1).then_some(call));
            }
        }
    }
    // There is no mount to move when none could be made.
    assert!(calls.iter().all(|call| asked.contains(call) || *call == "move_mount"), "{asked:?}");
}

/// No pid is signalled that may be another's by then: there is no other way, and nobody is hit.
#[test]
fn pidfd_open_is_needed() {
    only_tare!("as above");
    let c = Container::new().up();
    let mut exec = c.on("exec", &[]);
    exec.arg("true");
    for command in [c.on("kill", &[]), exec, c.on("delete", &["--force"])] {
        let out = finish(without(&[libc::SYS_pidfd_open], command));
        assert!(out.code != 0 && out.stderr().contains("function not implemented"), "{}", out.stderr());
        assert_eq!(c.status(), "running");
    }
}

/// Before Linux 5.14, and where there is no v2 hierarchy at all: each process of the cgroup is killed.
#[test]
fn without_cgroup_kill() {
    only_tare!("as above");
    if is_v2() {
        eprintln!("on v2 alone nothing can hide the file");
        return;
    }
    let c = Container::new().namespace("pid", None).sh("sleep 1000 & sleep 1000 & exec sleep 1000");
    c.run(&["--detach"]).ok();
    wait_for("three processes", || (processes(&c.id).len() == 3).then_some(()));
    let mut kill = c.on("kill", &[]);
    kill.arg("KILL");
    // Its own v2 cgroup in the place of the root of all: there is none of that name in it.
    let hide = format!("v2=/sys/fs/cgroup/unified; [ ! -d $v2 ] || mount --bind $v2/{} $v2", c.id);
    let mut hidden = Command::new("unshare");
    hidden.args(["--mount", "sh", "-c", &format!("{hide} && exec \"$0\" \"$@\"")]);
    hidden.arg(kill.get_program()).args(kill.get_args()).current_dir(kill.get_current_dir().unwrap());
    finish(hidden).ok();
    wait_for("their end", || processes(&c.id).is_empty().then_some(()));
}

/// Paths of the image are safe by it alone: there is no other way, and nothing is begun.
#[test]
fn openat2_is_needed() {
    only_tare!("as above");
    let c = Container::new();
    finish(without(&[libc::SYS_openat2], c.on("create", &[]))).fails(1, "function not implemented");
}
