//! What this process knows of the addresses of jobs: Bloom filters that spare the server most look-ups.
//!
//! The filter of a job knows the addresses up to some id, and ids have no gaps. So an address that it never met can only
//! be among those of higher ids, which the statement that inserts reads in one piece and answers (`sql/address_insert.sql`).
//! What the filter takes for met is looked up by the server as ever, and so is everything where too much was added by
//! others: then the filter catches up before the next insertion. A server that was started anew, or another in its place,
//! may have lost the last of what it had, and given the ids to others; so a filter belongs to one start of one server.
//!
//! Where there is no room for the filter of one more job, those that nobody has asked lately give way, and the job does
//! without where there are none: filters in turn would be made anew for each insertion.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Postgres;
use super::convert::limit;
use crate::dedup::BloomFront;
use crate::error::Result;
use crate::job::JobId;

/// The memory of all filters together from which on no job is given a new one, in bytes. Those in use still grow with
/// their jobs.
const MOST_BYTES: usize = 128 << 20;
/// After so many questions to others, a filter gives way.
const IDLE: u64 = 1_024;
/// The addresses that a filter is made for at first, how many times as many the next one, and how often each may err.
const CAPACITY: usize = 100_000;
const GROWTH: usize = 4;
const FALSE_POSITIVES: f64 = 0.02;
/// The most addresses that an insertion reads to know what was added since.
pub(super) const NEAR: i64 = 10_000;
/// How many pages of fingerprints an insertion waits for.
const PAGES: usize = 5;

/// The filters of jobs.
#[derive(Debug, Default)]
pub(super) struct Fronts(Mutex<Kept>);

#[derive(Debug)]
struct Kept {
    fronts: HashMap<JobId, Front>,
    /// The memory from which on there is no room, in bytes.
    most: usize,
    /// How many questions there were.
    questions: u64,
}

impl Default for Kept {
    fn default() -> Self {
        Self { fronts: HashMap::new(), most: MOST_BYTES, questions: 0 }
    }
}

/// The filter of one job.
#[derive(Debug)]
struct Front {
    /// One for the first addresses, and a larger one behind each that is full: to make one anew is to read all of the
    /// job, and one more look costs nothing beside what the server does. They take a byte for each address that they are
    /// made for, so five for each that they hold when a new one begins, and fewer from then on.
    filters: Vec<BloomFront>,
    /// It knows the addresses up to this id.
    known: i64,
    /// How many addresses the job had at least when it was heard of last.
    collected: i64,
    /// Tells this filter from those before it.
    number: u64,
    /// When the server was started that told what it knows, in microseconds since the epoch; 0 for none.
    server: i64,
    /// The last question that it was asked.
    asked: u64,
}

/// What a filter says of the addresses of one insertion.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Which filter says so.
    pub(super) number: u64,
    pub(super) known: i64,
    /// When the server was started that told it so.
    pub(super) server: i64,
    /// Which of them are not among the first `known`.
    pub(super) absent: Vec<bool>,
}

/// What an insertion that was committed tells of a job.
#[derive(Debug)]
pub(super) struct Learned {
    /// Which filter was asked before.
    pub(super) number: u64,
    /// When the server was started.
    pub(super) server: i64,
    /// How many addresses there were before.
    pub(super) collected: i64,
    /// Those that came after what the filter knew; nothing where they were too many to be told.
    pub(super) later: Option<Vec<i64>>,
    /// Those that were added now.
    pub(super) added: Vec<i64>,
}

impl Front {
    fn new(collected: i64, server: i64) -> Self {
        let filters = vec![BloomFront::new(CAPACITY, FALSE_POSITIVES)];
        Self { filters, known: 0, collected, number: rand::random(), server, asked: 0 }
    }

    fn bytes(&self) -> usize {
        self.filters.iter().map(BloomFront::bytes).sum()
    }

    fn surely_new(&self, fingerprint: i64) -> bool {
        self.filters.iter().all(|filter| filter.surely_new(fingerprint.cast_unsigned()))
    }

    fn note(&mut self, fingerprints: &[i64], known: i64) {
        for fingerprint in fingerprints {
            if let Some(full) = self.filters.last().filter(|last| last.is_full()) {
                let capacity = full.capacity().saturating_mul(GROWTH);
                self.filters.push(BloomFront::new(capacity, FALSE_POSITIVES));
            }
            if let Some(last) = self.filters.last_mut() {
                last.insert(fingerprint.cast_unsigned());
            }
        }
        self.known = self.known.max(known);
        self.collected = self.collected.max(known);
    }
}

impl Kept {
    /// The filter of a job that asks it now, made where there is none; nothing where there is no room for it.
    fn ask(&mut self, job: JobId) -> Option<&mut Front> {
        self.questions += 1;
        if !self.fronts.contains_key(&job) {
            let front = Front::new(0, 0);
            if !self.make_room(front.bytes()) {
                return None;
            }
            self.fronts.insert(job, front);
        }
        let front = self.fronts.get_mut(&job)?;
        front.asked = self.questions;
        Some(front)
    }

    /// Makes room for so many bytes at the cost of filters that nobody asks; answers whether there is any.
    fn make_room(&mut self, bytes: usize) -> bool {
        let mut all: usize = self.fronts.values().map(Front::bytes).sum();
        while all + bytes > self.most {
            let idle = self.fronts.iter().filter(|(_, front)| self.questions - front.asked > IDLE);
            let Some((job, bytes)) =
                idle.min_by_key(|(_, front)| front.asked).map(|(job, front)| (*job, front.bytes()))
            else {
                return false;
            };
            self.fronts.remove(&job);
            all -= bytes;
        }
        true
    }
}

impl Fronts {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says of addresses of a job, by their fingerprints, whether they are among those that the filter knows.
    pub(super) fn judge(&self, job: JobId, fingerprints: &[i64]) -> Verdict {
        let mut kept = self.lock();
        let Some(front) = kept.ask(job) else {
            return Verdict { absent: vec![false; fingerprints.len()], ..Verdict::default() };
        };
        let absent = fingerprints.iter().map(|fingerprint| front.surely_new(*fingerprint));
        Verdict { number: front.number, known: front.known, server: front.server, absent: absent.collect() }
    }

    /// Notes what was told after a verdict.
    pub(super) fn learn(&self, job: JobId, learned: &Learned) {
        let mut kept = self.lock();
        let front = kept.fronts.get_mut(&job).filter(|front| front.number == learned.number);
        let Some(front) = front else { return };
        let collected = learned.collected.saturating_add(limit(learned.added.len()));
        if front.server != learned.server {
            *front = Front { asked: front.asked, ..Front::new(collected, learned.server) };
            return;
        }
        match &learned.later {
            Some(later) => {
                front.note(later, learned.collected);
                front.note(&learned.added, collected);
            }
            None => front.collected = front.collected.max(collected),
        }
    }

    /// Where to read on, if the filter of a job is far behind; its number with it.
    fn behind(&self, job: JobId) -> Option<(u64, i64)> {
        let kept = self.lock();
        let front = kept.fronts.get(&job)?;
        (front.collected - front.known > NEAR / 2).then_some((front.number, front.known))
    }

    /// Notes a page of fingerprints that ends with an id.
    fn read(&self, job: JobId, number: u64, page: &[i64], last: i64) {
        if let Some(front) = self.lock().fronts.get_mut(&job).filter(|front| front.number == number) {
            front.note(page, last);
        }
    }
}

impl Postgres {
    /// Lets the filter of a job catch up with what was added, a bounded part of the way.
    pub(super) async fn catch_up(&self, job: JobId) -> Result<()> {
        for _ in 0..PAGES {
            let Some((number, known)) = self.shared.fronts.behind(job) else { break };
            // A job that was deleted has none, and nobody adds to it.
            let Some((last, fingerprints)) = self.fingerprints_behind(job, known).await? else { break };
            self.shared.fronts.read(job, number, &fingerprints, last);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: JobId = JobId(1);

    fn learned(after: &Verdict, collected: i64, later: &[i64], added: &[i64]) -> Learned {
        Learned { number: after.number, server: 5, collected, later: Some(later.to_vec()), added: added.to_vec() }
    }

    /// Filters that have heard of their server.
    fn fronts() -> Fronts {
        let fronts = Fronts::default();
        fronts.learn(JOB, &learned(&fronts.judge(JOB, &[]), 0, &[], &[]));
        fronts
    }

    /// Fingerprints as far apart as those of addresses are: near ones may well share their bits.
    fn apart<const N: usize>(numbers: [i64; N]) -> [i64; N] {
        numbers.map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()))
    }

    #[test]
    fn knows_what_it_was_told_and_how_far() {
        let fronts = fronts();
        let first = fronts.judge(JOB, &apart([1, 2]));
        assert_eq!((first.known, first.absent.as_slice()), (0, &[true, true][..]));
        fronts.learn(JOB, &learned(&first, 2, &apart([7, 8]), &apart([1])));
        let second = fronts.judge(JOB, &apart([1, 7, 8, 2]));
        assert_eq!(second.known, 3);
        assert_eq!(second.absent, [false, false, false, true]);
    }

    #[test]
    fn what_was_not_told_is_not_known() {
        let fronts = fronts();
        let verdict = fronts.judge(JOB, &[1]);
        fronts.learn(JOB, &Learned { later: None, ..learned(&verdict, 50_000, &[], &[1]) });
        assert_eq!(fronts.judge(JOB, &[1]).known, 0);
        let (number, known) = fronts.behind(JOB).unwrap();
        fronts.read(JOB, number, &[5; 10], 50_001);
        assert_eq!((known, fronts.behind(JOB)), (0, None));
        assert_eq!(fronts.judge(JOB, &[5]).known, 50_001);
    }

    #[test]
    fn another_start_of_the_server_is_believed_from_the_beginning() {
        let fronts = fronts();
        fronts.learn(JOB, &learned(&fronts.judge(JOB, &[1]), 0, &[], &[1]));
        let verdict = fronts.judge(JOB, &[2]);
        assert_eq!((verdict.known, verdict.server), (1, 5));
        fronts.learn(JOB, &Learned { server: 6, later: None, ..learned(&verdict, 1, &[], &[2]) });
        let anew = fronts.judge(JOB, &[1]);
        assert_eq!((anew.known, anew.server, anew.absent.as_slice()), (0, 6, &[true][..]));
    }

    #[test]
    fn a_full_filter_is_followed_by_a_larger_one() {
        let fronts = fronts();
        let all: Vec<i64> = (0..CAPACITY as i64 * 2).flat_map(|n| apart([n])).collect();
        fronts.learn(JOB, &learned(&fronts.judge(JOB, &[]), 0, &[], &all));
        let verdict = fronts.judge(JOB, &all);
        assert_eq!(verdict.known, limit(all.len()));
        assert!(verdict.absent.iter().all(|absent| !absent));
        assert_eq!(fronts.lock().fronts[&JOB].filters.len(), 2);
    }

    #[test]
    fn jobs_keep_their_filters_however_many_they_are() {
        let fronts = fronts();
        let round = |numbers: std::ops::Range<u64>| {
            let ask = |job| fronts.judge(JobId(job), &[]).number;
            numbers.map(ask).collect::<Vec<_>>()
        };
        let first = round(0..300);
        assert_eq!(first, round(0..300));
        // There is room for these and no more.
        let one = Front::new(0, 0).bytes();
        fronts.lock().most = 300 * one;
        let late = fronts.judge(JobId(300), &apart([1, 2]));
        assert_eq!((late.number, late.server, late.absent.as_slice()), (0, 0, &[false, false][..]));
        assert_eq!(first, round(0..300), "all are in use");
        for _ in 0..5 {
            round(1..300);
        }
        assert_ne!(fronts.judge(JobId(300), &[]).number, 0, "the first is not");
        assert_eq!(first[1..], round(1..300), "nobody else gave way");
        assert_eq!(fronts.judge(JobId(0), &[]).number, 0);
        assert_eq!(fronts.lock().fronts.values().map(Front::bytes).sum::<usize>(), 300 * one);
    }

    #[test]
    fn a_verdict_from_before_another_start_teaches_nothing() {
        let fronts = fronts();
        let verdict = fronts.judge(JOB, &[]);
        fronts.learn(JOB, &Learned { server: 6, ..learned(&verdict, 0, &[], &[]) });
        fronts.learn(JOB, &Learned { server: 6, ..learned(&verdict, 9, &[], &[1]) });
        assert_eq!(fronts.judge(JOB, &[]).known, 0);
    }
}
