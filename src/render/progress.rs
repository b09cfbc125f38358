//! A progress bar on a terminal's standard error, and nowhere else.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ledger::progress::Progress;

pub struct Bar(ProgressBar);

impl Bar {
    /// `shown` is what the options say; without a terminal nothing is drawn all the same. `unit` is what is counted.
    pub fn new(shown: bool, unit: &'static str) -> Self {
        let bar = ProgressBar::hidden();
        if shown && std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}  {per_sec}  {eta} left");
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(unit);
        Self(bar)
    }
}

impl Progress for Bar {
    fn counts(&self, what: &'static str) {
        self.0.set_message(what);
    }

    fn begin(&self, total: u64) {
        self.0.set_length(total);
    }

    fn advance(&self, steps: u64) {
        self.0.inc(steps);
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}
