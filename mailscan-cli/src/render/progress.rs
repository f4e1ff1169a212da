//! Live progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mailscan_core::engine::{Bound, Progress};
use mailscan_core::forecast::Forecast;

use super::{counted, escape, grouped, lists};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// Two lines, so that nothing is cut off on a terminal of 80 columns.
const TEMPLATE: &str = "{bar:20.cyan/blue} {prefix}\n{wide_msg}";

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
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
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
                bar.set_prefix(state(progress));
                bar.set_message(outlook(progress));
            }
            Self::Lines(last) if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                say!("{}, {}", state(progress), outlook(progress));
            }
            Self::Lines(_) => {}
        }
    }

    /// Says that the end has come. The bar stays as it was: the terminal has echoed a `^C` behind it, so that it is no
    /// longer known where the bar stands.
    pub(crate) fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => {
                bar.set_draw_target(ProgressDrawTarget::hidden());
                say!("\n{text}");
            }
            Self::Lines(_) => say!("{text}"),
        }
    }

    /// Takes the bar away, unless it was to stay.
    pub(crate) fn end(self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

/// How far the job is, and who works on it.
fn state(progress: &Progress) -> String {
    format!(
        "{:.0}% {}/{}, {} active, {}",
        progress.percent().floor(),
        grouped(progress.collected),
        grouped(progress.target),
        counted(progress.workers_active.into(), "worker", "workers"),
        progress.status,
    )
}

/// How long it takes, and what stands in its way.
fn outlook(progress: &Progress) -> String {
    let eta = &progress.eta;
    let mut text = format!(
        "ETA {}, elapsed {}, {}/min, {} left",
        eta.eta_formatted.as_deref().unwrap_or("unknown"),
        eta.elapsed_formatted,
        counted(eta.emails_per_minute.round() as u64, "e-mail", "e-mails"),
        grouped(eta.remaining_emails),
    );
    // That all goes as planned needs no words.
    if !matches!(progress.bound, Bound::Tasks | Bound::Plan { .. }) {
        text.push_str(&format!(", {}", escape(&progress.bound.to_string())));
    }
    if let Some(read) = lists::read(&progress.lists) {
        text.push_str(&format!(", {read}"));
    }
    if let Forecast::Short { expected } = progress.forecast {
        text.push_str(&format!(", about {} expected", grouped(expected)));
    }
    if progress.errors > 0 {
        text.push_str(&format!(", {}", counted(progress.errors, "error", "errors")));
    }
    // What holds up the whole process is what binds the job as well.
    let told = matches!(&progress.bound, Bound::Process { hold, .. } if *hold == progress.reason);
    if let Some(reason) = progress.reason.as_ref().filter(|_| !told) {
        text.push_str(&format!(" ({})", escape(reason)));
    }
    text
}
