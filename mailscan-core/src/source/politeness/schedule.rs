//! When one host may be asked next: by the interval, by what it asked for, by the pace that its refusals teach, and not while it
//! answers nothing.
//!
//! A host with a limit of its own refuses whoever is quicker. To come back after a while at the same pace would be refused
//! for ever, so each such refusal doubles the interval, and each good answer shortens it a little. What a host refuses for
//! its pace says nothing of the page, which then keeps its attempts.
//!
//! Neither does a host that is away for a while: pages of one that has served others keep their attempts as well, for some
//! minutes. One that stays away is given up, and all that waits for it ends together, not a page a minute.

use std::time::Duration;

use ahash::AHashMap;
use tokio::time::Instant;

/// The first and the longest time that a host is left alone when it does not say for how long.
pub(crate) const FIRST_BLOCK: Duration = Duration::from_secs(1);
const LONGEST_BLOCK: Duration = Duration::from_secs(300);
/// The longest that a host may ask to be left alone.
pub(super) const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// The shortest and the longest interval that refusals teach.
const SHORTEST_LEARNT: Duration = Duration::from_millis(20);
const LONGEST_LEARNT: Duration = Duration::from_secs(10);
/// What a good answer leaves of a learnt interval: a host that refuses by its pace does so once in 35 requests.
const KEPT_OF_LEARNT: f64 = 0.98;
/// How many refusals in a row, without a good answer in between, are taken for those of a pace. After the last of them the
/// host was left alone for half a minute, if it did not ask for more.
const MOST_IN_A_ROW: u32 = 6;
/// How many refusals of one page are taken for those of a pace: what is refused again while others are not is the page's
/// own fault.
const MOST_OF_PAGE: u8 = 3;
/// The most pages whose refusals are remembered of a host.
const MAX_PAGES: usize = 256;

/// The most starts that are remembered as given back; of more the time is lost.
const MAX_GIVEN_BACK: usize = 256;

/// How many requests in a row have to be sent without an answer until that is no fault of the pages. One that cannot be sent
/// never is.
const SILENT: u32 = 3;
/// The longest that a host which answers nothing is left alone.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// For how long pages of a host that has served others keep their attempts while it answers nothing.
const GRACE: Duration = Duration::from_secs(300);
/// Failures as near to each other as this are of requests that were on their way together.
const TOGETHER: Duration = Duration::from_secs(1);
/// How often a page keeps its attempts in a silence, where it could not be asked for, and where it was.
const MOST_SPARED: [u8; 2] = [10, 3];
/// When a host is given up: after so many requests in a row without an answer, and so much time. It is tried all the same, once
/// in [`LONGEST_SILENCE`].
const GIVEN_UP_AFTER: (u32, Duration) = (8, Duration::from_secs(600));

/// The times of one host.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the next request may start, by the interval.
    next: Instant,
    /// Until when the host is left alone, because it asked for that.
    blocked: Instant,
    /// Refusals in a row.
    refusals: u32,
    /// The least time between two starts, as it was kept last.
    interval: Duration,
    /// The interval that refusals have taught; zero when none have.
    learnt: Duration,
    /// Whether the host has ever answered a page as it should, be it by leading elsewhere, and whether it has with one of its own.
    serves: bool,
    has_pages: bool,
    /// How often pages were refused, by their hashes.
    pages: AHashMap<u64, u8>,
    /// How often pages were not answered in this silence, by their hashes.
    unanswered: AHashMap<u64, u8>,
    /// When the next request may begin whose start is agreed on with other processes, by those that have begun in this one.
    next_here: Instant,
    /// Starts that were promised and not used, with the intervals behind them.
    given_back: Vec<(Instant, Duration)>,
    /// Requests in a row without an answer, since when, when the last of them was, and when the host was tried last after it was
    /// given up.
    silent: u32,
    silent_since: Instant,
    silent_last: Instant,
    tried: Instant,
    /// Whether the host has been left alone in this silence, and until when others wait for what comes of the last request that
    /// tries whether it is over.
    is_away: bool,
    probed: Instant,
}

/// What a request that may begin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// What it asks for.
    Usual,
    /// To tell whether a host that answered nothing does again.
    Probe,
}

/// What is known of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// For how long the host is to be left alone.
    pub(crate) wait: Duration,
    /// Whether the host seems to have refused its pace, and not this page.
    pub(crate) of_pace: bool,
}

impl Schedule {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            next: now,
            blocked: now,
            refusals: 0,
            interval: Duration::ZERO,
            learnt: Duration::ZERO,
            serves: false,
            has_pages: false,
            pages: AHashMap::new(),
            unanswered: AHashMap::new(),
            next_here: now,
            given_back: Vec::new(),
            silent: 0,
            silent_since: now,
            silent_last: now,
            tried: now,
            is_away: false,
            probed: now,
        }
    }

    /// For how long the host has answered nothing, and how many requests in a row, if that is why nobody is to ask it now. Who
    /// hears of neither tries it.
    pub(super) fn given_up(&mut self) -> Option<(u32, Duration)> {
        if self.silent_last.elapsed() >= GIVEN_UP_AFTER.1 {
            // Nobody has asked for long.
            self.hear();
        }
        let silence = self.silent_since.elapsed();
        if self.silent < GIVEN_UP_AFTER.0 || silence < GIVEN_UP_AFTER.1 {
            return None;
        }
        if self.tried.elapsed() < LONGEST_SILENCE {
            return Some((self.silent, silence));
        }
        self.tried = Instant::now();
        None
    }

    /// A request for a page with this hash was not answered: it could not be sent, or it was (`sent`) and nothing came. Answers how
    /// long the host is left alone, where that is no fault of the page.
    ///
    /// Of requests that were on their way together, and so fail within a second of each other, the first counts.
    pub(super) fn unanswered(&mut self, sent: bool, page: u64) -> Option<Duration> {
        let now = Instant::now();
        if self.silent == 0 {
            self.silent_since = now;
        }
        let begins = self.blocked <= now;
        let is_another = self.silent == 0 || now - self.silent_last >= TOGETHER;
        if begins && is_another {
            self.silent = self.silent.saturating_add(1);
            self.silent_last = now;
        }
        let enough = if sent { SILENT } else { 1 };
        if begins {
            let more = self.silent.checked_sub(enough)?;
            let wait = FIRST_BLOCK.saturating_mul(1 << more.min(20)).min(LONGEST_SILENCE);
            self.blocked = now + wait;
            self.is_away = true;
        }
        let is_of_host = self.serves && now - self.silent_since < GRACE && self.is_spared(page, sent);
        is_of_host.then(|| self.blocked - now)
    }

    /// Whether a page that was not answered keeps its attempts: one that nothing comes of again and again, with no other beside
    /// it, is to come to an end.
    fn is_spared(&mut self, page: u64, sent: bool) -> bool {
        if self.unanswered.len() >= MAX_PAGES && !self.unanswered.contains_key(&page) {
            self.unanswered.clear();
        }
        let times = self.unanswered.entry(page).or_default();
        *times = times.saturating_add(1);
        *times <= MOST_SPARED[usize::from(sent)]
    }

    /// What tried whether the host is back has come to an answer, be it one that leads on: the next tries at once.
    pub(super) fn probe_ends(&mut self) {
        self.probed = Instant::now();
    }

    /// The host says something.
    pub(super) fn hear(&mut self) {
        if self.silent > 0 {
            self.silent = 0;
            self.unanswered.clear();
            (self.is_away, self.probed) = (false, Instant::now());
        }
    }

    /// Whether the host has answered nothing of late.
    pub(super) fn is_silent(&self) -> bool {
        self.silent > 0
    }

    /// Gives back a start that was promised with this interval behind it, and is of no use.
    pub(super) fn give_back(&mut self, start: Instant, interval: Duration) {
        if start > Instant::now() && !interval.is_zero() && self.given_back.len() < MAX_GIVEN_BACK {
            self.given_back.push((start, interval));
        }
    }

    /// Where the first start is that was given back and serves who keeps this interval, from now on.
    fn find_given_back(&mut self, interval: Duration, now: Instant) -> Option<usize> {
        let from = self.closed().max(now);
        self.given_back.retain(|(start, _)| *start >= now);
        let of_use = |(_, given): &(usize, &(Instant, Duration))| given.0 >= from && given.1 >= interval;
        self.given_back.iter().enumerate().filter(of_use).min_by_key(|(_, given)| given.0).map(|(at, _)| at)
    }

    /// When the host may be asked again.
    pub(super) fn free(&self) -> Instant {
        self.next.max(self.closed())
    }

    /// Until when nothing may begin: the host is left alone, or a probe tells first.
    fn closed(&self) -> Instant {
        self.blocked.max(self.probed)
    }

    /// Until when the host is left alone.
    pub(super) fn blocked(&self) -> Instant {
        self.blocked
    }

    /// Leaves the host alone for so long, because another process was asked to.
    pub(super) fn leave_alone(&mut self, left: Duration) {
        self.blocked = self.blocked.max(Instant::now() + left);
    }

    /// The least time between two starts, as it was kept last.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The interval to keep where this one is asked for.
    pub(super) fn paced(&self, interval: Duration) -> Duration {
        interval.max(self.learnt)
    }

    /// The next start, when it is no later than `latest`; else how far away it is.
    pub(super) fn promise(&mut self, interval: Duration, latest: Instant) -> Result<Instant, Duration> {
        let now = Instant::now();
        if let Some(at) = self.find_given_back(interval, now) {
            let start = self.given_back[at].0;
            if start > latest {
                return Err(start - now);
            }
            self.given_back.swap_remove(at);
            return Ok(start);
        }
        let start = self.free().max(now);
        if start > latest {
            return Err(start - now);
        }
        self.next = start + interval;
        Ok(start)
    }

    /// The same for what keeps no interval but the one that refusals have taught.
    pub(super) fn promise_call(&mut self, latest: Instant) -> Result<Instant, Duration> {
        if !self.learnt.is_zero() {
            return self.promise(self.learnt, latest);
        }
        let now = Instant::now();
        let start = self.closed().max(now);
        if start > latest { Err(start - now) } else { Ok(start) }
    }

    /// When a request begins that is due now, of those whose starts are agreed on with other processes: all that waited for one
    /// answer are late together, and are to begin one after the other. `None` where that is later than `latest`.
    pub(super) fn next_here(&mut self, due: Instant, interval: Duration, latest: Instant) -> Option<Instant> {
        let start = self.next_here.max(due);
        (start <= latest).then(|| {
            self.next_here = start + interval;
            start
        })
    }

    /// Notes that a request begins which keeps this interval, or none; `None` where the host is to be left alone by now.
    ///
    /// While the host answers nothing, one request at a time tries whether it does again; after a while another does.
    pub(super) fn begin(&mut self, interval: Option<Duration>) -> Option<Begins> {
        let now = Instant::now();
        if self.closed() > now {
            return None;
        }
        self.interval = interval.unwrap_or(self.interval);
        if !self.is_away {
            return Some(Begins::Usual);
        }
        self.probed = now + TOGETHER;
        Some(Begins::Probe)
    }

    /// Notes that a request has begun, from which on the next keeps this interval.
    pub(super) fn began(&mut self, interval: Duration) {
        (self.interval, self.next) = (interval, Instant::now() + interval);
    }

    /// The host answered as it should: a page, or something beside the pages. An answer to what was asked before a refusal
    /// says nothing about it.
    pub(super) fn served(&mut self, is_page: bool) {
        self.has_pages |= is_page;
        self.answered(is_page);
    }

    /// The host led to another one. Answers whether that is all that it is known to do.
    pub(super) fn led_elsewhere(&mut self) -> bool {
        self.answered(true);
        !self.has_pages
    }

    fn answered(&mut self, serves: bool) {
        self.serves |= serves;
        self.hear();
        if self.blocked > Instant::now() {
            return;
        }
        self.refusals = 0;
        if !self.learnt.is_zero() {
            self.learnt = self.learnt.mul_f64(KEPT_OF_LEARNT);
            if self.learnt < SHORTEST_LEARNT / 2 {
                self.learnt = Duration::ZERO;
            }
        }
    }

    /// The host asked to be left alone, for a time or without saying how long, when it was asked for a page with this hash,
    /// or for something whose refusal says nothing of its pace.
    ///
    /// Requests that were on their way together are refused together: those after the first count as the same refusal.
    pub(super) fn refused(&mut self, asked: Option<Duration>, page: Option<u64>) -> Refusal {
        let now = Instant::now();
        self.hear();
        let begins = self.blocked <= now;
        if begins {
            let doubled = FIRST_BLOCK.saturating_mul(1 << self.refusals.min(20)).min(LONGEST_BLOCK);
            self.refusals = self.refusals.saturating_add(1);
            self.blocked = now + asked.map_or(doubled, |asked| asked.min(LONGEST_ASKED));
        } else if let Some(asked) = asked {
            self.blocked = self.blocked.max(now + asked.min(LONGEST_ASKED));
        }
        let of_pace = page.is_some_and(|page| self.is_of_pace(page));
        // One after a time of rest is no fault of the interval.
        if begins && of_pace && self.refusals == 1 {
            let doubled = self.paced(self.interval).saturating_mul(2);
            self.learnt = doubled.clamp(SHORTEST_LEARNT, LONGEST_LEARNT);
        }
        Refusal { wait: self.blocked - now, of_pace }
    }

    /// Whether a refusal of this page seems to be one of the pace. A host that serves nothing more, and a page that is
    /// refused again and again, are to come to an end.
    fn is_of_pace(&mut self, page: u64) -> bool {
        if !self.serves || self.refusals > MOST_IN_A_ROW {
            return false;
        }
        if self.pages.len() >= MAX_PAGES && !self.pages.contains_key(&page) {
            self.pages.clear();
        }
        let times = self.pages.entry(page).or_default();
        *times = times.saturating_add(1);
        *times <= MOST_OF_PAGE
    }
}
