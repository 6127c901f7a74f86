// SPDX-License-Identifier: Apache-2.0
//! Session keyrings: another container must not join one by a name that it can guess, as runc's `_ses.ID`.

use std::fs;

use crate::harness::Container;

fn sessions(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/status")).unwrap()
}

/// The kernel lists the keyrings of a user; none there is named for the id, and two containers have two.
#[test]
fn name_of_a_session_keyring_cannot_be_guessed() {
    let (one, other) = (Container::new().up(), Container::new().up());
    assert!(!sessions(one.pid()).is_empty());
    let names = |c: &Container| -> Vec<String> {
        let path = c.state_root().join(&c.id).join("state.json");
        let state: serde_json::Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        state["keyring"].as_str().map(str::to_owned).into_iter().collect()
    };
    let (first, second) = (names(&one), names(&other));
    if first.is_empty() {
        return eprintln!("skipped: the kernel has no keyrings");
    }
    assert_ne!(first, second);
    for (c, name) in [(&one, &first[0]), (&other, &second[0])] {
        assert!(!name.contains(&c.id), "{name}");
        let random = name.rsplit('.').next().unwrap();
        assert!(random.len() >= 22 && random.bytes().all(|b| b.is_ascii_alphanumeric()), "{name}");
    }
}

/// The name is kept where only root reads it.
#[test]
fn state_that_has_the_name_is_roots_alone() {
    use std::os::unix::fs::MetadataExt;
    let c = Container::new().up();
    let path = c.state_root().join(&c.id).join("state.json");
    let meta = fs::metadata(path).unwrap();
    assert_eq!((meta.mode() & 0o7777, meta.uid()), (0o600, 0));
}
