//! Message-IDs: what is written like an address and names a message (RFC 5322, section 3.6.4) or a part of one.
//!
//! Looks back from where a finding begins, for the name of a header before it, folded lines and other ids between
//! included, for a `cid:` or `mid:` URL (RFC 2392), for the id of an event, or for the path of an archive of mail. The first test is the one
//! byte before, which settles nearly every address.

use crate::class::{Class, Classes};

/// How far back the name of a header is looked for: References grow long.
pub(super) const REACH: usize = 16_384;
/// The most ids and tags that are passed on the way.
const MOST_IDS: usize = 500;
/// The longest id or tag that is passed.
const LONGEST_ID: usize = 256;

/// Names of headers that hold ids, without the signs between their words.
const HEADERS: [&[u8]; 6] = [b"messageid", b"references", b"xreference", b"inreplyto", b"contentid", b"msgid"];
/// The longest line of a log that is looked at.
const LONGEST_LINE: usize = 1_024;

/// Tells the Message-IDs of a document, of which findings come in their order.
#[derive(Debug, Default)]
pub(super) struct Ids {
    /// The last way back: each id of a list goes back over those before it.
    last: Way,
}

/// A way back over ids.
#[derive(Clone, Copy, Debug, Default)]
struct Way {
    /// Where in the document it began.
    from: usize,
    /// Where it ended: behind the name of a header, if the ids are one's.
    to: usize,
    /// How many ids, tags and quotes it passed.
    passed: usize,
}

impl Ids {
    /// The marks of the finding that begins at `start`, with that of a Message-ID if it is one.
    #[inline]
    pub(super) fn mark(&mut self, document: &[u8], start: usize, marks: Classes) -> Classes {
        if self.is_one(document, start) { marks.with(Class::MessageId) } else { marks }
    }

    #[inline]
    fn is_one(&mut self, document: &[u8], start: usize) -> bool {
        let before = &document[start.saturating_sub(REACH)..start];
        let mut is_behind_header = |rest: &[u8]| self.is_behind_header(before, rest.len(), start - before.len());
        match before.last() {
            Some(b'<') => is_behind_header(&before[..before.len() - 1]) || is_of_filter(before, &document[start..]),
            Some(b';' | b'C' | b'c') => opened(before).is_some_and(is_behind_header),
            Some(b':') => {
                ends_with(before, b"cid:")
                    || ends_with(before, b"mid:")
                    || is_of_event(before)
                    || is_behind_header(before)
            }
            Some(b' ') => before.ends_with(b": ") && is_behind_header(before),
            // The value of JSON.
            Some(b'"') => (before.ends_with(b":\"") || before.ends_with(b": \"")) && is_behind_header(before),
            Some(b'/') => is_in_archive(before) || is_in_inbox(before, &document[start..]),
            Some(b'=') => is_in_archive(before) || is_of_arrival(before) || ends_with_name(before),
            Some(b'>') => is_named_again(before, &document[start..]),
            _ => false,
        }
    }

    /// Whether nothing but other ids stands between the name of a header and the end of the first `length` bytes of
    /// `before`, which stands at `offset` in the document.
    fn is_behind_header(&mut self, before: &[u8], length: usize, offset: usize) -> bool {
        let way = self.way(&before[..length], offset);
        self.last = way;
        way.passed <= MOST_IDS && way.to >= offset && ends_with_name(&before[..way.to - offset])
    }

    /// The way back from the end of `before`.
    fn way(&self, before: &[u8], offset: usize) -> Way {
        let (mut rest, mut passed) = (before, 0);
        loop {
            rest = rest.trim_ascii_end();
            // Some part ids by commas.
            if rest.ends_with(b">,") {
                rest = &rest[..rest.len() - 1];
            }
            // Most often the name of a person is before them.
            let shorter = match rest.last() {
                Some(b'"' | b'\'') => Some(&rest[..rest.len() - 1]),
                Some(b'>' | b';') => without_id(rest),
                _ => None,
            };
            let Some(shorter) = shorter.filter(|_| passed < MOST_IDS) else { break };
            (rest, passed) = (shorter, passed + 1);
            if offset + rest.len() == self.last.from {
                return Way { from: offset + before.len(), passed: passed + self.last.passed, ..self.last };
            }
        }
        Way { from: offset + before.len(), to: offset + rest.len(), passed }
    }
}

/// What stands before the opening angle bracket, in any of its usual codes.
pub(super) fn opened(before: &[u8]) -> Option<&[u8]> {
    let spellings: [&[u8]; 4] = [b"&lt;", b"%3c", b"&#60;", br"\u003c"];
    spellings
        .iter()
        .find(|spelling| ends_with(before, spelling))
        .map(|spelling| &before[..before.len() - spelling.len()])
}

/// Whether `text` ends with the name of a header and the sign behind it.
fn ends_with_name(text: &[u8]) -> bool {
    let Some(name) = text.strip_suffix(b":").or_else(|| text.strip_suffix(b"=")) else { return false };
    let name = name.trim_ascii_end();
    ends_with_header(name.strip_suffix(b"\"").unwrap_or(name))
}

/// What stands before the id, or the tag of HTML, at the end of `text`.
fn without_id(text: &[u8]) -> Option<&[u8]> {
    let (open, close): (&[u8], &[u8]) = if text.ends_with(b">") { (b"<", b">") } else { (b"&lt;", b"&gt;") };
    let inside = text.strip_suffix(close)?;
    let near = &inside[inside.len().saturating_sub(LONGEST_ID)..];
    let length = near.windows(open.len()).rev().position(|window| window == open)?;
    Some(&inside[..inside.len() - length - open.len()])
}

/// Whether `text` ends with the name of a header that holds ids; the signs between its words do not matter.
fn ends_with_header(text: &[u8]) -> bool {
    let mut letters = [0; 16];
    let (mut from, mut first) = (letters.len(), None);
    for byte in text.iter().rev() {
        if byte.is_ascii_alphabetic() && from > 0 {
            from -= 1;
            letters[from] = byte.to_ascii_lowercase();
        } else if !matches!(byte, b'-' | b'_') || from == 0 {
            first = Some(*byte);
            break;
        }
    }
    let word = &letters[from..];
    // `Resent-Message-ID` holds one, `preferences` does not.
    let whole = |header: &[u8]| word.len() == header.len() && !first.is_some_and(|byte| byte.is_ascii_alphabetic());
    let part = |header: &&[u8]| word.ends_with(header) && (header.ends_with(b"id") || whole(header));
    HEADERS.iter().any(part)
}

/// Whether the end of `before` is the name of a property of calendars and address books that holds an id (RFC 5545, sections
/// 3.8.4.5 and 3.8.4.7; RFC 6350, section 6.7.6), with its parameters. Directories have addresses behind `uid:`.
fn is_of_event(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(LONGEST_ID)..];
    let line = match near.iter().rposition(|byte| matches!(byte, b'\n' | b'\r')) {
        Some(end) => &near[end + 1..],
        None if near.len() == before.len() => near,
        None => return false,
    };
    let Some(property) = line.strip_suffix(b":").filter(|property| !property.contains(&b':')) else { return false };
    let name = property.split(|byte| *byte == b';').next().unwrap_or_default();
    matches!(name, b"UID" | b"RELATED-TO")
}

/// Whether the end of `before` is a path under which archives of mail file messages by their ids.
fn is_in_archive(before: &[u8]) -> bool {
    let near = &before[before.len().saturating_sub(80)..];
    let paths: [&[u8]; 7] =
        [b"/message-id/", b"/message-id/flat/", b"/msgid-search/", b"/msgid/", b"/mid/", b"?i=", b"message-id="];
    let hosts: [&[u8]; 7] = [
        b"//lore.kernel.org/",
        b"//lkml.kernel.org/r/",
        b"//patch.msgid.link/",
        b"//postgr.es/m/",
        b"//inbox.",
        b"//public-inbox.org/",
        b"//mid.",
    ];
    let is_archive = |url: &[u8]| {
        hosts.iter().any(|host| url.starts_with(host))
            && !url.iter().any(|byte| byte.is_ascii_whitespace() || b"<>\"'".contains(byte))
    };
    paths.iter().any(|path| ends_with(near, path))
        || memchr::memmem::rfind(near, b"//").is_some_and(|url| is_archive(&near[url..]))
}

/// Whether the end of `before` is a link within an archive of the program public-inbox, each message of which has a folder
/// of its own: `<a href="../id@x.org/">`.
fn is_in_inbox(before: &[u8], rest: &[u8]) -> bool {
    let link = || &rest[..rest.iter().take(LONGEST_ID).take_while(|byte| !b"\"'<> \n".contains(byte)).count()];
    (before.ends_with(b"\"../") || before.ends_with(b"'../")) && link().contains(&b'/')
}

/// Whether `rest` begins with the id to which a link right before it leads: `<a href="../id@x.org/">id@x.org</a>`.
fn is_named_again(before: &[u8], rest: &[u8]) -> bool {
    let Some(link) = before.strip_suffix(b"/\">") else { return false };
    let near = &link[link.len().saturating_sub(LONGEST_ID)..];
    let Some(id) = near.iter().rposition(|byte| *byte == b'/').map(|slash| &near[slash + 1..]) else { return false };
    let folder = &link[..link.len() - id.len()];
    id.contains(&b'@') && rest.starts_with(id) && (folder.ends_with(b"\"../") || is_in_archive(folder))
}

/// Whether the end of `before` is the field of a log of Exim that names an arriving message:
/// `<= ann@x.org H=mx S=1234 id=id@x.org`.
fn is_of_arrival(before: &[u8]) -> bool {
    let Some(fields) = before.strip_suffix(b" id=") else { return false };
    let near = &fields[fields.len().saturating_sub(LONGEST_LINE)..];
    let line = &near[memchr::memrchr(b'\n', near).map_or(0, |end| end + 1)..];
    [&b"<= "[..], b" S="].iter().all(|field| memchr::memmem::find(line, field).is_some())
}

/// Whether the angle bracket is that of a log of the filter rspamd: `id: <id@x.org>, qid: <4AbC>`.
fn is_of_filter(before: &[u8], rest: &[u8]) -> bool {
    let near = || &rest[..rest.len().min(LONGEST_ID)];
    let field = before.strip_suffix(b"id: <");
    field.is_some_and(|field| !field.last().is_some_and(u8::is_ascii_alphanumeric))
        && memchr::memchr(b'>', near()).is_some_and(|close| rest[close..].starts_with(b">, qid:"))
}

fn ends_with(text: &[u8], ending: &[u8]) -> bool {
    super::context::ends_with_ignoring_case(text, ending)
}

#[cfg(test)]
mod tests {
    use super::super::{Media, addresses};
    use super::*;

    fn marked(text: &str) -> bool {
        let start = text.find("id@x.org").unwrap();
        Ids::default().is_one(text.as_bytes(), start)
    }

    #[test]
    fn headers_urls_and_archives() {
        let ids = "<1@x.org> <2@x.org>\r\n\t<3@x.org>\r\n ".repeat(9);
        let many = "<a.rather.long.one.as.they.are.made@mail.x.org>\r\n ".repeat(300);
        for text in [
            "Message-ID: <id@x.org>",
            "message-id:<id@x.org>",
            "Message-Id:\r\n <id@x.org>",
            "Message-ID: id@x.org",
            "Resent-Message-ID: <id@x.org>",
            "Content-ID: <id@x.org>",
            &format!("References: {ids}<id@x.org>"),
            &format!("References: {many}<id@x.org>"),
            "References: <1@x.org>,<2@x.org>, <id@x.org>",
            "In-Reply-To: <1@x.org>\n\t<id@x.org>",
            "postfix/cleanup[1]: 4A: message-id=<id@x.org>",
            r#"{"message_id": "<id@x.org>"}"#,
            r#"{"Message-ID":"\u003cid@x.org\u003e"}"#,
            "<b>Message-ID:</b> &lt;id@x.org&gt;",
            "<dt>References:</dt><dd>&lt;1@x.org&gt; &lt;id@x.org&gt;",
            "src=\"cid:id@x.org\"",
            "BEGIN:VEVENT\r\nUID:id@x.org\r\n",
            "RELATED-TO;RELTYPE=PARENT:id@x.org",
            "<!--X-Reference: id@x.org -->",
            "<!--X-Message-Id: id@x.org -->",
            "git send-email --in-reply-to=id@x.org",
            "<= ann@x.org H=mx.x.org [192.0.2.1] P=esmtps X=TLS1.3 S=1234 id=id@x.org",
            "rspamd_task_write_log: id: <id@x.org>, qid: <4AbC>, ip: 192.0.2.1",
            "id: <id@x.org>, qid: <4AbC>",
            "<a href=\"../id@x.org/\">",
            "<a href='../id@x.org/T/#u'>",
            "<a href=\"https://lore.kernel.org/r/id@x.org/\">",
            "https://lkml.kernel.org/r/id@x.org",
            "https://postgr.es/m/id@x.org",
            "https://postgr.es/m/flat/id@x.org",
            "https://www.postgresql.org/message-id/flat/id@x.org",
            "https://patch.msgid.link/id@x.org",
            "https://inbox.sourceware.org/gcc-patches/id@x.org/",
            "https://lore.kernel.org/r/id@x.org/",
            "https://lists.debian.org/msgid-search/id@x.org",
            "https://www.postgresql.org/message-id/id@x.org",
            "https://marc.info/?i=id@x.org",
        ] {
            assert!(marked(text), "{text}");
        }
    }

    #[test]
    fn a_link_and_its_text_are_both_ids() {
        let is_one = |text: &str| {
            let start = text.rfind("id@x.org").unwrap();
            Ids::default().is_one(text.as_bytes(), start)
        };
        assert!(is_one("<a href=\"../id@x.org/\">id@x.org</a>"));
        assert!(is_one("<a href=\"https://lore.kernel.org/r/id@x.org/\">id@x.org</a>"));
        assert!(!is_one("<a href=\"/people/id@x.org/\">id@x.org</a>"));
        assert!(!is_one("<a href=\"../1@x.org/\">id@x.org</a>"));
        assert!(!is_one("<a href=\"mailto:id@x.org\">id@x.org</a>"));
    }

    #[test]
    fn what_is_remembered_changes_nothing() {
        for list in [
            "<1@x.org>, ".repeat(2_000),
            format!("References: {}", "<1@x.org> ".repeat(600)),
            format!("References: {}", "<a.rather.long.one.as.they.are.made@mail.x.org>\r\n ".repeat(600)),
            format!("To: ann\nReferences: {}", "<1@x.org> <b>'&lt;2@x.org&gt;', ".repeat(200)),
        ] {
            let mut ids = Ids::default();
            for (at, _) in list.match_indices("@x.org").chain(list.match_indices("a.rather")) {
                let start = list[..at].rfind([';', '<']).map_or(at, |open| open + 1);
                let alone = Ids::default().is_one(list.as_bytes(), start);
                assert_eq!(ids.is_one(list.as_bytes(), start), alone, "{start} of {}", &list[..40]);
            }
        }
    }

    #[test]
    fn no_way_is_gone_twice() {
        let mut found = 0;
        // Gone over for each id, the list would take minutes.
        addresses("<first.last1@a.org>,\n".repeat(100_000).as_bytes(), Media::Text, |_| found += 1);
        assert_eq!(found, 100_000);
    }

    #[test]
    fn addresses_are_none() {
        for text in [
            "From: Ann <id@x.org>",
            "Message-ID: <1@x.org>\nFrom: <id@x.org>",
            "Message-ID: <1@x.org>\n\nid@x.org",
            "preferences: <id@x.org>",
            "my references <id@x.org>",
            "mailto:id@x.org",
            "uid:id@x.org",
            "GUID:id@x.org",
            "UID\nmail:id@x.org",
            "ATTENDEE;UID:mailto:id@x.org",
            "to: id@x.org",
            "<id@x.org>",
            "acid: <b>id@x.org",
            "https://a.org/users/id@x.org",
            "<= id@x.org H=mx.x.org P=esmtps S=1234 id=1@x.org",
            "https://lore.kernel.org/ and /id@x.org",
            "<a href=\"../id@x.org\">",
            "name=<1@x.org> id=id@x.org",
            "id: <id@x.org>, name: Ann",
            "qid: <id@x.org>, qid: <4AbC>",
            "mail=id@x.org",
        ] {
            assert!(!marked(text), "{text}");
        }
    }
}
