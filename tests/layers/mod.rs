// SPDX-License-Identifier: Apache-2.0
//! The rules of ARCHITECTURE.md that a compiler does not check, read from the sources. No root, no container.

mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::harness::finish;
use source::{Source, all};

/// A module names only those below its own layer.
const LAYERS: [(&str, u32); 17] = [
    ("main", 6),
    ("cli", 6),
    ("spawn", 5),
    ("container", 4),
    ("cgroup", 4),
    ("init", 4),
    ("plan", 3),
    ("work", 3),
    ("bundle", 2),
    ("host", 2),
    ("channel", 2),
    ("spec", 1),
    ("step", 1),
    ("log", 1),
    ("seal", 1),
    ("timings", 1),
    ("sys", 0),
];

/// Not counted in the layers below: `error` is at the bottom, and holds the Errno of `sys`.
const ERROR: &str = "error";

/// Generated from the kernel's own lists, and read by nobody as a page.
const TABLES: [&str; 1] = ["src/plan/seccomp/tables"];

fn layer(module: &str) -> Option<u32> {
    if module == ERROR {
        return Some(0);
    }
    LAYERS.iter().find(|(m, _)| *m == module).map(|(_, layer)| *layer)
}

fn code() -> Vec<Source> {
    all().into_iter().filter(|s| s.file != "src/lib.rs").collect()
}

/// Top-level modules that this one names, itself excepted.
fn named(source: &Source) -> BTreeSet<String> {
    let own = &source.module[0];
    let first = source.paths().into_iter().filter(|p| p[0] == "crate").filter_map(|p| p.get(1).cloned());
    first.filter(|m| m != own && layer(m).is_some()).collect()
}

fn none(broken: &[String]) {
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_module_has_its_layer() {
    let unknown = code().into_iter().filter(|s| layer(&s.module[0]).is_none());
    none(&unknown.map(|s| format!("{}: {} is in no layer", s.file, s.module[0])).collect::<Vec<_>>());
}

#[test]
fn no_import_goes_up_or_sideways() {
    let mut broken = Vec::new();
    for source in code() {
        let own = source.module[0].as_str();
        for other in named(&source) {
            let allowed = matches!((own, other.as_str()), ("main", "cli") | (ERROR, "sys"));
            if !allowed && layer(&other) >= layer(own) {
                broken.push(format!("{}: {own} names {other}", source.file));
            }
        }
    }
    none(&broken);
}

#[test]
fn no_import_goes_in_a_circle() {
    let mut edges: Edges = BTreeMap::new();
    for source in code() {
        edges.entry(source.module[0].clone()).or_default().extend(named(&source));
    }
    assert!(edges.len() > 10, "{edges:?}");
    none(&circles(&edges));
}

/// Nor from file to file in one folder.
#[test]
fn no_import_goes_in_a_circle_of_files() {
    let files: BTreeSet<Vec<String>> = code().into_iter().map(|s| s.module).collect();
    let mut edges: Edges = BTreeMap::new();
    for source in code().into_iter().filter(|s| s.module.len() > 1) {
        for path in source.paths().into_iter().filter(|p| p[0] == "crate" && p.len() > 2) {
            let (own, other) = (&source.module[..2], &path[1..3]);
            if own[0] == other[0] && own != other && files.contains(other) {
                edges.entry(own.join("::")).or_default().insert(other.join("::"));
            }
        }
    }
    assert!(edges.len() > 10, "{edges:?}");
    none(&circles(&edges));
}

type Edges = BTreeMap<String, BTreeSet<String>>;

fn circles(edges: &Edges) -> Vec<String> {
    fn walk(edges: &Edges, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> Vec<String> {
        let here = way.last().unwrap().clone();
        let mut found = Vec::new();
        for next in edges.get(&here).into_iter().flatten() {
            if let Some(at) = way.iter().position(|w| w == next) {
                found.push(format!("{} -> {next}", way[at..].join(" -> ")));
            } else if !done.contains(next) {
                way.push(next.clone());
                found.extend(walk(edges, way, done));
                way.pop();
            }
        }
        done.insert(here);
        found
    }
    let mut done = BTreeSet::new();
    let mut found = Vec::new();
    for start in edges.keys() {
        if !done.contains(start) {
            found.extend(walk(edges, &mut vec![start.clone()], &mut done));
        }
    }
    found
}

#[test]
fn unsafe_is_in_sys_alone() {
    let broken = all().into_iter().filter(|s| s.module[0] != "sys" && s.has("unsafe"));
    none(&broken.map(|s| s.file).collect::<Vec<_>>());
    assert!(all().iter().any(|s| s.module[0] == "sys" && s.has("unsafe")));
}

#[test]
fn no_file_is_over_450_lines_of_code() {
    let tables = |s: &Source| TABLES.iter().any(|t| s.file.starts_with(t));
    let broken = all().into_iter().filter(|s| s.code_lines > 450 && !tables(s));
    none(&broken.map(|s| format!("{}: {} lines", s.file, s.code_lines)).collect::<Vec<_>>());
}

/// Between clone and exec: the child of a process that may have other threads must not take a lock, so it does not
/// allocate, format or print; and what it does was decided before.
#[test]
fn init_only_performs() {
    let mut broken = Vec::new();
    for s in code().into_iter().filter(|s| s.module[0] == "init") {
        let mut has = |what: &str, bad: bool| {
            if bad {
                broken.push(format!("{}: {what}", s.file));
            }
        };
        for macro_name in ["format", "vec", "println", "eprintln", "panic", "assert"] {
            has(&format!("{macro_name}!"), s.has_all(&[macro_name, "!"]));
        }
        for of in [["Vec", "new"], ["Box", "new"], ["String", "new"]] {
            has(&of.join("::"), s.has_all(&[of[0], ":", ":", of[1]]));
        }
        for method in ["to_string", "to_owned", "to_vec", "collect", "clone"] {
            has(method, s.has_all(&[".", method]));
        }
        has("String", s.has("String"));
        for path in s.paths() {
            let bad = match (path[0].as_str(), path.get(1).map_or("", String::as_str)) {
                ("crate", module) => ["spec", "plan", "log", "error"].contains(&module),
                ("std", module) => {
                    ["fs", "env", "io", "process", "thread", "sync", "collections"].contains(&module)
                }
                _ => false,
            };
            has(&path.join("::"), bad);
        }
    }
    none(&broken);
}

/// What sys has beside types and constants: functions that ask the kernel nothing.
const PURE: [&str; 1] = ["makedev"];

/// Decisions are made without looking: from the config and from what `host` has found.
#[test]
fn plan_and_spec_do_no_io() {
    let mut broken = Vec::new();
    for s in code().into_iter().filter(|s| ["plan", "spec"].contains(&s.module[0].as_str())) {
        for path in s.paths() {
            let leaf = path.last().unwrap().as_str();
            let is_type = |name: &str| name.starts_with(char::is_uppercase) || PURE.contains(&name);
            let bad = match (path[0].as_str(), path.get(1).map_or("", String::as_str)) {
                ("std", "env") => path.get(2).is_none_or(|n| n != "consts"),
                ("std", module) => ["fs", "net", "process", "thread", "io"].contains(&module),
                ("crate", "sys") if path.len() > 2 => {
                    !path[3..].iter().any(|n| is_type(n)) && !only_types(&s, leaf)
                }
                _ => false,
            };
            if bad {
                broken.push(format!("{}: {}", s.file, path.join("::")));
            }
        }
    }
    none(&broken);
}

/// `module` is brought in as a whole; all that the file takes from it begins with a capital.
fn only_types(s: &Source, module: &str) -> bool {
    let uses = s.tokens.windows(4).filter(|w| w[0] == module && w[1] == ":" && w[2] == ":");
    uses.map(|w| &w[3]).all(|name| name.starts_with(char::is_uppercase) || PURE.contains(&name.as_str()))
}

/// No thread, no async runtime, nothing of the network on the way to a container.
#[test]
fn dependencies_stay_small() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let tree = ["tree", "--package", "tare", "--edges", "normal", "--prefix", "none", "--locked"];
    let mut cargo = Command::new(cargo);
    cargo.args(tree).current_dir(env!("CARGO_MANIFEST_DIR"));
    let out = finish(cargo).ok().stdout();
    let names: BTreeSet<_> = out.lines().filter_map(|l| l.split(' ').next()).collect();
    assert!(names.contains("libc"), "{names:?}");
    let banned =
        "ureq reqwest hyper rustls ring tar tokio flate2 zstd async-std zbus futures smol rayon crossbeam";
    none(&banned.split(' ').filter(|b| names.contains(b)).map(str::to_owned).collect::<Vec<_>>());
}

/// The rules above are worth what this reader sees.
#[test]
fn reader_sees_what_rust_sees() {
    let text = "//! crate::doc\n/* unsafe */\nuse crate::{cli, sys::{self, fs::*}};\nuse super::{mounts as m, x};\n\n\
                /// crate::no\nfn f() {\n    std::fs::read(\"crate::no unsafe\");\n}\n\
                #[cfg(test)]\nmod tests { use crate::no; unsafe {} }\n\
                #[cfg(test)]\nmod other;\nfn g() { self::h::<u8>() }\n";
    let s = Source::parse("src/plan/paths.rs", text);
    let paths: Vec<_> = s.paths().into_iter().map(|p| p.join("::")).collect();
    let want = [
        "crate::cli",
        "crate::sys",
        "crate::sys::fs::*",
        "crate::plan::mounts",
        "crate::plan::x",
        "std::fs::read",
        "crate::plan::paths::h",
    ];
    assert_eq!(paths, want);
    assert!(!s.has("unsafe"));
    assert_eq!(s.code_lines, 6);
    let edges = |list: &[(&str, &str)]| {
        list.iter().fold(Edges::new(), |mut map, (a, b)| {
            map.entry((*a).into()).or_default().insert((*b).into());
            map
        })
    };
    assert!(circles(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])).is_empty());
    assert_eq!(circles(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])), ["b -> c -> b"]);
}
