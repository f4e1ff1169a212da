//! The search itself: files side by side on all cores, results in the order of the files. What a large file holds comes in
//! parts, once it is its turn, so that neither its reader nor whoever waits for it has to hold all of it.

mod turns;

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::inputs::Input;
use super::worker::{Asked, Searched, Worker};
use crate::exit::Result;
use crate::signals::Stop;
use turns::{Turn, Turns};

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
        let (number, input) = match turns.next() {
            Turn::Take(number, input) => (number, input),
            Turn::TooFar(needed) => {
                // What others wait for must be handed over before waiting for them.
                if !batch.hand_over() || !turns.wait_for(needed) {
                    break;
                }
                continue;
            }
            Turn::Over => break,
        };
        // It may be long in coming.
        if input == Input::Stdin && !batch.hand_over() {
            return;
        }
        let searched = worker.search(&input, |searched| batch.go_on(turns, number, searched));
        batch.bytes += searched.bytes;
        batch.results.push((number, searched));
        if batch.is_due() && !batch.hand_over() {
            return;
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
    /// The results from the one whose turn it is; none is further away than inputs are searched ahead.
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

#[cfg(test)]
mod tests;
