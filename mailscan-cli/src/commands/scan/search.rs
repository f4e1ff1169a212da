//! The search itself: files side by side on all cores, results in the order of the files. What a large file holds comes in
//! parts, once it is its turn, so that neither its reader nor whoever waits for it has to hold all of it.

mod shelf;
mod turns;

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::inputs::Input;
use super::worker::{Asked, Searched, Taker, Worker};
use crate::exit::Result;
use crate::signals::Stop;
use shelf::{Results, Shelf};
use turns::{Turn, Turns};

/// How many files, or bytes of them, a thread searches before it tells of its results: waking the other side for each would
/// cost more than searching a small one.
const HAND_OVER: (usize, u64) = (32, 1 << 20);
/// How long a thread keeps results at most while it searches on: somebody may watch.
const KEEP: Duration = Duration::from_millis(200);
/// How often whoever takes results looks for those that nobody tells of.
const LOOK_UP: Duration = Duration::from_millis(100);
/// How long threads have to end what they search once they are to stop. Only one that waits for a disk, or reads a large file
/// whole, needs longer, and is left behind.
const GRACE: Duration = Duration::from_secs(2);

/// What whoever takes results is told.
pub(super) enum Told {
    /// What comes next in the order of the inputs.
    Searched(Searched),
    /// That this is all for now.
    Pause,
    /// That the search is to stop: after this comes only what threads have found that they have not told of yet.
    Stopping,
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
    let shelves: Vec<_> = (0..count).map(|_| Arc::new(Shelf::default())).collect();
    let (sender, receiver) = sync_channel(count);
    let threads: Vec<_> = (0..count)
        .map(|thread| {
            let (turns, asked, sender) = (Arc::clone(&turns), asked.clone(), sender.clone());
            let shelf = Arc::clone(&shelves[thread]);
            thread::spawn(move || work(&turns, asked, &shelf, &|| sender.send(thread).is_ok()))
        })
        .collect();
    drop(sender);
    let ended = in_order(&receiver, &shelves, &turns, stop, &mut take);
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

fn work<I: Iterator<Item = Input>>(turns: &Turns<I>, asked: Asked, shelf: &Shelf, tell: &dyn Fn() -> bool) {
    let mut worker = Worker::new(asked, turns.stopped());
    let mut results = Laying { turns, shelf, tell, number: 0, files: 0, bytes: 0, since: Instant::now() };
    loop {
        let input = match turns.next() {
            Turn::Take(number, input) => {
                results.number = number;
                input
            }
            Turn::TooFar(needed) => {
                // What others wait for must be handed over before waiting for them.
                if !results.hand_over() || !turns.wait_for(needed) {
                    break;
                }
                continue;
            }
            Turn::Over => break,
        };
        let searched = worker.search(&input, &mut results);
        results.lay(searched);
        if results.is_due() && !results.hand_over() {
            return;
        }
    }
    // Nobody hears of it any more where the search was stopped.
    tell();
}

/// How a thread hands over what it finds.
struct Laying<'a, I> {
    turns: &'a Turns<I>,
    shelf: &'a Shelf,
    /// Tells of what lies on the shelf; answers whether anybody takes it.
    tell: &'a dyn Fn() -> bool,
    /// The input that is searched.
    number: usize,
    /// How many results, and bytes of files, were laid there since somebody was told.
    files: usize,
    bytes: u64,
    /// When somebody was told last.
    since: Instant,
}

impl<I: Iterator<Item = Input>> Laying<'_, I> {
    fn lay(&mut self, searched: Searched) {
        (self.files, self.bytes) = (self.files + 1, self.bytes + searched.bytes);
        self.shelf.lay(self.number, searched);
    }

    fn is_due(&self) -> bool {
        self.files >= HAND_OVER.0 || self.bytes >= HAND_OVER.1
    }

    /// Tells of what there is; answers whether anybody takes it.
    fn hand_over(&mut self) -> bool {
        (self.files, self.bytes, self.since) = (0, 0, Instant::now());
        (self.tell)()
    }
}

impl<I: Iterator<Item = Input>> Taker for Laying<'_, I> {
    /// Hands over what was found of an input that is not at its end, if that is much, or it is time.
    fn go_on(&mut self, searched: &mut Searched) -> bool {
        let (is_part, is_late) = (searched.is_part(), self.since.elapsed() >= KEEP);
        if is_part || is_late {
            // What lies there is of earlier inputs, whose turn is before this one's.
            if !self.hand_over() || is_part && !self.turns.wait_for(self.number) {
                return false;
            }
            if is_part || searched.holds_any() && self.turns.is_turn_of(self.number) {
                self.lay(searched.take_part());
                return self.hand_over();
            }
        }
        !self.turns.is_stopped()
    }

    fn while_waiting<T>(&mut self, searched: &mut Searched, wait: impl FnOnce() -> T) -> T {
        self.shelf.while_waiting(self.number, searched, wait)
    }
}

fn in_order<I: Iterator<Item = Input>>(
    told_by: &Receiver<usize>,
    shelves: &[Arc<Shelf>],
    turns: &Turns<I>,
    stop: &Stop,
    take: &mut impl FnMut(Told) -> Result<()>,
) -> Result<Ended> {
    let mut order = Order { waiting: VecDeque::new(), turn: 0 };
    let mut looked = Instant::now();
    while !stop.is_asked() {
        match told_by.recv_timeout(LOOK_UP) {
            Ok(thread) => order.sort_in(shelves[thread].take(order.turn), take)?,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(Ended::Whole),
        }
        // Threads that wait tell of nothing.
        if looked.elapsed() >= LOOK_UP {
            looked = Instant::now();
            shelves.iter().try_for_each(|shelf| order.sort_in(shelf.take(order.turn), take))?;
        }
        turns.taken(order.turn);
        take(Told::Pause)?;
    }
    turns.stop();
    // What threads have told of is handed over before any of them is waited for: whoever asks once more to stop ends it all.
    shelves.iter().try_for_each(|shelf| order.sort_in(shelf.take(order.turn), take))?;
    take(Told::Stopping)?;
    let until = Instant::now() + GRACE;
    while let Ok(thread) = told_by.recv_timeout(until.saturating_duration_since(Instant::now())) {
        order.sort_in(shelves[thread].take(order.turn), take)?;
    }
    shelves.iter().try_for_each(|shelf| order.sort_in(shelf.clear(), take))?;
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
