//! Live progress on standard error: a bar on a terminal, a line every few seconds elsewhere.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mailscan_core::engine::{Bound, Progress};
use mailscan_core::forecast::Forecast;

use super::{counted, escape, grouped, lists};

/// How often a line is written where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(3);

/// How far the job is, how long it takes, and what stands in its way: a line each, so that none is longer than a terminal of 80
/// columns but the last, which goes on in the next line instead of being cut off.
const TEMPLATE: &str = "{bar:20.cyan/blue} {prefix}\n{msg}";

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
                let hindrances = hindrances(progress).map(|text| format!("\n{text}"));
                bar.set_message(outlook(progress) + &hindrances.unwrap_or_default());
            }
            Self::Lines(last) if last.elapsed() >= LINE_EVERY => {
                *last = Instant::now();
                let hindrances = hindrances(progress).map(|text| format!(", {text}"));
                say!("{}, {}{}", state(progress), outlook(progress), hindrances.unwrap_or_default());
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

/// How long it takes.
fn outlook(progress: &Progress) -> String {
    let eta = &progress.eta;
    format!(
        "ETA {}, elapsed {}, {}/min, {} left",
        eta.eta_formatted.as_deref().unwrap_or("unknown"),
        eta.elapsed_formatted,
        counted(eta.emails_per_minute.round() as u64, "e-mail", "e-mails"),
        grouped(eta.remaining_emails),
    )
}

/// What stands in its way, and what else there is to know; `None` when all goes as planned.
fn hindrances(progress: &Progress) -> Option<String> {
    let mut parts = Vec::new();
    // That all goes as planned needs no words.
    if !matches!(progress.bound, Bound::Tasks | Bound::Plan { .. }) {
        parts.push(escape(&progress.bound.to_string()));
    }
    parts.extend(lists::read(&progress.lists));
    if let Forecast::Short { expected } = progress.forecast {
        parts.push(format!("about {} expected", grouped(expected)));
    }
    if progress.errors > 0 {
        parts.push(counted(progress.errors, "error", "errors"));
    }
    // What holds up the whole process is what binds the job as well.
    let told = matches!(&progress.bound, Bound::Process { hold, .. } if *hold == progress.reason);
    parts.extend(progress.reason.as_ref().filter(|_| !told).map(|reason| escape(reason)));
    (!parts.is_empty()).then(|| parts.join(", "))
}
