//! What was said of short texts lately: a cache that compares the texts themselves and stays within its bound.
//!
//! The engine keeps the addresses here that a store confirmed, and `class` the domains that it looked up. Whatever is
//! forgotten is only looked up once more.

/// The places at first. They double while more than half of them are in use.
const FIRST: usize = 1 << 8;

/// The answers for the texts that were met last, as far as they are shorter than a place by three bytes.
///
/// A place holds a text, filled up with zeros, its length, and what was said of it; two of 32 bytes are a line of the
/// processor's cache.
#[derive(Debug)]
pub(crate) struct Recent<const PLACE: usize> {
    /// Sets of two places, the one used last first. Their number is zero or a power of two.
    sets: Vec<[[u8; PLACE]; 2]>,
    /// How many texts were noted since the places were made.
    noted: usize,
    most: usize,
}

impl<const PLACE: usize> Recent<PLACE> {
    /// The longest text that is remembered, in bytes. Its length stands behind it.
    pub(crate) const LONGEST: usize = PLACE - 3;
    /// Where the answer stands.
    const ANSWER: usize = PLACE - 2;

    /// An empty cache that comes to have at most `most` places, rounded up to a power of two.
    pub(crate) const fn new(most: usize) -> Self {
        Self { sets: Vec::new(), noted: 0, most }
    }

    /// What was said of this text, if it is remembered.
    pub(crate) fn get(&mut self, text: &str) -> Option<u16> {
        if self.sets.is_empty() {
            return None;
        }
        let (key, at) = (Self::key(text)?, self.set_of(text.as_bytes()));
        let [newest, older] = self.sets.get_mut(at)?;
        if older[..Self::ANSWER] == key[..Self::ANSWER] {
            std::mem::swap(newest, older);
        } else if newest[..Self::ANSWER] != key[..Self::ANSWER] {
            return None;
        }
        Some(u16::from_le_bytes([newest[Self::ANSWER], newest[Self::ANSWER + 1]]))
    }

    /// Notes what is said of a text; the text of its set that was not used for longest is forgotten.
    pub(crate) fn note(&mut self, text: &str, answer: u16) {
        let Some(mut place) = Self::key(text) else { return };
        if self.noted >= self.sets.len() && self.sets.len() * 2 < self.most {
            self.grow();
        }
        place[Self::ANSWER..].copy_from_slice(&answer.to_le_bytes());
        self.put(text.as_bytes(), place);
    }

    fn grow(&mut self) {
        let sets = (self.sets.len() * 2).max(FIRST / 2);
        let old = std::mem::replace(&mut self.sets, vec![[[0; PLACE]; 2]; sets]);
        self.noted = 0;
        for place in old.into_iter().flat_map(|[newest, older]| [older, newest]) {
            let text = place;
            if let Some(text) = text.get(..usize::from(place[Self::LONGEST])).filter(|text| !text.is_empty()) {
                self.put(text, place);
            }
        }
    }

    fn put(&mut self, text: &[u8], place: [u8; PLACE]) {
        let at = self.set_of(text);
        let Some([newest, older]) = self.sets.get_mut(at) else { return };
        if newest[..Self::ANSWER] != place[..Self::ANSWER] {
            *older = *newest;
            self.noted += 1;
        }
        *newest = place;
    }

    fn set_of(&self, text: &[u8]) -> usize {
        xxhash_rust::xxh3::xxh3_64(text) as usize & self.sets.len().wrapping_sub(1)
    }

    /// The text as it stands in a place; `None` for one that is empty or too long.
    fn key(text: &str) -> Option<[u8; PLACE]> {
        let mut place = [0; PLACE];
        if !(1..=Self::LONGEST).contains(&text.len()) {
            return None;
        }
        place.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        place[Self::LONGEST] = u8::try_from(text.len()).ok()?;
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_noted_is_answered() {
        let mut recent = Recent::<32>::new(1 << 10);
        assert_eq!(recent.get("a"), None);
        recent.note("a", 7);
        recent.note("", 1);
        let (longest, longer) = ("l".repeat(Recent::<32>::LONGEST), "l".repeat(Recent::<32>::LONGEST + 1));
        recent.note(&longest, 8);
        recent.note(&longer, 9);
        let answers = ["a", "a\0", "", &longest, &longer].map(|text| recent.get(text));
        assert_eq!(answers, [Some(7), None, None, Some(8), None]);
        recent.note("a", 10);
        assert_eq!(recent.get("a"), Some(10));
    }

    #[test]
    fn it_grows_to_its_bound_and_forgets_beyond() {
        let (most, mut recent) = (1 << 12, Recent::<32>::new(1 << 12));
        let text = |n: usize| format!("{n}.org");
        for n in 0..most / 2 {
            recent.note(&text(n), n as u16);
        }
        let kept = (0..most / 2).filter(|n| recent.get(&text(*n)) == Some(*n as u16)).count();
        assert!(kept > most / 2 * 8 / 10, "{kept}");
        for n in 0..8 * most {
            recent.note(&text(n), n as u16);
        }
        assert_eq!(recent.sets.len() * 2, most);
        let kept = (0..8 * most).filter(|n| recent.get(&text(*n)).is_some()).count();
        assert!(kept <= most && kept > most / 2, "{kept}");
        assert!((0..8 * most).all(|n| recent.get(&text(n)).is_none_or(|answer| answer == n as u16)));
    }

    #[test]
    fn what_is_asked_for_stays_longer() {
        let mut recent = Recent::<32>::new(FIRST);
        recent.note("often.org", 1);
        for n in 0..100 * FIRST {
            recent.note(&format!("{n}.org"), 0);
            if recent.get("often.org").is_none() {
                recent.note("often.org", 1);
            }
        }
        assert_eq!(recent.get("often.org"), Some(1));
    }
}
