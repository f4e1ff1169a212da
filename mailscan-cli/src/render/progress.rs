//! Live progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mailscan_core::engine::Progress;
use mailscan_core::forecast::Forecast;

use super::{escape, grouped};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Where progress is shown.
#[derive(Debug)]
pub(crate) enum Live {
    /// A bar that is drawn again and again.
    Bar(ProgressBar),
    /// Lines, and when the last one was written.
    Lines(Instant),
}

impl Live {
    /// A bar when standard error is a terminal, lines otherwise.
    pub(crate) fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::Lines(Instant::now());
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{bar:24.cyan/blue} {wide_msg}") {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self::Bar(bar)
    }

    /// Shows the state of a job.
    pub(crate) fn show(&mut self, progress: &Progress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(progress.target.max(1));
                bar.set_position(progress.collected);
                bar.set_message(line(progress));
            }
            Self::Lines(last) if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                eprintln!("{}", line(progress));
            }
            Self::Lines(_) => {}
        }
    }

    /// Says something above the bar.
    pub(crate) fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Self::Lines(_) => eprintln!("{text}"),
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// Everything that a person wants to see of a running job, in one line.
fn line(progress: &Progress) -> String {
    let eta = &progress.eta;
    let mut line = format!(
        "{:.0}% {}/{}, {} workers, {}, ETA {}, elapsed {}, {}/min, {} left",
        progress.percent().floor(),
        grouped(progress.collected),
        grouped(progress.target),
        grouped(progress.workers_active.into()),
        progress.status,
        eta.eta_formatted.as_deref().unwrap_or("unknown"),
        eta.elapsed_formatted,
        grouped(eta.emails_per_minute.round() as u64),
        grouped(eta.remaining_emails),
    );
    if let Forecast::Short { expected } = progress.forecast {
        line.push_str(&format!(", about {} expected", grouped(expected)));
    }
    if progress.errors > 0 {
        line.push_str(&format!(", {} errors", grouped(progress.errors)));
    }
    if let Some(reason) = &progress.reason {
        line.push_str(&format!(" ({})", escape(reason)));
    }
    line
}
