//! The limiter against servers of several kinds, each a queueing model in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{Answer, Limiter, Reason};

/// How a server answers a request that is one of so many under way: after how many microseconds, and whether at all.
type Server = fn(usize, &mut Noise) -> (u64, Answer);

/// A small generator of repeatable noise.
struct Noise(u64);

impl Noise {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    /// About `mean`, a tenth up or down.
    fn about(&mut self, mean: f64) -> u64 {
        (mean * (0.9 + 0.2 * self.next())) as u64
    }
}

/// Answers quickly, from four processors: more than four at a time only wait for each other.
fn fast(under_way: usize, noise: &mut Noise) -> (u64, Answer) {
    (noise.about(2_000.0 * (under_way as f64 / 4.0).max(1.0)), Answer::Served)
}

/// Takes 300 ms, however many ask.
fn slow(_: usize, noise: &mut Noise) -> (u64, Answer) {
    (noise.about(300_000.0), Answer::Served)
}

/// Takes 20 ms up to 32 at a time; beyond that it answers the fewer a second the more ask.
fn collapsing(under_way: usize, noise: &mut Noise) -> (u64, Answer) {
    let load = (under_way as f64 / 32.0).max(1.0);
    (noise.about(20_000.0 * load * load), Answer::Served)
}

/// Refuses what is more than 20 at a time.
fn refusing(under_way: usize, noise: &mut Noise) -> (u64, Answer) {
    if under_way > 20 { (noise.about(1_000.0), Answer::Refused) } else { (noise.about(50_000.0), Answer::Served) }
}

/// What came of asking a server for a while.
struct Run {
    served: usize,
    failed: usize,
    limiter: Limiter,
}

/// Keeps as many requests under way as the limiter allows, or always `fixed`, for `seconds` of virtual time; what comes
/// in the first third, while the limit is found, is not counted.
fn run(server: Server, ceiling: usize, fixed: Option<usize>, seconds: u64) -> Run {
    let (mut limiter, mut noise) = (Limiter::new(ceiling), Noise(7));
    let (mut ends, mut now, mut number) = (BTreeMap::new(), 0, 0_u64);
    let (mut served, mut failed) = (0, 0);
    while now < seconds * 1_000_000 {
        while ends.len() < fixed.unwrap_or_else(|| limiter.limit()) {
            let (latency, answer) = server(ends.len() + 1, &mut noise);
            number += 1;
            ends.insert((now + latency, number), (latency, answer));
        }
        let under_way = ends.len();
        let Some(((end, _), (latency, answer))) = ends.pop_first() else { break };
        now = end;
        if now > seconds * 1_000_000 / 3 {
            *(if answer == Answer::Served { &mut served } else { &mut failed }) += 1;
        }
        limiter.ended(Duration::from_micros(now), Duration::from_micros(latency), answer, under_way);
    }
    Run { served, failed, limiter }
}

/// The most that any fixed number brings.
fn best(server: Server, ceiling: usize, seconds: u64) -> usize {
    let numbers = [1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 64, 128].into_iter().chain([ceiling]);
    let numbers = numbers.filter(|number| *number <= ceiling);
    numbers.map(|fixed| run(server, ceiling, Some(fixed), seconds).served).max().unwrap_or(0)
}

#[test]
fn it_comes_within_a_twentieth_of_the_best_fixed_number() {
    for (name, server, seconds) in [("fast", fast as Server, 30), ("slow", slow, 60), ("collapsing", collapsing, 60)] {
        for ceiling in [8, 64, 256] {
            let (got, best) = (run(server, ceiling, None, seconds), best(server, ceiling, seconds));
            let share = got.served as f64 / best as f64;
            println!("{name:<11} up to {ceiling:>5}: {share:.3} of the best, ends at {}", got.limiter.limit());
            assert!(share >= 0.95, "{name} up to {ceiling}: {} of {best}", got.served);
        }
    }
}

#[test]
fn a_server_that_only_takes_its_time_is_asked_as_much_as_allowed() {
    let got = run(slow, 500, None, 60);
    assert_eq!((got.limiter.limit(), got.limiter.reason()), (500, Reason::Ceiling));
}

/// Asks a server that bears 20 at a time, and holds what fails to so many for each request that is served.
fn failures_become_rare(server: Server, most: f64) {
    let got = run(server, 256, None, 300);
    let share = got.failed as f64 / got.served as f64;
    println!("{} served, {} failed, ends at {}", got.served, got.failed, got.limiter.limit());
    assert!(share < most, "{} failed, {} served", got.failed, got.served);
    assert!(got.served * 100 > best(server, 20, 300) * 75, "{} served", got.served);
}

#[test]
fn refusals_become_rare() {
    failures_become_rare(refusing, 0.005);
}

#[test]
fn a_server_that_breaks_under_load_is_asked_less() {
    failures_become_rare(breaking, 0.005);
}

#[test]
fn one_at_a_time_stays_one() {
    assert_eq!(run(collapsing, 1, None, 10).limiter.limit(), 1);
    assert_eq!(Limiter::new(0).limit(), 1);
}

/// Takes 50 ms, however many ask, and breaks off one request in a hundred.
fn flaky(_: usize, noise: &mut Noise) -> (u64, Answer) {
    let answer = if noise.next() < 0.01 { Answer::Broken } else { Answer::Served };
    (noise.about(50_000.0), answer)
}

/// Breaks off what is more than 20 at a time.
fn breaking(under_way: usize, noise: &mut Noise) -> (u64, Answer) {
    if under_way > 20 { (noise.about(50_000.0), Answer::Broken) } else { (noise.about(50_000.0), Answer::Served) }
}

#[test]
fn a_server_that_loses_a_few_requests_is_asked_no_less() {
    let (got, best) = (run(flaky, 64, None, 60), best(flaky, 64, 60));
    assert!(got.served * 100 >= best * 95, "{} of {best}, ends at {}", got.served, got.limiter.limit());
}

#[test]
fn what_broke_together_halves_once() {
    let mut limiter = Limiter::new(100);
    for under_way in (1..=100).rev() {
        limiter.ended(Duration::from_secs(1), Duration::from_secs(1), Answer::Broken, under_way);
    }
    assert_eq!(limiter.limit(), 50);
}

#[test]
fn what_fails_alone_says_nothing_of_how_many_are_borne() {
    let mut limiter = Limiter::new(8);
    for answer in [Answer::Refused, Answer::Broken] {
        for seconds in 0..100 {
            assert!(!limiter.ended(Duration::from_secs(seconds), Duration::ZERO, answer, 1));
        }
    }
    assert_eq!((limiter.limit(), limiter.reason()), (8, Reason::Ceiling));
    let usual = Duration::from_millis(100);
    rounds(&mut limiter, Duration::from_secs(100), 9, usual);
    limiter.ended(Duration::from_secs(101), usual, Answer::Broken, 2);
    assert_eq!(limiter.limit(), 8, "nor is what failed alone added to one that did not");
}

#[test]
fn what_breaks_together_is_judged_by_all_that_were_under_way() {
    let (mut limiter, usual) = (Limiter::new(8), Duration::from_millis(100));
    let now = rounds(&mut limiter, Duration::ZERO, 50, usual);
    for under_way in (1..=8).rev() {
        limiter.ended(now, usual, Answer::Broken, under_way);
    }
    assert_eq!((limiter.limit(), limiter.reason()), (4, Reason::Overload));
    rounds(&mut limiter, now, 200, usual);
    assert_eq!((limiter.limit(), limiter.reason()), (7, Reason::Borne), "and what was borne before is tried again");
}

#[test]
fn a_limit_that_demand_does_not_reach_is_not_said_to_be_the_best() {
    let mut limiter = Limiter::new(8);
    limiter.ended(Duration::ZERO, Duration::ZERO, Answer::Refused, 8);
    for tenths in 0..1_000 {
        limiter.ended(Duration::from_millis(tenths * 100), Duration::from_millis(50), Answer::Served, 1);
    }
    assert_eq!((limiter.limit(), limiter.reason()), (4, Reason::Borne));
}

/// Ends as many requests together as the limit allows, `rounds` times, each time after `latency`; answers when that was.
fn rounds(limiter: &mut Limiter, mut now: Duration, rounds: u32, latency: Duration) -> Duration {
    for _ in 0..rounds {
        now += latency;
        for under_way in (1..=limiter.limit()).rev() {
            limiter.ended(now, latency, Answer::Served, under_way);
        }
    }
    now
}

#[test]
fn a_moment_in_which_nothing_moves_changes_nothing_but_a_server_that_stays_slower_is_asked_less() {
    let (mut limiter, usual) = (Limiter::new(10), Duration::from_millis(100));
    let mut now = Duration::ZERO;
    for calm in 30..45 {
        now = rounds(&mut limiter, now, calm, usual);
        now = rounds(&mut limiter, now, 1, Duration::from_millis(600));
        for _ in 0..20 {
            now = rounds(&mut limiter, now, 1, usual);
            assert_eq!(limiter.limit(), 10, "after {now:?}");
        }
    }
    rounds(&mut limiter, now, 10, 3 * usual);
    assert!(limiter.limit() < 10, "within three epochs");
}

fn answers() -> impl Strategy<Value = Answer> {
    prop::sample::select(vec![Answer::Served, Answer::Refused, Answer::Broken])
}

proptest! {
    #[test]
    fn it_stays_within_its_bounds(
        ceiling in 1usize..300,
        events in prop::collection::vec((0u64..1_000_000, 0u64..5_000_000, answers(), 1usize..400), 0..600),
    ) {
        let (mut limiter, mut now) = (Limiter::new(ceiling), 0);
        for (wait, latency, answer, under_way) in events {
            now += wait;
            let before = limiter.limit();
            let moved = limiter.ended(Duration::from_micros(now), Duration::from_micros(latency), answer, under_way);
            prop_assert!((1..=ceiling).contains(&limiter.limit()));
            prop_assert_eq!(moved, limiter.limit() != before);
        }
    }
}
