// SPDX-License-Identifier: Apache-2.0
//! Hooks are the host's: what the image says of an environment, a directory or a mask reaches none of them (CVE-2025-23266,
//! where a hook inherited LD_PRELOAD of the container).

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Container, after, finish};

const KINDS: [&str; 5] = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];

/// Prints what it has; `set` is the shell's, so env -0 of the kernel's own record is read.
const SCRIPT: &str = "cat >/dev/null; { tr '\\0' ' ' </proc/self/environ; echo; pwd -P; umask; \
                      grep -E 'SigBlk|SigIgn' /proc/self/status | tr '\\n' ' '; echo; \
                      for f in /proc/self/fd/*; do echo -n \"${f##*/} \"; done; echo; } >>OUT/$1";

fn hook(c: &Container, kind: &str, env: &Value) -> Value {
    let script = SCRIPT.replace("OUT", c.path("").to_str().unwrap().trim_end_matches('/'));
    let mut hook = json!({ "path": "/bin/busybox", "args": ["sh", "-c", script, "sh", kind] });
    if !env.is_null() {
        hook["env"] = env.clone();
    }
    json!([hook])
}

#[test]
fn environment_and_descriptors_are_the_hooks_own() {
    for env in [json!(null), json!([]), json!(["A=1", "PATH=/bin"])] {
        let mut c = Container::new().writable().config(|c| {
            c["process"]["env"] =
                json!(["PATH=/bin", "LD_PRELOAD=/evil.so", "LD_LIBRARY_PATH=/evil", "BASH_ENV=/evil"]);
        });
        for kind in KINDS {
            let hook = hook(&c, kind, &env);
            c = c.set(&format!("/hooks/{kind}"), hook);
        }
        // The caller's own environment and descriptors do not get there either.
        let open = "export LD_PRELOAD= CALLER=1 TOKEN=secret; exec 4</ 5</etc/passwd; umask 0";
        finish(after(open, &c.on("run", &[]))).ok();
        let want: Vec<_> = env.as_array().into_iter().flatten().map(|v| v.as_str().unwrap()).collect();
        for kind in KINDS {
            let seen = fs::read_to_string(c.path(kind)).unwrap_or_else(|e| panic!("{kind}: {e}"));
            let lines: Vec<_> = seen.lines().collect();
            assert_eq!(lines[0].trim_end(), want.join(" "), "{kind}: {seen}");
            assert!(lines[3].contains("SigBlk:\t0000000000000000"), "{kind}: {seen}");
            // The shell's own are 3, on the directory that it lists, and 10 and above.
            let others: Vec<_> =
                lines[4].split_whitespace().filter(|fd| !["0", "1", "2"].contains(fd)).collect();
            assert!(others.iter().all(|fd| fd.len() > 1 || *fd == "3"), "{kind}: {seen}");
        }
    }
}

/// A hook that the image offers by a relative path or through a link is not run instead.
#[test]
fn program_of_a_hook_is_the_hosts() {
    let c = Container::new().writable();
    fs::write(c.rootfs("bin/evil"), "#!/bin/sh\ntouch /evil-ran\n").unwrap();
    fs::set_permissions(c.rootfs("bin/evil"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for kind in KINDS {
        let c = Container::new().set(&format!("/hooks/{kind}"), json!([{ "path": "bin/evil" }]));
        crate::verdict::refused(&c, &format!("/hooks/{kind}/0/path"));
    }
}
