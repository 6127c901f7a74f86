// SPDX-License-Identifier: Apache-2.0
use serde_json::{Value, json};

use crate::harness::{Container, only_tare};

fn features() -> Value {
    serde_json::from_str(&Container::new().cmd(&["features"]).ok().stdout()).unwrap()
}

#[test]
fn what_callers_look_at() {
    let f = features();
    assert_eq!(f["ociVersionMin"], "1.0.0");
    assert!(f["ociVersionMax"].as_str().unwrap().starts_with("1."));
    let hooks =
        json!(["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]);
    assert_eq!(f["hooks"], hooks);
    let has =
        |pointer: &str, value: &str| f.pointer(pointer).unwrap().as_array().unwrap().contains(&json!(value));
    for option in ["ro", "rro", "rbind", "nosuid", "rslave", "tmpcopyup", "nosymfollow"] {
        assert!(has("/mountOptions", option), "{option}");
    }
    for namespace in ["cgroup", "ipc", "mount", "network", "pid", "user", "uts"] {
        assert!(has("/linux/namespaces", namespace), "{namespace}");
    }
    for capability in ["CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"] {
        assert!(has("/linux/capabilities", capability), "{capability}");
    }
    assert_eq!(f["linux"]["cgroup"]["v1"], true);
    assert_eq!(f["linux"]["cgroup"]["v2"], true);
}

#[test]
fn mount_options_are_sorted() {
    let f = features();
    let options: Vec<_> = f["mountOptions"].as_array().unwrap().iter().map(|o| o.as_str().unwrap()).collect();
    assert!(options.is_sorted(), "{options:?}");
}

#[test]
fn of_runtime_spec_1_3() {
    only_tare!("runc 1.1 knows 1.0.2");
    let f = features();
    assert_eq!(f["ociVersionMax"], "1.3.0");
    assert!(f["linux"]["namespaces"].as_array().unwrap().contains(&json!("time")));
}

#[test]
fn takes_no_argument() {
    Container::new().cmd(&["features", "x"]).fails(1, "");
}
