//! Room in memory for files that are read at the same time, in the whole process.
//!
//! Whoever reads a file takes as much as that may come to, and waits until there is so much. Nobody waits for anything else
//! meanwhile, so whoever has room gives it back: the text of a file is taken out of it whole before it is handed to anybody.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// How much there is.
const ROOM: usize = 512 << 20;
/// How much reading any file may take, beside twice its length: streams of objects, the content of a page, fonts, text.
const BASE: usize = 40 << 20;

static TAKEN: Mutex<usize> = Mutex::new(0);
static GIVEN_BACK: Condvar = Condvar::new();

/// Room that is taken until this is dropped.
#[derive(Debug)]
pub(crate) struct Room(usize);

impl Room {
    /// Takes the room for a file of up to so many bytes; waits for it, until the deadline where there is one. `None` if there was
    /// no room until then.
    pub(crate) fn take(length: usize, deadline: Option<Instant>) -> Option<Self> {
        let wanted = BASE.saturating_add(length.saturating_mul(2)).min(ROOM);
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken + wanted > ROOM {
            taken = match deadline {
                None => GIVEN_BACK.wait(taken).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.checked_duration_since(Instant::now())?;
                    GIVEN_BACK.wait_timeout(taken, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        *taken += wanted;
        Some(Self(wanted))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= self.0;
        GIVEN_BACK.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn who_finds_no_room_waits_for_it() {
        let all = Room::take(ROOM, None).unwrap();
        assert!(Room::take(1, Some(Instant::now() + Duration::from_millis(1))).is_none());
        let waiting = std::thread::spawn(|| Room::take(1, None).is_some());
        drop(all);
        assert!(waiting.join().unwrap());
    }
}
