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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(samples: &[(u64, u64)]) -> RateWindow {
        let mut window = RateWindow::new(Duration::from_secs(30));
        for &(seconds, collected) in samples {
            window.push(Duration::from_secs(seconds), collected);
        }
        window
    }

    #[test]
    fn durations_for_people() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m 0s"), (3_599, "59m 59s"), (8_130, "2h 15m 30s"), (86_405, "1d 0h 0m 5s")]
        {
            assert_eq!(format_seconds(seconds), text);
        }
        assert!(format_seconds(u64::MAX).ends_with('s'));
    }

    #[test]
    fn projections_for_people() {
        for (millis, text) in [
            (0, "0s"),
            (6_300, "6.3s"),
            (59_000, "59s"),
            (59_901, "1m 0s"),
            (6_001, "6.1s"),
            (60_000, "1m 0s"),
            (209_001, "3m 30s"),
        ] {
            assert_eq!(format_projection(Duration::from_millis(millis)), text);
        }
        assert!(format_projection(Duration::MAX).ends_with('s'));
    }

    #[test]
    fn unknown_before_the_first_address() {
        let eta = Eta::new(0, 100, Duration::from_secs(60), &window(&[(0, 0), (60, 0)]));
        assert_eq!((eta.eta_seconds, eta.eta_formatted, eta.emails_per_minute), (None, None, 0.0));
        assert_eq!((eta.remaining_emails, eta.elapsed_formatted.as_str()), (100, "1m 0s"));
    }

    #[test]
    fn zero_when_done() {
        let eta = Eta::new(100, 100, Duration::from_secs(60), &window(&[(0, 0), (60, 100)]));
        assert_eq!((eta.eta_seconds, eta.low_seconds, eta.high_seconds), (Some(0), Some(0), Some(0)));
    }

    #[test]
    fn who_does_not_run_has_no_rate() {
        let eta = Eta::new(30, 130, Duration::from_secs(20), &window(&[(0, 0), (20, 30)]));
        assert_eq!(eta.clone().in_state(JobStatus::Running), eta);
        for (status, seconds) in [
            (JobStatus::Paused, None),
            (JobStatus::Queued, None),
            (JobStatus::Cancelled, None),
            (JobStatus::Completed, Some(0)),
        ] {
            let still = eta.clone().in_state(status);
            assert_eq!(
                (still.eta_seconds, still.high_seconds, still.emails_per_minute),
                (seconds, seconds, 0.0),
                "{status}"
            );
            assert_eq!((still.remaining_emails, still.overall_emails_per_minute), (100, 90.0), "{status}");
        }
    }

    #[test]
    fn the_current_rate_counts_not_the_overall_one() {
        let eta = Eta::new(400, 1_000, Duration::from_secs(130), &window(&[(0, 0), (100, 100), (130, 400)]));
        assert_eq!(eta.eta_seconds, Some(60));
        assert_eq!(eta.emails_per_minute, 600.0);
        assert!((eta.overall_emails_per_minute - 400.0 / 130.0 * 60.0).abs() < 1e-9);
    }

    #[test]
    fn a_window_that_is_too_short_to_tell_falls_back_to_the_whole_job() {
        let eta = Eta::new(100, 200, Duration::from_secs(125), &window(&[(100, 100), (110, 100), (125, 100)]));
        assert_eq!((eta.eta_seconds, eta.emails_per_minute), (Some(125), 48.0));
    }

    #[test]
    fn a_job_that_stalls_has_no_rate() {
        let mut window = window(&[(0, 0), (10, 1_000), (70, 1_004)]);
        let rate = |window: &RateWindow, seconds| {
            let eta = Eta::new(1_004, 2_000, Duration::from_secs(seconds), window);
            assert_eq!(eta.eta_seconds.is_none(), eta.emails_per_minute == 0.0);
            eta.emails_per_minute
        };
        assert_eq!(rate(&window, 70), 4.0);
        for seconds in 71..100_000 {
            window.push(Duration::from_secs(seconds), 1_004);
            let rate = rate(&window, seconds);
            assert!(rate <= 4.0 && (seconds < 190 || rate == 0.0), "{rate} after {seconds} s");
        }
    }

    /// The rates a minute of a job that has so many addresses at each second from `from` to `to`, watched from the first on.
    fn rates(window: &mut RateWindow, (from, to): (u64, u64), collected: impl Fn(u64) -> u64) -> Vec<f64> {
        let rate = |second| {
            window.push(Duration::from_secs(second), collected(second));
            Eta::new(collected(second), 10_000_000, Duration::from_secs(second), window).emails_per_minute
        };
        (from..to).map(rate).collect()
    }

    /// Fifty addresses every five minutes: ten a minute.
    fn bursts(second: u64) -> u64 {
        second / 300 * 50
    }

    #[test]
    fn a_job_whose_pages_bring_many_now_and_then_keeps_its_rate() {
        let mut window = window(&[]);
        let told = rates(&mut window, (0, 3_000), bursts);
        assert!(told[300..].iter().all(|rate| (rate - 10.0).abs() < 1e-6), "{told:?}");
        // It ends with the burst at 2,700 s: a little later it falls, and it is 0 once nothing has come for twice as long as ever.
        let told = rates(&mut window, (3_000, 5_000), |_| 450);
        assert!(told.is_sorted_by(|before, after| after <= before), "{told:?}");
        assert!(told[299] > 5.0 && told[300..].iter().all(|rate| *rate == 0.0), "{told:?}");
    }

    #[test]
    fn bursts_that_take_a_while_and_come_now_and_then_have_a_rate_as_well() {
        // Each brings one address a second for 50 seconds, after four to six minutes.
        let lulls = [300_u64, 250, 340, 270, 360, 240, 310, 290];
        let collected = |second: u64| {
            let (mut begins, mut sum) = (0, 0);
            for lull in lulls {
                begins += lull;
                sum += second.saturating_sub(begins).min(50);
                begins += 50;
            }
            sum
        };
        let told = rates(&mut window(&[]), (0, 2_600), collected);
        assert!(told[400..].iter().all(|rate| (5.0..10.0).contains(rate)), "{told:?}");
    }

    #[test]
    fn a_window_that_begins_in_a_silence_does_not_call_it_the_end() {
        let mut window = window(&[]);
        let told = rates(&mut window, (2_450, 3_000), bursts);
        assert!(told.iter().all(|rate| (8.0..14.0).contains(rate)), "{told:?}");
        let stalled = rates(&mut self::window(&[]), (2_450, 3_000), |_| 400);
        assert!(stalled.is_sorted_by(|before, after| after <= before) && stalled[300] == 0.0, "{stalled:?}");
    }

    #[test]
    fn a_pace_that_lasts_counts_after_a_silence() {
        // A thousand a minute, nothing for ten minutes, and then as before.
        let collected = |second: u64| (second.min(300) + second.saturating_sub(900)) * 100 / 6;
        let told = rates(&mut window(&[]), (0, 1_200), collected);
        assert!(told[340..900].iter().all(|rate| *rate == 0.0), "{told:?}");
        assert!(told[1_025..].iter().all(|rate| (rate - 1_000.0).abs() < 50.0), "{told:?}");
    }

    #[test]
    fn a_job_that_brings_few_keeps_a_rate_that_falls() {
        // Eight at first, one more a minute later, and none after that.
        let mut window = RateWindow::new(Duration::from_secs(30));
        let rates: Vec<f64> = (0..310)
            .map(|seconds| {
                let collected = [0, 8, 9][usize::try_from(seconds / 60).unwrap().min(2)];
                window.push(Duration::from_secs(seconds), collected);
                Eta::new(collected, 100, Duration::from_secs(seconds), &window).emails_per_minute
            })
            .collect();
        assert!(rates[120..].is_sorted_by(|before, after| after <= before), "{rates:?}");
        assert!(rates[239] > 0.0 && rates[241] == 0.0, "{rates:?}");
    }

    #[test]
    fn an_uneven_rate_widens_the_range() {
        let eta = Eta::new(30, 130, Duration::from_secs(20), &window(&[(0, 0), (10, 10), (20, 30)]));
        // Rates 1 and 2 a second: mean 1.5, deviation 0.5.
        assert_eq!((eta.low_seconds, eta.eta_seconds, eta.high_seconds), (Some(50), Some(67), Some(100)));
    }

    #[test]
    fn the_window_is_bounded_and_forgets() {
        let mut window = RateWindow::new(Duration::from_secs(10));
        for millis in 0..100_000u64 {
            window.push(Duration::from_millis(millis), millis);
        }
        assert!(window.samples.len() <= MAX_SAMPLES);
        let rate = window.rate().unwrap();
        assert!((rate.mean - 1_000.0).abs() < 1e-6, "{rate:?}");
    }

    proptest! {
        #[test]
        fn eta_times_rate_is_what_remains(collected in 1u64..1_000_000, more in 1u64..1_000_000, seconds in 1u64..100_000) {
            let window = window(&[(0, 0), (seconds, collected)]);
            let eta = Eta::new(collected, collected + more, Duration::from_secs(seconds), &window);
            let rate = eta.emails_per_minute / 60.0;
            let estimate = eta.eta_seconds.unwrap() as f64;
            prop_assert!(estimate * rate >= more as f64 * (1.0 - 1e-9));
            prop_assert!((estimate - 1.0) * rate <= more as f64 * (1.0 + 1e-9));
        }

        #[test]
        fn never_negative_never_infinite(samples in prop::collection::vec((0u64..1 << 40, any::<u64>()), 0..20),
                                         collected: u64, target: u64, active in 0u64..1 << 40) {
            let eta = Eta::new(collected, target, Duration::from_secs(active), &window(&samples));
            prop_assert!(eta.emails_per_minute.is_finite() && eta.emails_per_minute >= 0.0);
            prop_assert_eq!(eta.eta_seconds == Some(0), collected >= target);
            if let (Some(low), Some(point)) = (eta.low_seconds, eta.eta_seconds) {
                prop_assert!(low <= point);
            }
            if let (Some(high), Some(point)) = (eta.high_seconds, eta.eta_seconds) {
                prop_assert!(point <= high);
            }
        }
    }
}
