// SPDX-License-Identifier: Apache-2.0
//! Lines for logs: the plan, each layer as it is done, and a sign of life every ten seconds.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Layer, Phase, Plan, Show, human};

const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

#[derive(Default)]
pub(super) struct Plain {
    told: Duration,
}

pub(super) fn plan_text(plan: &Plan) -> String {
    let (present, layers) = (plan.layers_present, plan.layers);
    match plan.download {
        0 if present == layers => format!("{}: up to date", plan.name),
        bytes => {
            let [bytes, need, free] = [bytes, plan.need, plan.free].map(human);
            format!(
                "{}: {layers} layers, {present} here, {bytes} to fetch; needs about {need} of {free} free",
                plan.name
            )
        }
    }
}

fn line(text: &str) {
    // Progress that cannot be written is no reason to fail.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

impl Show for Plain {
    fn plan(&mut self, plan: &Plan) {
        line(&plan_text(plan));
    }

    fn message(&mut self, text: &str) {
        line(text);
    }

    fn tick(&mut self, layers: &[Arc<Layer>], elapsed: Duration, last: bool) {
        for layer in layers {
            let (_, phase) = layer.now();
            if phase == Phase::Done && !layer.told.swap(true, Relaxed) {
                line(&format!("{}: done, {}", layer.digest.short(), human(layer.size)));
            }
        }
        if elapsed >= self.told + SIGN_OF_LIFE && !last {
            self.told = elapsed;
            let sum = |f: &dyn Fn(&Layer) -> u64| layers.iter().map(|l| f(l)).sum::<u64>();
            let (have, all) = (sum(&|l| l.now().0.min(l.size)), sum(&|l| l.size));
            line(&format!("{} of {}", human(have), human(all)));
        }
    }
}
