// SPDX-License-Identifier: Apache-2.0
//! `--timings`: where the time of a start goes.
use std::fs;

use serde_json::Value;

use crate::harness::{Container, Output, only_tare};

/// The caller's parts and init's steps, each a line with two numbers before its name.
fn told(out: &Output, who: &str) -> Vec<String> {
    let text = out.stderr();
    let lines = text.lines().filter(|line| line.split_whitespace().nth(2) == Some(who));
    let lines = lines
        .inspect(|line| assert!(line.split_whitespace().take(2).all(|n| n.parse::<f64>().is_ok()), "{line}"));
    lines.map(str::to_owned).collect()
}

#[test]
fn every_step_of_a_start_is_told() {
    only_tare!("runc has no such flag");
    let c = Container::new();
    let out = c.run(&["--timings"]).ok();
    let (tare, init) = (told(&out, "tare"), told(&out, "init"));
    assert!(tare.iter().any(|line| line.ends_with("make init")), "{}", out.stderr());
    let plan = c.cmd(&["explain", "--bundle", c.bundle().to_str().unwrap()]).ok().stdout();
    let first = plan.lines().find(|line| line.starts_with("  0")).unwrap().trim_start_matches("  0").trim();
    let first = first.split("  (").next().unwrap();
    assert!(init[0].ends_with(first), "{first}: {init:?}");
    assert!(init.iter().any(|line| line.contains("switch") || line.contains("pivot")), "{init:?}");
}

#[test]
fn nothing_is_told_unasked() {
    only_tare!("runc has no such flag");
    let out = Container::new().run(&[]).ok();
    assert_eq!(out.stderr(), "");
}

#[test]
fn exec_tells_its_own_steps() {
    only_tare!("runc has no such flag");
    let c = Container::new().up();
    let out = c.exec(&["--timings"], &["true"]).ok();
    assert!(told(&out, "init").iter().any(|line| line.contains("become")), "{}", out.stderr());
}

/// The trace event format of browsers' viewers: complete events with a start and a length in microseconds.
#[test]
fn trace_is_what_a_viewer_opens() {
    only_tare!("runc has no such flag");
    let c = Container::new();
    let file = c.path("trace.json");
    c.create(&[&format!("--timings={}", file.display())]).ok();
    let trace: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |who: &str| events.iter().filter(|event| event["tid"] == who).count();
    assert!(of("tare") > 3 && of("init") > 10, "{trace:#}");
    for event in events {
        assert_eq!(event["ph"], "X", "{event}");
        assert!(event["ts"].as_f64().unwrap() >= 0.0 && event["dur"].as_f64().unwrap() >= 0.0, "{event}");
    }
    assert!(
        events.iter().any(|event| event["args"]["config.json"].as_str().unwrap().starts_with("/mounts/"))
    );
}
