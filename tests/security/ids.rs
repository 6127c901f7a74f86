// SPDX-License-Identifier: Apache-2.0
//! Who the process becomes: CVE-2016-3697, CVE-2016-8867, CVE-2022-2989, CVE-2022-29162, CVE-2023-25173, CVE-2024-40635,
//! CVE-2026-30892, CVE-2026-46680. crun 1.8.1 starts uid 4294967295 as root.

use std::fs;
use std::process::Command;

use serde_json::json;

use crate::harness::{Container, finish, without};
use crate::verdict::{refused, says_no};

const ME: &[&str] = &["grep", "-E", "Uid|Gid|Groups|CapInh|CapAmb", "/proc/self/status"];

/// `exec --user TEXT`: exactly these ids, or no process.
#[test]
fn user_of_exec_is_a_number_or_nothing() {
    let c = Container::new().up();
    for (text, ids) in [
        ("1", Some((1_u32, 0))),
        ("1:2", Some((1, 2))),
        ("0:7", Some((0, 7))),
        ("01", Some((1, 0))),
        ("4294967294", Some((4_294_967_294, 0))),
        ("4294967295", None),
        ("4294967296", None),
        ("4294967297", None),
        ("1:4294967295", None),
        ("2147483648", Some((2_147_483_648, 0))),
        ("18446744073709551616", None),
        ("-1", None),
        (" 1", None),
        ("1 ", None),
        ("1:", None),
        (":1", None),
        ("1:2:3", None),
        ("0x1", None),
        ("1e3", None),
        ("1.0", None),
        ("root", None),
        ("one", None),
        ("\u{661}", None),
    ] {
        let out = c.exec(&["--user", text], &["sh", "-c", "echo $(id -u) $(id -g)"]);
        match ids {
            Some((uid, gid)) => {
                assert_eq!(out.stdout(), format!("{uid} {gid}\n"), "{text:?} {}", out.stderr())
            }
            None => says_no(&out, "id"),
        }
    }
}

/// The image's passwd and group decide nothing: a number is a number (CVE-2016-3697), and no group is added.
#[test]
fn files_of_the_image_make_nobody_root() {
    let c = Container::new();
    fs::create_dir(c.rootfs("etc")).unwrap();
    let passwd = "1000:x:0:0::/:/bin/sh\nroot:x:1000:0::/:/bin/sh\n";
    fs::write(c.rootfs("etc/passwd"), passwd).unwrap();
    fs::write(c.rootfs("etc/group"), "1000:x:0:1000,root\nwheel:x:0:1000\n").unwrap();
    let c = c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let c = c.args(&["sleep", "1000"]);
    c.run(&["--detach"]).ok();
    let uids = |out: &str| out.split_whitespace().take(10).map(str::to_owned).collect::<Vec<_>>().join(" ");
    let want = "Uid: 1000 1000 1000 1000 Gid: 1000 1000 1000 1000";
    assert_eq!(
        uids(
            &fs::read_to_string(format!("/proc/{}/status", c.pid()))
                .unwrap()
                .lines()
                .filter(|l| l.starts_with("Uid") || l.starts_with("Gid"))
                .collect::<Vec<_>>()
                .join("\n")
        ),
        want
    );
    for flags in [&["--user", "1000:1000"][..], &[]] {
        let out = c.exec(flags, ME).ok().stdout();
        assert_eq!(uids(&out), want, "{flags:?}");
        assert!(out.lines().any(|l| l.trim_end() == "Groups:"), "{out}");
    }
}

/// -1 is "leave as it is" to setresuid(2), which is root; what is larger does not fit.
#[test]
fn ids_that_are_minus_one_are_refused() {
    for field in ["uid", "gid"] {
        for id in [
            json!(4_294_967_295_u32),
            json!(4_294_967_296_u64),
            json!(-1),
            json!(1.5),
            json!("0"),
            json!(1e3),
        ] {
            refused(&Container::new().set(&format!("/process/user/{field}"), id), field);
        }
    }
    for gid in [json!(4_294_967_295_u32), json!(4_294_967_296_u64), json!(-1)] {
        refused(&Container::new().set("/process/user/additionalGids", json!([gid])), "additionalGids");
    }
    for mask in [json!(0o1000), json!(4_294_967_295_u32), json!(-1)] {
        refused(&Container::new().set("/process/user/umask", mask), "umask");
    }
    for (field, id) in
        [("containerID", 4_294_967_295_u32), ("hostID", 4_294_967_295), ("size", 0), ("size", 4_294_967_295)]
    {
        for map in ["uidMappings", "gidMappings"] {
            let c = Container::new().userns().set(&format!("/linux/{map}/0/{field}"), json!(id));
            refused(&c, &format!("/linux/{map}"));
        }
    }
}

#[test]
fn large_ids_are_themselves() {
    for id in [2_147_483_647_u32, 2_147_483_648, 4_294_967_294] {
        let c =
            Container::new().set("/process/user", json!({ "uid": id, "gid": id, "additionalGids": [id] }));
        let out = c.sh("id -u; id -g; grep Groups /proc/self/status").says();
        assert_eq!(out.split_whitespace().collect::<Vec<_>>().join(" "), format!("{id} {id} Groups: {id}"));
    }
}

/// As configured, never those of who calls (CVE-2022-2989): root with groups 0 and 10.
#[test]
fn groups_are_those_of_the_config() {
    for (list, want) in
        [(json!([]), "Groups:"), (json!([5]), "Groups: 5"), (json!([10, 0, 7]), "Groups: 0 7 10")]
    {
        let c = Container::new()
            .set("/process/user", json!({ "uid": 1000, "gid": 1000, "additionalGids": list }));
        let c = c.args(&["grep", "Groups", "/proc/self/status"]);
        let run = c.on("run", &[]);
        let mut setpriv = Command::new("setpriv");
        setpriv
            .args(["--groups", "0,10", "--"])
            .arg(run.get_program())
            .args(run.get_args())
            .current_dir(c.bundle());
        let out = finish(setpriv).ok().stdout();
        assert_eq!(out.split_whitespace().collect::<Vec<_>>().join(" "), want);
    }
}

/// CVE-2022-29162 and its seven relatives: nothing inheritable or ambient that nobody asked for.
#[test]
fn capability_of_exec_is_not_inheritable() {
    let c = Container::new().config(|c| {
        c["process"]["capabilities"]["bounding"] = json!(["CAP_NET_RAW", "CAP_KILL"]);
    });
    let c = c.up();
    for flags in [
        &["--cap", "CAP_NET_RAW", "--user", "1000"][..],
        &["--cap", "CAP_NET_RAW"],
        &["--cap", "CAP_NET_RAW", "--cap", "CAP_SYS_ADMIN", "--user", "1000:1000"],
        &["--user", "1000"],
    ] {
        let out = c.exec(flags, ME).ok().stdout();
        for set in ["CapInh", "CapAmb"] {
            assert!(out.contains(&format!("{set}:\t0000000000000000")), "{flags:?}: {out}");
        }
    }
    for cap in ["CAP_NOT_THERE", "net_raw_", "-1", ""] {
        let out = c.exec(&["--cap", cap], &["true"]);
        if out.code != 0 {
            says_no(&out, cap);
        }
    }
}

/// A file of the image with inheritable capabilities gives nothing to who has none.
#[test]
fn capabilities_of_a_file_are_not_inherited() {
    let c = Container::new().writable().config(|c| c["process"]["noNewPrivileges"] = json!(false));
    fs::create_dir(c.rootfs("cap")).unwrap();
    fs::copy("/bin/busybox", c.rootfs("cap/busybox")).unwrap();
    // security.capability, revision 2: permitted none, inheritable CAP_NET_RAW (13), effective on.
    let cap: [u8; 20] = [1, 0, 0, 2, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let path = std::ffi::CString::new(c.rootfs("cap/busybox").to_str().unwrap()).unwrap();
    // SAFETY: two strings and a buffer that outlive the call.
    let rc = unsafe {
        libc::setxattr(path.as_ptr(), c"security.capability".as_ptr(), cap.as_ptr().cast(), cap.len(), 0)
    };
    if rc != 0 {
        return eprintln!("skipped: the file system here takes no capabilities of files");
    }
    let c = c.set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
    let c = c.args(&["/cap/busybox", "grep", "CapEff", "/proc/self/status"]);
    assert_eq!(c.says(), "CapEff:\t0000000000000000");
}

/// Calls that are refused, as in a strict container around us: the start ends, it does not go on as root.
#[test]
fn what_does_not_become_so_is_no_start() {
    for call in [
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
        libc::SYS_capset,
        libc::SYS_prctl,
        libc::SYS_pivot_root,
        libc::SYS_sethostname,
        libc::SYS_setsid,
        libc::SYS_chdir,
    ] {
        let c = Container::new().set("/process/user", json!({ "uid": 1000, "gid": 1000 }));
        let c = c.args(&["echo", "started"]);
        let out = finish(without(&[call], c.on("run", &[])));
        assert_eq!(out.stdout(), "", "system call {call}");
        assert_ne!(out.code, 0, "system call {call}");
    }
}
