//! The search itself: files side by side on all cores, results in the order of the files. What a large file holds comes in
//! parts, once it is its turn, so that neither its reader nor whoever waits for it has to hold all of it.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::inputs::Input;
use super::worker::{Asked, Searched, Worker};
use crate::exit::Result;
use crate::signals::Stop;

/// How many files may be searched ahead of the one whose turn it is; it bounds the results that wait.
const AHEAD: usize = 1_024;
/// How many files, or bytes of them, a thread searches before it hands its results over: waking the other side for each
/// would cost more than searching a small one.
const HAND_OVER: (usize, u64) = (32, 1 << 20);
/// How long a thread keeps results at most while it searches on: somebody may watch.
const KEEP: Duration = Duration::from_millis(200);
/// How often whoever takes results looks up while none come.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long threads have to hand over what they have found once they are to stop. One that waits for its input never does.
const GRACE: Duration = Duration::from_millis(500);

/// Results on their way, each with the number of its input.
type Results = Vec<(usize, Searched)>;

/// What whoever takes results is told.
pub(super) enum Told {
    /// What comes next in the order of the inputs.
    Searched(Searched),
    /// That this is all for now.
    Pause,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All inputs were searched.
    Whole,
    /// It was asked to stop.
    Stopped,
}

/// Searches all inputs and hands the results over in the order of the inputs. When it is asked to stop, what was found up to
/// then is handed over, and threads that wait for their input are left behind.
pub(super) fn all(
    inputs: impl Iterator<Item = Input> + Send + 'static,
    asked: &Asked,
    stop: &Stop,
    mut take: impl FnMut(Told) -> Result<()>,
) -> Result<Ended> {
    let count = thread::available_parallelism().map_or(1, usize::from);
    let turns = Arc::new(Turns::new(inputs));
    let (sender, receiver) = sync_channel(count);
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let (turns, asked, sender) = (Arc::clone(&turns), asked.clone(), sender.clone());
            thread::spawn(move || work(&turns, asked, &sender))
        })
        .collect();
    drop(sender);
    let ended = in_order(&receiver, &turns, stop, &mut take);
    // Whoever still waits for a turn or to hand over a result must not wait for ever.
    turns.stop();
    drop(receiver);
    if matches!(ended, Ok(Ended::Whole))
        && let Some(panic) = threads.into_iter().find_map(|thread| thread.join().err())
    {
        resume_unwind(panic);
    }
    ended
}

fn work<I: Iterator<Item = Input>>(turns: &Turns<I>, asked: Asked, sender: &SyncSender<Results>) {
    let mut worker = Worker::new(asked);
    let mut batch = Batch { results: Vec::new(), bytes: 0, since: Instant::now(), sender };
    loop {
        let next = match turns.next() {
            Turn::Take(number, input) => Some((number, input)),
            Turn::TooFar => None,
            Turn::Over => break,
        };
        if let Some((number, input)) = &next {
            // It may be long in coming.
            if *input == Input::Stdin && !batch.hand_over() {
                return;
            }
            let searched = worker.search(input, |searched| batch.go_on(turns, *number, searched));
            batch.bytes += searched.bytes;
            batch.results.push((*number, searched));
        }
        if next.is_some() && !batch.is_due() {
            continue;
        }
        // What others wait for must be handed over before waiting for them.
        if !batch.hand_over() {
            return;
        }
        if next.is_none() {
            turns.wait();
        }
    }
    // Nobody receives any more where the search was stopped.
    let _ = sender.send(batch.results);
}

/// What a thread has found and not handed over yet.
struct Batch<'a> {
    results: Results,
    bytes: u64,
    /// When it last handed something over.
    since: Instant,
    sender: &'a SyncSender<Results>,
}

impl Batch<'_> {
    fn is_due(&self) -> bool {
        self.results.len() >= HAND_OVER.0 || self.bytes >= HAND_OVER.1 || self.since.elapsed() >= KEEP
    }

    /// Hands over what there is; answers whether anybody takes it.
    fn hand_over(&mut self) -> bool {
        (self.bytes, self.since) = (0, Instant::now());
        self.results.is_empty() || self.sender.send(std::mem::take(&mut self.results)).is_ok()
    }

    /// Hands over what was found of an input that is not at its end, if that is much, or it is time; answers whether more is
    /// wanted.
    fn go_on<I: Iterator<Item = Input>>(&mut self, turns: &Turns<I>, number: usize, searched: &mut Searched) -> bool {
        let (is_part, is_late) = (searched.is_part(), self.since.elapsed() >= KEEP);
        if is_part || is_late {
            // What waits here is of earlier inputs, whose turn is before this one's.
            if !self.hand_over() || is_part && !turns.wait_for(number) {
                return false;
            }
            if is_part || searched.holds_any() && turns.is_turn_of(number) {
                return self.sender.send(vec![(number, searched.take_part())]).is_ok();
            }
        }
        !turns.is_stopped()
    }
}

fn in_order<I: Iterator<Item = Input>>(
    receiver: &Receiver<Results>,
    turns: &Turns<I>,
    stop: &Stop,
    take: &mut impl FnMut(Told) -> Result<()>,
) -> Result<Ended> {
    let mut order = Order { waiting: VecDeque::new(), turn: 0 };
    while !stop.is_asked() {
        match receiver.recv_timeout(LOOK_UP) {
            Ok(results) => {
                order.sort_in(results, take)?;
                turns.taken(order.turn);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Whole),
        }
        take(Told::Pause)?;
    }
    turns.stop();
    let until = Instant::now() + GRACE;
    while let Ok(results) = receiver.recv_timeout(until.saturating_duration_since(Instant::now())) {
        order.sort_in(results, take)?;
    }
    // What was found behind inputs that were not searched to their end.
    order.waiting.into_iter().flatten().try_for_each(|searched| take(Told::Searched(searched)))?;
    Ok(Ended::Stopped)
}

/// Results that came before their turn.
struct Order {
    /// The results from the one whose turn it is; none is further away than `AHEAD`.
    waiting: VecDeque<Option<Searched>>,
    turn: usize,
}

impl Order {
    /// Hands over those of these results whose turn it is, and those that waited for them.
    fn sort_in(&mut self, results: Results, take: &mut impl FnMut(Told) -> Result<()>) -> Result<()> {
        let Self { waiting, turn } = self;
        for (number, searched) in results {
            let place = number - *turn;
            if !searched.ended {
                // Parts come when it is their turn.
                take(Told::Searched(searched))?;
                continue;
            }
            if waiting.len() <= place {
                waiting.resize_with(place + 1, || None);
            }
            waiting[place] = Some(searched);
        }
        while let Some(searched) = waiting.front_mut().and_then(Option::take) {
            waiting.pop_front();
            take(Told::Searched(searched))?;
            *turn += 1;
        }
        Ok(())
    }
}

/// Which file is next, and how far the results have been taken. Threads list the files themselves, in turn, so that
/// searching begins with the first.
struct Turns<I> {
    state: Mutex<State<I>>,
    moved: Condvar,
}

struct State<I> {
    inputs: I,
    next: usize,
    taken: usize,
    /// How many threads wait for results to be taken.
    waiting: usize,
    /// There is no further input.
    over: bool,
    /// Nobody takes results any more.
    stopped: bool,
}

enum Turn {
    /// This input, with its number.
    Take(usize, Input),
    /// None before more results are taken.
    TooFar,
    /// None any more.
    Over,
}

impl<I: Iterator<Item = Input>> Turns<I> {
    fn new(inputs: I) -> Self {
        let state = State { inputs, next: 0, taken: 0, waiting: 0, over: false, stopped: false };
        Self { state: Mutex::new(state), moved: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next input, if it is near enough to the one whose turn it is.
    fn next(&self) -> Turn {
        let mut state = self.lock();
        if state.over {
            return Turn::Over;
        }
        if state.is_too_far() {
            return Turn::TooFar;
        }
        let Some(input) = state.inputs.next() else {
            state.over = true;
            return Turn::Over;
        };
        state.next += 1;
        Turn::Take(state.next - 1, input)
    }

    /// Waits until the next input is near enough.
    fn wait(&self) {
        self.wait_while(|state| !state.over && state.is_too_far());
    }

    /// Waits until the results of all inputs before this one have been taken; answers whether anybody still takes any.
    fn wait_for(&self, number: usize) -> bool {
        self.wait_while(|state| state.taken < number);
        !self.is_stopped()
    }

    /// Whether the results of all inputs before this one have been taken.
    fn is_turn_of(&self, number: usize) -> bool {
        self.lock().taken >= number
    }

    /// Whether nobody takes results any more but those that are on their way.
    fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn wait_while(&self, mut is_early: impl FnMut(&State<I>) -> bool) {
        let mut state = self.lock();
        state.waiting += 1;
        let state = self.moved.wait_while(state, |state| !state.stopped && is_early(state));
        state.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
    }

    fn taken(&self, taken: usize) {
        let mut state = self.lock();
        state.taken = taken;
        if state.waiting > 0 {
            self.moved.notify_all();
        }
    }

    fn stop(&self) {
        let mut state = self.lock();
        (state.over, state.stopped) = (true, true);
        drop(state);
        self.moved.notify_all();
    }
}

impl<I> State<I> {
    fn is_too_far(&self) -> bool {
        self.next >= self.taken + AHEAD
    }
}
