//! How to read what a source brought: by the ending of a name, or by the content itself.

use crate::extract::{self, Media};

/// How far into a text its kind is looked for.
const WINDOW: usize = 4 << 10;

/// What a page may begin with that is no whole document (WHATWG MIME Sniffing, section 7.1).
const TAGS: [&[u8]; 12] =
    [b"<script", b"<iframe", b"<h1", b"<div", b"<font", b"<table", b"<a", b"<style", b"<title", b"<b", b"<br", b"<p"];

/// How to read a file by the ending of its name, where that says anything; endings of compressed files are looked behind.
#[cfg(feature = "files")]
pub(crate) fn of_name(name: &str) -> Option<Media> {
    const MARKUP: [&str; 8] = ["html", "htm", "xhtml", "shtml", "xml", "svg", "rss", "atom"];
    const MAIL: [&str; 12] =
        ["eml", "emlx", "mbox", "mbx", "mht", "mhtml", "ics", "ical", "ifb", "vcf", "vcard", "ldif"];
    let compressed = [".gz", ".bz2", ".xz", ".lzma", ".zst"];
    // As many layers as are undone.
    let undone = |name| compressed.iter().find_map(|ending| str::strip_suffix(name, ending)).unwrap_or(name);
    let name = undone(undone(name));
    let (_, ending) = name.rsplit_once('.')?;
    let is = |known: &[&str]| known.iter().any(|known| known.eq_ignore_ascii_case(ending));
    match (is(&MARKUP), is(&MAIL)) {
        (true, _) => Some(Media::Html),
        (_, true) => Some(Media::Mail),
        _ => None,
    }
}

/// How to read a text by its beginning.
pub(crate) fn of_content(text: &[u8]) -> Media {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let start = text[..text.len().min(WINDOW)].trim_ascii_start();
    let begins = |mark: &[u8]| start.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark));
    let marks = [&b"<!doctype html"[..], b"<html", b"<?xml", b"<head", b"<body", b"<!--"];
    let is_tag = |tag: &&[u8]| {
        begins(tag) && start.get(tag.len()).is_some_and(|byte| *byte == b'>' || byte.is_ascii_whitespace())
    };
    if marks.iter().any(|mark| begins(mark)) || TAGS.iter().any(is_tag) {
        Media::Html
    } else if extract::is_mail(start) {
        Media::Mail
    } else {
        Media::Text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "files")]
    #[test]
    fn names_tell() {
        assert_eq!(of_name("a/page.HTM"), Some(Media::Html));
        assert_eq!(of_name("2024.mbox.gz"), Some(Media::Mail));
        assert_eq!((of_name("page.html.zst"), of_name("2024.mbox.bz2")), (Some(Media::Html), Some(Media::Mail)));
        assert_eq!(of_name("message.eml"), Some(Media::Mail));
        assert_eq!((of_name("invite.ics"), of_name("people.ldif.gz")), (Some(Media::Mail), Some(Media::Mail)));
        assert_eq!((of_name("notes.txt"), of_name("mbox"), of_name("")), (None, None, None));
    }

    #[test]
    fn contents_tell() {
        for text in ["<person@a.org>", "<ann@a.org> said", "<a", "<b3>"] {
            assert_eq!(of_content(text.as_bytes()), Media::Text, "{text}");
        }
        for html in [
            "<P>x",
            "\n<a href=x>",
            "<table\n>",
            "  <!DOCTYPE HTML><p>",
            "\u{feff}<html>",
            "<?xml version='1.0'?>",
            "<!-- x -->",
        ] {
            assert_eq!(of_content(html.as_bytes()), Media::Html, "{html}");
        }
        for mail in [
            "From ann@a.org Sat Jan  3 01:05:34 1996\nReturn-Path: <ann@a.org>\n",
            "Return-Path: <ann@a.org>\r\nReceived: from x\r\n\tby y\r\n",
            "Subject: x\nX-Other: y\nMIME-Version: 1.0\n\nbody",
            "From: ann@a.org\nTo: bob@b.org\nSubject: x\nDate: y\n\n",
            "BEGIN:VCARD\r\nVERSION:3.0\r\n",
        ] {
            assert_eq!(of_content(mail.as_bytes()), Media::Mail, "{mail}");
        }
        for text in [
            "",
            "plain",
            "From here on",
            "From x Sat Jan  3 01:05:34 1996\nno field",
            "name: x\nversion: 1\n",
            "Subject: x\nTo: y\n\nbody",
            "Note: write\nnot a field\nReceived: x\nMessage-ID: y\n",
        ] {
            assert_eq!(of_content(text.as_bytes()), Media::Text, "{text}");
        }
    }
}
