//! A crowd: the requests that are under way at one host, as many at a time as its [`Limiter`] says.
//!
//! The gate asks for a place before a request and says how the request ended; a place is free again when it is dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::limiter::{Answer, Limiter, Reason};

/// The places of one host.
#[derive(Debug)]
pub(super) struct Crowd {
    places: Arc<Semaphore>,
    began: Instant,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limiter: Limiter,
    /// Places that are taken, and how many of them by requests that were sent: the others wait for their time.
    taken: usize,
    begun: usize,
    waiting: usize,
    /// Places that are to go as soon as they are free.
    owed: usize,
}

/// A place in a crowd.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    /// `None` only while it is dropped.
    permit: Option<OwnedSemaphorePermit>,
    /// When the request was sent.
    began: Option<Instant>,
    noted: Mutex<Noted>,
}

/// What is known of a request when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Noted {
    #[default]
    Nothing,
    Answered(Answer),
    PassedOver,
}

/// How many requests a crowd may have under way, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) limit: usize,
    pub(super) under_way: usize,
    pub(super) waiting: usize,
    pub(super) reason: Reason,
}

impl Crowd {
    /// A crowd of as many as the limiter says.
    pub(super) fn new(limiter: Limiter) -> Self {
        let places = limiter.limit().min(Semaphore::MAX_PERMITS);
        let state = State { limiter, taken: 0, begun: 0, waiting: 0, owed: 0 };
        Self { places: Arc::new(Semaphore::new(places)), began: Instant::now(), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a place, first come first served, no longer than until `latest`. Cancel-safe.
    pub(super) async fn enter(self: &Arc<Self>, latest: Instant) -> Option<Place> {
        let waiting = Waiting::new(self);
        // The semaphore is never closed.
        let permit = tokio::time::timeout_at(latest, self.places.clone().acquire_owned()).await.ok()?.ok()?;
        drop(waiting);
        self.state().taken += 1;
        Some(Place { crowd: self.clone(), permit: Some(permit), began: None, noted: Mutex::default() })
    }

    pub(super) fn standing(&self) -> Standing {
        let State { limiter, taken, begun, waiting, .. } = &*self.state();
        let (limit, reason) = (limiter.limit(), limiter.reason());
        Standing { limit, under_way: *begun, waiting: *waiting + taken - begun, reason }
    }

    /// Takes note of the end of a request, and of a new limit.
    fn leave(&self, permit: Option<OwnedSemaphorePermit>, began: Option<Instant>, answer: Option<Answer>) {
        let mut state = self.state();
        let (before, now) = (state.limiter.limit(), Instant::now());
        if let (Some(answer), Some(began)) = (answer, began) {
            let under_way = state.begun;
            state.limiter.ended(now - self.began, now - began, answer, under_way);
        }
        state.taken -= 1;
        state.begun -= usize::from(began.is_some());
        let limit = state.limiter.limit();
        if limit < before {
            // Places in use go when they are given back.
            state.owed += before - limit - self.places.forget_permits(before - limit);
        } else {
            let paid = state.owed.min(limit - before);
            state.owed -= paid;
            self.places.add_permits(limit - before - paid);
        }
        if state.owed > 0
            && let Some(permit) = permit
        {
            state.owed -= 1;
            permit.forget();
        }
    }
}

impl Place {
    /// Notes when the request is sent; until then, the place counts as taken but says nothing of the host.
    pub(super) fn begin(&mut self) {
        if self.began.replace(Instant::now()).is_none() {
            self.crowd.state().begun += 1;
        }
    }

    /// Notes how the host answered; the first note counts. Without one, the end of the request says nothing.
    pub(super) fn note(&self, answer: Answer) {
        self.first(Noted::Answered(answer));
    }

    /// Notes that the end of the request is to say nothing.
    pub(super) fn pass_over(&self) {
        self.first(Noted::PassedOver);
    }

    pub(super) fn is_passed_over(&self) -> bool {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) == Noted::PassedOver
    }

    fn first(&self, note: Noted) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if *noted == Noted::Nothing {
            *noted = note;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let answer = match *self.noted.get_mut().unwrap_or_else(PoisonError::into_inner) {
            Noted::Answered(answer) => Some(answer),
            Noted::Nothing | Noted::PassedOver => None,
        };
        self.crowd.leave(self.permit.take(), self.began, answer);
    }
}

/// Counts who waits, for as long as they do.
struct Waiting<'a>(&'a Crowd);

impl<'a> Waiting<'a> {
    fn new(crowd: &'a Crowd) -> Self {
        crowd.state().waiting += 1;
        Self(crowd)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.state().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn enter(crowd: &Arc<Crowd>) -> Option<Place> {
        let mut place = crowd.enter(Instant::now() + Duration::from_millis(1)).await?;
        place.begin();
        Some(place)
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_ceiling() {
        let crowd = Arc::new(Crowd::new(Limiter::new(2)));
        let places = [enter(&crowd).await.unwrap(), enter(&crowd).await.unwrap()];
        assert!(enter(&crowd).await.is_none());
        drop(places);
        assert!(enter(&crowd).await.is_some());
        assert_eq!(crowd.standing(), Standing { limit: 2, under_way: 0, waiting: 0, reason: Reason::Ceiling });
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_places_even_those_in_use() {
        let crowd = Arc::new(Crowd::new(Limiter::new(8)));
        let mut places = Vec::new();
        for _ in 0..8 {
            places.push(enter(&crowd).await.unwrap());
        }
        let refused = places.pop().unwrap();
        refused.note(Answer::Refused);
        drop(refused);
        assert_eq!((crowd.standing().limit, crowd.standing().reason), (4, Reason::Overload));
        for _ in 0..3 {
            places.pop();
            assert!(enter(&crowd).await.is_none(), "{} under way", crowd.standing().under_way);
        }
        places.pop();
        assert!(enter(&crowd).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_gives_up_waiting_is_not_counted() {
        let crowd = Arc::new(Crowd::new(Limiter::new(1)));
        let _place = enter(&crowd).await.unwrap();
        let waiting = tokio::spawn({
            let crowd = crowd.clone();
            async move { crowd.enter(Instant::now() + Duration::from_secs(9)).await.is_some() }
        });
        tokio::task::yield_now().await;
        assert_eq!(crowd.standing().waiting, 1);
        waiting.abort();
        let _ = waiting.await;
        assert_eq!(crowd.standing().waiting, 0);
    }
}
