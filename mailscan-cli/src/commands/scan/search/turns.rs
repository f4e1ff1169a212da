//! Which file is next, and how far the results have been taken. Threads list the files themselves, in turn, so that searching
//! begins with the first.
//!
//! Listing may take as long as a disk likes; so it has a lock of its own, which only whoever wants the next file waits for.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::super::inputs::Input;

/// How many files may be searched ahead of the one whose turn it is; it bounds the results that wait.
const AHEAD: usize = 1_024;

pub(super) struct Turns<I> {
    list: Mutex<List<I>>,
    /// How many inputs' results have been taken.
    taken: AtomicUsize,
    /// Nobody takes results any more but those that are on their way.
    stopped: Arc<AtomicBool>,
    /// How many threads wait for results to be taken. Never held for longer than it takes to look at the two above.
    waiting: Mutex<usize>,
    moved: Condvar,
}

struct List<I> {
    inputs: I,
    next: usize,
    /// There is no further input.
    over: bool,
}

pub(super) enum Turn {
    /// This input, with its number.
    Take(usize, Input),
    /// None before the results of so many inputs have been taken.
    TooFar(usize),
    /// None any more.
    Over,
}

impl<I: Iterator<Item = Input>> Turns<I> {
    pub(super) fn new(inputs: I) -> Self {
        Self {
            list: Mutex::new(List { inputs, next: 0, over: false }),
            taken: AtomicUsize::new(0),
            stopped: Arc::default(),
            waiting: Mutex::new(0),
            moved: Condvar::new(),
        }
    }

    /// The next input, if it is near enough to the one whose turn it is.
    pub(super) fn next(&self) -> Turn {
        let mut list = lock(&self.list);
        if list.over || self.is_stopped() {
            return Turn::Over;
        }
        let needed = (list.next + 1).saturating_sub(AHEAD);
        if !self.is_turn_of(needed) {
            return Turn::TooFar(needed);
        }
        let Some(input) = list.inputs.next() else {
            list.over = true;
            return Turn::Over;
        };
        list.next += 1;
        Turn::Take(list.next - 1, input)
    }

    /// Waits until the results of all inputs before this one have been taken; answers whether anybody still takes any.
    pub(super) fn wait_for(&self, number: usize) -> bool {
        let mut waiting = lock(&self.waiting);
        *waiting += 1;
        let waiting = self.moved.wait_while(waiting, |_| !self.is_stopped() && !self.is_turn_of(number));
        *waiting.unwrap_or_else(PoisonError::into_inner) -= 1;
        !self.is_stopped()
    }

    /// Whether the results of all inputs before this one have been taken.
    pub(super) fn is_turn_of(&self, number: usize) -> bool {
        self.taken.load(Ordering::Acquire) >= number
    }

    /// Whether nobody takes results any more but those that are on their way.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// The flag that tells the same to who waits for nothing here.
    pub(super) fn stopped(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// Tells how many inputs' results have been taken.
    pub(super) fn taken(&self, taken: usize) {
        self.taken.store(taken, Ordering::Release);
        self.wake();
    }

    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// Wakes whoever waits, for which the lock is needed: a thread that has looked and not begun to wait would sleep on.
    fn wake(&self) {
        if *lock(&self.waiting) > 0 {
            self.moved.notify_all();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
