//! Borders: where a text that is searched part by part may be cut.
//!
//! Whoever reads a document in pieces asks here for a place in it at which a cut changes nothing: what stands around it is
//! searched both whole and cut, and only a place where both find the same is taken.

use super::{Media, Search, message_id};

/// How many bytes before a cut are searched for addresses: as far back as anything has a say.
const BEFORE: usize = message_id::REACH;
/// The same after a cut, where whatever it changes begins close by.
const AFTER: usize = 4 << 10;
/// How many places of a kind are tried one after another. Each one behind them is twice as far from the end as the one
/// before it, so that they are few, and what is long, such as a header of many ids, hides no place before it.
const NEAR_TRIES: usize = 8;

/// Kinds of places by the bytes before and after them, the likeliest first.
const KINDS: [fn(u8, u8) -> bool; 4] = [
    |before, _| before <= b' ',
    // What an opening bracket or quote begins belongs to it; what they close is over.
    |before, after| before == b'>' || matches!(after, b'<' | b'"'),
    |before, _| before.is_ascii_punctuation() && !b"@.+-_".contains(&before),
    // Between characters of which one is beyond ASCII.
    |before, after| after >= 0xC0 || (before >= 0x80 && after < 0x80),
];

/// Where to cut `bytes` so that `search` finds no address cut in two, and none that looks like another for what is missing
/// around it: within the last `tail` bytes, where `allowed` is true of what stands before. Where there is no such place, at
/// the end: a run that long is no address.
///
/// The answer is from 1 to the length, or 0 for no bytes.
pub(crate) fn last(
    bytes: &[u8],
    tail: usize,
    (media, search): (Media, Search),
    allowed: impl Fn(&[u8]) -> bool,
) -> usize {
    let floor = bytes.len().saturating_sub(tail).max(1);
    let end = bytes.len().saturating_sub(AFTER);
    let places = |kind: fn(u8, u8) -> bool| {
        let (mut nearest, mut tries, allowed) = (end, 0, &allowed);
        (floor..end).rev().filter(move |at| {
            let taken = *at <= nearest && kind(bytes[at - 1], bytes[*at]) && allowed(&bytes[..*at]);
            tries += usize::from(taken);
            if taken && tries >= NEAR_TRIES {
                nearest = end.saturating_sub(2 * (end - at));
            }
            taken
        })
    };
    KINDS.into_iter().flat_map(places).find(|at| changes_nothing(bytes, *at, media, search)).unwrap_or(bytes.len())
}

/// Whether a search of both parts finds what one of the whole does.
fn changes_nothing(bytes: &[u8], cut: usize, media: Media, search: Search) -> bool {
    let (start, end) = (cut.saturating_sub(BEFORE), bytes.len().min(cut.saturating_add(AFTER)));
    let mut parts = mentions(&bytes[start..cut], media, search, start);
    parts.extend(mentions(&bytes[cut..end], media, search, cut));
    parts == mentions(&bytes[start..end], media, search, start)
}

/// What is mentioned in a part that stands at `offset`: where, by which bytes, and what its place shows.
fn mentions(part: &[u8], media: Media, search: Search, offset: usize) -> Vec<(usize, usize, Vec<u8>, u16)> {
    let mut found = Vec::new();
    search(part, media, &mut |mention| {
        let (start, end) = (mention.span.start + offset, mention.span.end + offset);
        found.push((start, end, mention.as_bytes().to_vec(), mention.marks.bits()));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::super::{deobfuscate_into, scan_into};
    use super::*;

    /// Cuts the text where it may be, and checks that both parts have what the whole has; answers how much that is.
    fn cut(text: &str, media: Media, search: Search) -> usize {
        let at = last(text.as_bytes(), 5 << 10, (media, search), |_| true);
        let whole = mentions(text.as_bytes(), media, search, 0);
        let mut parts = mentions(&text.as_bytes()[..at], media, search, 0);
        parts.extend(mentions(&text.as_bytes()[at..], media, search, at));
        assert!(parts == whole, "cut at {at} of {}", text.len());
        assert!(at < text.len(), "a text without a border");
        whole.len()
    }

    #[test]
    fn nothing_is_cut_in_two_whatever_parts_a_text() {
        for unit in [
            "ann1@a.org\n",
            "ann1@a.org;",
            "a=ann1%40a.org&",
            "x='ann1\\x40a.org';",
            "请联系ann1@a.org。",
            "<\"a b\"@a.org>",
            "ann [at] a [dot] org, ",
            "al<!-- x y z -->@<!-- yyy -->corp.de<br>",
            "References: <a@b.org>\n <b@b.org>\n\t<c@b.org>\nx: y\n",
        ] {
            let text = unit.repeat(6_000 / unit.len());
            let all = [Media::Text, Media::Html].into_iter().flat_map(|media| {
                let text = &text;
                [scan_into as Search, deobfuscate_into].map(|search| cut(text, media, search))
            });
            assert!(all.sum::<usize>() > 0, "{unit}");
        }
    }

    #[test]
    fn no_header_is_parted_from_its_ids() {
        // All that might be a border stands among the ids, far behind the name of their header.
        let text = format!(
            "References: {}{}",
            "<a.rather.long.one.as.made@mail.x.org>\n ".repeat(240),
            "x".repeat(AFTER - 100)
        );
        assert_eq!(last(text.as_bytes(), 5 << 10, (Media::Text, scan_into), |_| true), text.len());
    }

    #[test]
    fn what_is_long_hides_no_place_before_it() {
        let words = "words and words\n".repeat(2_000);
        let ids = "<a.rather.long.one.as.made@mail.x.org>\n ".repeat(200);
        let text = format!("{words}References: {ids}<id@x.org>{}", "x".repeat(AFTER));
        let at = last(text.as_bytes(), 64 << 10, (Media::Text, scan_into), |_| true);
        assert!(at <= words.len() + 1, "{at} of {}", text.len());
    }

    #[test]
    fn a_run_without_a_border_is_cut_at_its_end() {
        assert_eq!(last(&[b'a'; 100_000], 64 << 10, (Media::Text, scan_into), |_| true), 100_000);
        assert_eq!(last(b"", 9, (Media::Text, scan_into), |_| true), 0);
        assert_eq!(last(b"a b", 9, (Media::Text, scan_into), |_| true), 3);
    }
}
