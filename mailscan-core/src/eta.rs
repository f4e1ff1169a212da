//! When a job will be done, and how to say so. Pure.
//!
//! The engine feeds a [`RateWindow`] with what a job has collected after how much work; [`Eta::new`] turns that into
//! the contract's figures. Pauses never enter: all times are times at work.

mod lulls;

use std::collections::VecDeque;
use std::time::Duration;

use lulls::Lulls;

use crate::job::JobStatus;

/// A silence in which a job would have brought so many addresses at the pace that it had before says that nothing comes.
const EXPECTED: f64 = 3.0;
/// A window that begins in the middle of a job calls no silence the end before it has seen so much of it: it does not know how
/// long the job has been silent before.
const ACQUAINTED: Duration = Duration::from_secs(300);
/// The most samples a window keeps; older ones are thinned out first.
const MAX_SAMPLES: usize = 256;

/// What a job had collected after a time at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sample {
    active: Duration,
    collected: u64,
}

/// The recent past of a job: how much it had collected when. Bounded in time and in number.
///
/// Where addresses come in bursts that lie further apart than the window is long, it begins before the last few of these times.
#[derive(Clone, Debug)]
pub struct RateWindow {
    span: Duration,
    samples: VecDeque<Sample>,
    /// When there was a new address last, as far as the window was there; it outlives the samples.
    news: Sample,
    /// The longest time between two of those until now, and the rate of the window that had one last.
    longest: Duration,
    pace: f64,
    lulls: Lulls,
    /// The first sample.
    began: Sample,
}

/// A rate with its spread, in addresses a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Addresses a second over the whole window.
    pub mean: f64,
    /// The standard deviation of the rate between neighbouring samples.
    pub deviation: f64,
}

impl RateWindow {
    /// A window over the last `span` of work.
    pub fn new(span: Duration) -> Self {
        Self {
            span,
            samples: VecDeque::new(),
            news: Sample::default(),
            longest: Duration::ZERO,
            pace: f64::INFINITY,
            lulls: Lulls::default(),
            began: Sample::default(),
        }
    }

    /// Notes that `collected` addresses were there after `active` of work.
    ///
    /// Samples must come in order; one that goes back in time or number starts the window anew.
    pub fn push(&mut self, active: Duration, collected: u64) {
        let sample = Sample { active, collected };
        if let Some(last) = self.samples.back() {
            if active < last.active || collected < last.collected {
                self.samples.clear();
            } else if active == last.active {
                self.samples.pop_back();
            }
        }
        if self.samples.is_empty() {
            (self.news, self.began, self.lulls) = (sample, sample, Lulls::default());
        } else if collected > self.news.collected {
            self.longest = self.longest.max(active.saturating_sub(self.news.active));
            self.lulls.end(self.news, active, self.span);
            self.news = sample;
        }
        self.samples.push_back(sample);
        // The sample just outside the window stays: the window's rate begins there.
        while self.samples.len() > 2 && active.saturating_sub(self.samples[1].active) >= self.span {
            self.samples.pop_front();
        }
        if self.samples.len() > MAX_SAMPLES {
            self.samples.remove(1);
        }
        if let Some(mean) = self.mean().filter(|mean| *mean > 0.0) {
            self.pace = mean;
        }
    }

    /// Where the addresses of the rate begin and end: the last few lulls where these are longer than the window, else the window.
    fn ends(&self) -> Option<(Sample, Sample)> {
        let (first, last) = (*self.samples.front()?, *self.samples.back()?);
        let Some(start) = self.lulls_told_from().and_then(|lulls| lulls.starts().next()) else {
            return Some((first, last));
        };
        // As long as it is no longer than those, the lull of now says nothing.
        let active = self.news.active.max(last.active.saturating_sub(self.lulls.longest()));
        Some((start, Sample { active, ..self.news }))
    }

    /// The lulls, where the rate is told from them: not once nothing has come for so long that it may be the end.
    fn lulls_told_from(&self) -> Option<&Lulls> {
        let silence = self.samples.back()?.active.saturating_sub(self.news.active);
        let told = self.lulls.longest() > self.span && silence < self.longest.saturating_mul(2);
        told.then_some(&self.lulls)
    }

    /// Addresses a second over the window; `None` until two samples span some time.
    fn mean(&self) -> Option<f64> {
        let (first, last) = self.ends()?;
        let seconds = (last.active - first.active).as_secs_f64();
        (seconds > 0.0).then(|| (last.collected - first.collected) as f64 / seconds)
    }

    /// For how long a window that is as long as it should be, or longer, has brought nothing; `None` where it brought something,
    /// or is too short to tell.
    fn silence(&self) -> Option<Duration> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        let is_full = last.active - first.active >= self.span;
        (is_full && first.collected == last.collected).then(|| last.active.saturating_sub(self.news.active))
    }

    /// Whether a silence of this length may be the end: not when there was one half as long before, nor while little is known.
    fn may_be_the_end(&self, silence: Duration) -> bool {
        let known = self.samples.back().map_or(Duration::ZERO, |last| last.active.saturating_sub(self.began.active));
        silence >= self.longest.saturating_mul(2) && (self.began.collected == 0 || known >= ACQUAINTED)
    }

    /// The rate over the window; `None` until two samples span some time.
    pub fn rate(&self) -> Option<Rate> {
        let mean = self.mean()?;
        let deviation = match self.lulls_told_from() {
            Some(lulls) => deviation(mean, lulls.starts().chain(self.ends().map(|(_, end)| end))),
            None => deviation(mean, self.samples.iter().copied()),
        };
        Some(Rate { mean, deviation })
    }
}

/// The standard deviation of the rate between neighbouring samples from its mean, each weighted by the time between them.
fn deviation(mean: f64, samples: impl Iterator<Item = Sample>) -> f64 {
    let (mut seconds, mut sum, mut before) = (0.0, 0.0, None::<Sample>);
    for to in samples {
        if let Some(from) = before {
            let part = (to.active - from.active).as_secs_f64();
            sum += part * ((to.collected - from.collected) as f64 / part - mean).powi(2);
            seconds += part;
        }
        before = Some(to);
    }
    f64::sqrt(sum / seconds)
}

/// When a job will be done: the contract's five figures, and what they rest on.
#[derive(Clone, Debug, PartialEq)]
pub struct Eta {
    /// Seconds until the target is reached, rounded up; `None` while nothing has been collected and when nothing comes any
    /// more, 0 when done.
    pub eta_seconds: Option<u64>,
    /// The same for people, such as `2h 15m 30s`.
    pub eta_formatted: Option<String>,
    /// Addresses a minute: now, over the window, or over its last few bursts where these lie further apart; over the whole job
    /// where the window is too short to tell, and no more than that where a job that brings few has brought none of late. 0 when
    /// nothing comes any more.
    pub emails_per_minute: f64,
    /// Addresses a minute over all the time at work.
    pub overall_emails_per_minute: f64,
    /// Whole seconds at work so far.
    pub elapsed_seconds: u64,
    /// The same for people.
    pub elapsed_formatted: String,
    /// Addresses still to collect.
    pub remaining_emails: u64,
    /// Seconds until the target if the rate stays one standard deviation above its mean.
    pub low_seconds: Option<u64>,
    /// Seconds until the target if the rate stays one standard deviation below its mean; `None` when that is no rate.
    pub high_seconds: Option<u64>,
}

impl Eta {
    /// The estimate for a job that has `collected` of `target` addresses after `active` of work.
    pub fn new(collected: u64, target: u64, active: Duration, window: &RateWindow) -> Self {
        let remaining = target.saturating_sub(collected);
        let overall = overall_rate(collected, active);
        let recent = window.rate().filter(|rate| rate.mean > 0.0);
        let rate = recent.unwrap_or_else(|| Rate { mean: silent_rate(overall, window), deviation: 0.0 });
        let at = |per_second: f64| seconds_until(remaining, if collected == 0 { 0.0 } else { per_second });
        let eta_seconds = at(rate.mean);
        Self {
            eta_seconds,
            eta_formatted: eta_seconds.map(format_seconds),
            emails_per_minute: if collected == 0 { 0.0 } else { rate.mean * 60.0 },
            overall_emails_per_minute: overall * 60.0,
            elapsed_seconds: active.as_secs(),
            elapsed_formatted: format_seconds(active.as_secs()),
            remaining_emails: remaining,
            low_seconds: at(rate.mean + rate.deviation),
            high_seconds: at(rate.mean - rate.deviation),
        }
    }
}

impl Eta {
    /// What is left of the estimate in this state: only a job that runs has a rate now and a time when it will be done. A
    /// completed one is done, even where its sources held less than the target. What was is as before.
    #[must_use]
    pub fn in_state(self, status: JobStatus) -> Self {
        let seconds = match status {
            JobStatus::Running => return self,
            JobStatus::Completed => Some(0),
            JobStatus::Queued | JobStatus::Paused | JobStatus::Failed | JobStatus::Cancelled => None,
        };
        Self {
            eta_seconds: seconds,
            eta_formatted: seconds.map(format_seconds),
            emails_per_minute: 0.0,
            low_seconds: seconds,
            high_seconds: seconds,
            ..self
        }
    }
}

/// Addresses a second by a window without a new one. It falls with time as long as nothing comes.
fn silent_rate(overall: f64, window: &RateWindow) -> f64 {
    // A window that is too short says nothing about the future; the whole job still does.
    let Some(silence) = window.silence() else { return overall };
    // No faster than it was before nothing came.
    let slowed = overall.min(window.pace);
    if !window.may_be_the_end(silence) {
        return slowed;
    }
    let silence = silence.as_secs_f64();
    // The pace before the silence: that of the whole job already has the silence in it.
    let before = window.news.collected as f64 / window.news.active.as_secs_f64();
    if before * silence >= EXPECTED { 0.0 } else { slowed.min(1.0 / silence) }
}

fn overall_rate(collected: u64, active: Duration) -> f64 {
    let seconds = active.as_secs_f64();
    if seconds > 0.0 { collected as f64 / seconds } else { 0.0 }
}

/// Seconds for `remaining` at a rate, rounded up; `None` without a rate, 0 when nothing remains.
fn seconds_until(remaining: u64, per_second: f64) -> Option<u64> {
    if remaining == 0 {
        return Some(0);
    }
    // A float above the range of u64 saturates in the cast, so the answer is always finite.
    (per_second > 0.0).then(|| (remaining as f64 / per_second).ceil() as u64)
}

/// Seconds as people say them: `45s`, `2h 15m 30s`, `1d 0h 0m 5s`. The first unit is the largest that is not zero.
pub fn format_seconds(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    if days > 0 {
        format!("{days}d {hours}h {minutes}m {rest}s")
    } else if hours > 0 {
        format!("{hours}h {minutes}m {rest}s")
    } else if minutes > 0 {
        format!("{minutes}m {rest}s")
    } else {
        format!("{rest}s")
    }
}

/// A projected time for people: as [`format_seconds`] says it, rounded up, but below a minute with its tenths.
pub fn format_projection(time: Duration) -> String {
    let tenths = time.as_nanos().div_ceil(100_000_000);
    if tenths < 600 && !tenths.is_multiple_of(10) {
        return format!("{}.{}s", tenths / 10, tenths % 10);
    }
    format_seconds(time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0)))
}

#[cfg(test)]
mod tests;
