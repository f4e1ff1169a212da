//! Rates and estimates of jobs of several kinds, second by second.

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
