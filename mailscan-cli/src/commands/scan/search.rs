//! The search itself: files side by side on all cores, results in the order of the files. What a large file holds comes in
//! parts, once it is its turn, so that neither its reader nor whoever waits for it has to hold all of it.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::inputs::Input;
use super::worker::{Asked, Searched, Worker};
use crate::exit::Result;

/// How many files may be searched ahead of the one whose turn it is; it bounds the results that wait.
const AHEAD: usize = 1_024;
/// How many files, or bytes of them, a thread searches before it hands its results over: waking the other side for each
/// would cost more than searching a small one.
const HAND_OVER: (usize, u64) = (32, 1 << 20);

/// Results on their way, each with the number of its input.
type Results = Vec<(usize, Searched)>;

/// Searches all inputs and hands the results over in the order of the inputs.
pub(super) fn all(
    inputs: impl Iterator<Item = Input> + Send,
    asked: &Asked,
    mut take: impl FnMut(Searched) -> Result<()>,
) -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let turns = Turns::new(inputs);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(threads);
        for _ in 0..threads {
            let (turns, sender) = (&turns, sender.clone());
            scope.spawn(move || work(turns, asked, &sender));
        }
        drop(sender);
        let result = in_order(&receiver, &turns, &mut take);
        // Whoever still waits for a turn or to hand over a result must not wait for ever.
        turns.stop();
        drop(receiver);
        result
    })
}

fn work<I: Iterator<Item = Input>>(turns: &Turns<I>, asked: &Asked, sender: &SyncSender<Results>) {
    let mut worker = Worker::new(asked.clone());
    let (mut results, mut bytes) = (Vec::new(), 0);
    loop {
        let next = match turns.next() {
            Turn::Take(number, input) => Some((number, input)),
            Turn::TooFar => None,
            Turn::Over => break,
        };
        if let Some((number, input)) = &next {
            let searched = worker.search(input, |part| {
                // What waits here is of earlier inputs, whose turn is before this one's.
                let sent = results.is_empty() || sender.send(std::mem::take(&mut results)).is_ok();
                sent && turns.wait_for(*number) && sender.send(vec![(*number, part)]).is_ok()
            });
            bytes += searched.bytes;
            results.push((*number, searched));
        }
        if next.is_some() && results.len() < HAND_OVER.0 && bytes < HAND_OVER.1 {
            continue;
        }
        // What others wait for must be handed over before waiting for them.
        if !results.is_empty() && sender.send(std::mem::take(&mut results)).is_err() {
            return;
        }
        bytes = 0;
        if next.is_none() {
            turns.wait();
        }
    }
    // Nobody receives any more where the search was stopped.
    let _ = sender.send(results);
}

fn in_order<I: Iterator<Item = Input>>(
    receiver: &Receiver<Results>,
    turns: &Turns<I>,
    take: &mut impl FnMut(Searched) -> Result<()>,
) -> Result<()> {
    // The results from the one whose turn it is; none is further away than `AHEAD`.
    let mut waiting: VecDeque<Option<Searched>> = VecDeque::new();
    let mut turn = 0;
    for results in receiver {
        for (number, searched) in results {
            let place = number - turn;
            if !searched.ended {
                // Parts come when it is their turn.
                take(searched)?;
                continue;
            }
            if waiting.len() <= place {
                waiting.resize_with(place + 1, || None);
            }
            waiting[place] = Some(searched);
        }
        while let Some(searched) = waiting.front_mut().and_then(Option::take) {
            waiting.pop_front();
            take(searched)?;
            turn += 1;
        }
        turns.taken(turn);
    }
    Ok(())
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
        !self.lock().stopped
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
