// SPDX-License-Identifier: Apache-2.0
//! The state directory itself: modes, owners, what is refused, and that a failed create leaves nothing.

use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use super::*;
use crate::error::Kind;
use crate::sys::{self, cred, process};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_not_there_is_no_error_until_it_is_made() {
    let scratch = Scratch::new();
    assert!(Store::open(&scratch.root()).unwrap().is_none());
    let deep = scratch.0.join("a/b/c/");
    Store::make(&deep).unwrap();
    assert!(Store::make(&deep).unwrap().ids().unwrap().is_empty());
    assert!(Store::open(&deep).unwrap().is_some());
    assert_eq!(mode(&deep), 0o1700);
    assert_eq!(mode(&scratch.0.join("a")), 0o700);
}

#[test]
fn modes_do_not_depend_on_the_umask() {
    if let Some(dir) = child_dir() {
        for umask in [0o000, 0o022, 0o077] {
            sys::fs::umask(umask);
            let root = dir.join(format!("{umask:o}"));
            let container = create(&Store::make(&root).unwrap(), "c");
            container.save(&container.state().unwrap()).unwrap();
            assert_eq!(mode(&root), 0o1700);
            assert_eq!(mode(&root.join("c")), 0o711);
            assert_eq!(mode(&root.join("c/state.json")), 0o600);
        }
        process::exit_now(17);
    }
    let scratch = Scratch::new();
    let status = spawn("store::modes_do_not_depend_on_the_umask", &scratch.0).wait().unwrap();
    assert_eq!(status.code(), Some(17));
}

fn refusal(root: &Path) -> String {
    let refused = Store::make(root).map(drop).unwrap_err().to_string();
    assert_eq!(Store::open(root).map(drop).unwrap_err().to_string(), refused);
    refused
}

#[test]
fn the_top_of_the_filesystem_is_refused_however_it_is_named() {
    let scratch = Scratch::new();
    symlink("/", scratch.0.join("top")).unwrap();
    for path in [Path::new("/"), Path::new("//"), Path::new("/tmp/.."), &scratch.0.join("top")] {
        assert!(refusal(path).starts_with("the --root option must not be /\n"), "{}", path.display());
    }
    assert_eq!(refusal(Path::new("")), "the --root option must not be empty");
}

#[test]
fn a_directory_that_others_could_change_is_refused() {
    let scratch = Scratch::new();
    let root = scratch.root();
    drop(scratch.store());
    for (bits, refused) in [(0o755, false), (0o700, false), (0o720, true), (0o702, true), (0o1777, true)] {
        fs::set_permissions(&root, fs::Permissions::from_mode(bits)).unwrap();
        if refused {
            let text = refusal(&root);
            assert!(text.contains("others may write to it") && text.contains("hint: chmod go-w"), "{text}");
        } else {
            assert!(Store::open(&root).unwrap().is_some());
        }
    }
    // Root can give a directory away; for everybody else /usr is another's.
    let others = if cred::effective_uid() == 0 {
        fs::set_permissions(&root, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&root, Some(1), None).unwrap();
        root
    } else {
        "/usr".into()
    };
    assert!(refusal(&others).contains("it belongs to user "), "{}", refusal(&others));
}

#[test]
fn a_file_in_the_place_of_the_directory_is_an_error() {
    let scratch = Scratch::new();
    fs::write(scratch.root(), "").unwrap();
    assert!(refusal(&scratch.root()).ends_with(": not a directory"));
}

#[test]
fn an_id_is_taken_once_and_free_after_removal() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(store.get(&id("c")).err().unwrap().kind(), Kind::NotFound);
    let first = create(&store, "c");
    let taken = store.create(&id("c"), "create").err().unwrap().to_string();
    assert!(taken.starts_with("container with given ID already exists"), "{taken}");
    first.remove().unwrap();
    let gone = store.get(&id("c")).err().unwrap();
    assert!(gone.kind() == Kind::NotFound && gone.to_string().starts_with("container does not exist"));
    create(&store, "c").remove().unwrap();
    assert!(scratch.names().is_empty());
}

#[test]
fn only_directories_with_a_name_that_is_an_id_are_containers() {
    let scratch = Scratch::new();
    let store = scratch.store();
    for name in ["b", "a", "c", "..."] {
        create(&store, name);
    }
    fs::write(scratch.root().join("file"), "").unwrap();
    for name in [".deleting:a", "not an id", "-x"] {
        fs::create_dir(scratch.root().join(name)).unwrap();
    }
    symlink(".", scratch.root().join("link")).unwrap();
    for _ in 0..2 {
        assert_eq!(store.ids().unwrap(), [id("..."), id("a"), id("b"), id("c")]);
    }
    assert!(store.get(&id("link")).is_err() && store.get(&id("file")).is_err());
}

#[test]
fn removal_takes_what_others_put_there_but_follows_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let outside = scratch.0.join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "").unwrap();
    let container = create(&store, "c");
    container.save(&container.state().unwrap()).unwrap();
    container.fifo_make().unwrap();
    container.save_config(b"{}").unwrap();
    let dir = scratch.root().join("c");
    fs::create_dir_all(dir.join("notify/deeper")).unwrap();
    fs::write(dir.join("notify/deeper/file"), "").unwrap();
    symlink(&outside, dir.join("link")).unwrap();
    symlink(&outside, dir.join("notify/link")).unwrap();
    container.remove().unwrap();
    assert!(scratch.names().is_empty());
    assert!(outside.join("precious").exists());
}

#[test]
fn a_removal_goes_on_where_a_killed_one_stopped() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let long = "a".repeat(255);
    for name in ["c", &long] {
        // As one that was killed right after its first step left it.
        let leftover = scratch.root().join(format!(".deleting:{name:.200}"));
        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("state.json"), "").unwrap();
        create(&store, name).remove().unwrap();
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());

        fs::create_dir(&leftover).unwrap();
        fs::write(leftover.join("state.json"), "").unwrap();
        store.sweep(&id(name)).unwrap();
        store.sweep(&id(name)).unwrap();
        assert!(scratch.names().is_empty(), "{:?}", scratch.names());
    }
}

#[test]
fn a_create_without_descriptors_leaves_nothing() {
    if let Some(dir) = child_dir() {
        let limit = process::Limit { resource: libc::RLIMIT_NOFILE, soft: 64, hard: 64 };
        process::set_limit(0, &limit).unwrap();
        let store = Store::make(&dir.join("root")).unwrap();
        let mut filler = Vec::new();
        while let Ok(fd) = sys::fs::duplicate(store.root.as_fd()) {
            filler.push(fd);
        }
        let mut failures = 0;
        while store.create(&id("c"), "create").is_err() {
            let left = fs::symlink_metadata(dir.join("root/c"));
            assert!(left.is_err(), "after {failures} failures");
            failures += 1;
            filler.pop();
        }
        // One for the directory, one for the lock.
        process::exit_now(40 + failures);
    }
    let scratch = Scratch::new();
    let status = spawn("store::a_create_without_descriptors_leaves_nothing", &scratch.0).wait().unwrap();
    assert_eq!(status.code(), Some(42));
}
