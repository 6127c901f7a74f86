// SPDX-License-Identifier: Apache-2.0
//! One JSON object a line, on standard error.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Layer, Phase, Plan, Show};

pub(super) struct Json;

fn line(value: &Value) {
    // Progress that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

impl Show for Json {
    fn plan(&mut self, plan: &Plan) {
        line(&json!({"event": "plan", "plan": plan}));
    }

    fn message(&mut self, text: &str) {
        line(&json!({"event": "message", "text": text}));
    }

    fn tick(&mut self, layers: &[Arc<Layer>], elapsed: Duration, last: bool) {
        for layer in layers {
            let (bytes, phase) = layer.now();
            if phase == Phase::Waiting || layer.told.load(Relaxed) {
                continue;
            }
            let mut event = json!({
                "event": "layer", "digest": layer.digest, "phase": phase, "bytes": bytes, "size": layer.size,
                "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            });
            if matches!(phase, Phase::Done | Phase::Present) {
                layer.told.store(true, Relaxed);
                event["timings_us"] = json!(layer.timing());
            }
            line(&event);
        }
        if last {
            line(
                &json!({"event": "end", "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)}),
            );
        }
    }
}
