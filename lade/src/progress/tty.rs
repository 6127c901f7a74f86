// SPDX-License-Identifier: Apache-2.0
//! A bar for each layer, redrawn in place.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use super::plain::plan_text;
use super::{Layer, Phase, Plan, Show, human};

#[derive(Default)]
pub(super) struct Tty {
    drawn: usize,
}

const BAR: usize = 30;

impl Tty {
    fn write(&mut self, text: &str, lines: usize) {
        let mut out = String::new();
        if self.drawn > 0 {
            let _ = write!(out, "\x1b[{}A\r\x1b[J", self.drawn);
        }
        out.push_str(text);
        self.drawn = lines;
        let mut err = std::io::stderr().lock();
        // Progress that cannot be written is no reason to fail.
        let _ = err.write_all(out.as_bytes()).and_then(|()| err.flush());
    }
}

impl Show for Tty {
    fn plan(&mut self, plan: &Plan) {
        self.write(&format!("{}\n", plan_text(plan)), 0);
    }

    fn message(&mut self, text: &str) {
        self.write(&format!("{text}\n"), 0);
    }

    fn tick(&mut self, layers: &[Arc<Layer>], elapsed: Duration, _last: bool) {
        let width = crate::sys::terminal_width().unwrap_or(80).max(40) - 1;
        let mut text = String::new();
        let mut have = 0;
        for layer in layers {
            let (bytes, phase) = layer.now();
            let bytes = if phase == Phase::Done { layer.size } else { bytes.min(layer.size) };
            have += bytes;
            let state = match phase {
                Phase::Waiting => "waiting".to_owned(),
                Phase::Present => "already here".to_owned(),
                Phase::Done => format!("done     {}", human(layer.size)),
                Phase::Settling => "settling".to_owned(),
                Phase::Working => {
                    let filled =
                        usize::try_from(bytes.saturating_mul(BAR as u64) / layer.size.max(1)).unwrap_or(BAR);
                    let bar = "=".repeat(filled) + &" ".repeat(BAR - filled);
                    format!("[{bar}] {} / {}", human(bytes), human(layer.size))
                }
            };
            let line: String = format!("{}  {state}", layer.digest.short()).chars().take(width).collect();
            text.push_str(&line);
            text.push('\n');
        }
        if !layers.is_empty() && elapsed > Duration::from_secs(1) {
            let rate = (have as f64 / elapsed.as_secs_f64()) as u64;
            let _ = writeln!(text, "{} in {:.1} s, {}/s", human(have), elapsed.as_secs_f64(), human(rate));
        }
        let lines = text.lines().count();
        self.write(&text, lines);
    }
}
