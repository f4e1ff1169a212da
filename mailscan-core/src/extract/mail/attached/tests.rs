//! Parts in base64, in pieces of any length.

use proptest::prelude::*;

use super::*;

/// Keeps what begins with an `X`.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    files: Vec<(Option<String>, String)>,
    is_open: bool,
    /// How many files were there at the end of each message of which there were some.
    messages: Vec<usize>,
    blanked: Vec<u8>,
}

impl Keeper for Kept {
    fn begin(&mut self, name: Option<String>, start: &[u8]) -> bool {
        assert!(!self.is_open);
        self.is_open = start.starts_with(b"X");
        if self.is_open {
            self.files.push((name, String::new()));
        }
        self.is_open
    }

    fn add(&mut self, bytes: &[u8]) {
        assert!(self.is_open);
        self.files.last_mut().unwrap().1.push_str(&String::from_utf8_lossy(bytes));
    }

    fn end(&mut self) {
        assert!(std::mem::take(&mut self.is_open));
    }

    fn holds_any(&self) -> bool {
        self.messages.last().copied().unwrap_or(0) < self.files.len()
    }
}

/// What is kept of mail that comes so many bytes at a time.
fn kept(mail: &[u8], size: usize) -> Kept {
    let (mut finder, mut kept, mut rest, mut held) = (Finder::default(), Kept::default(), mail, Vec::new());
    while !rest.is_empty() || !held.is_empty() {
        let (more, after) = rest.split_at(size.min(rest.len()));
        held.extend_from_slice(more);
        rest = after;
        let Given { length, ends_message } = finder.read(&mut held, rest.is_empty(), &mut kept);
        kept.blanked.extend(held.drain(..length));
        if ends_message {
            kept.messages.push(kept.files.len());
        }
    }
    assert!(!kept.is_open);
    kept
}

/// Names and contents of files.
fn files(mail: &str) -> Vec<(String, String)> {
    let kept = kept(mail.as_bytes(), mail.len());
    let blank = |(before, after): (u8, u8)| before == after || after == b' ';
    assert!(kept.blanked.len() == mail.len() && mail.bytes().zip(kept.blanked).all(blank));
    kept.files.into_iter().map(|(name, text)| (name.unwrap_or_default(), text)).collect()
}

#[test]
fn headers_in_every_order_name_a_part() {
    for header in [
        "Content-Type: a/b; name=x.pdf\nContent-Transfer-Encoding: base64\n",
        "Content-Transfer-Encoding: BASE64\nContent-Type: a/b; name=x.pdf\n",
        "Content-Transfer-Encoding:\n Base64 (x)\nX: y\nContent-Disposition: attachment;\n\tfilename=\"x.pdf\"\n",
        "content-type: a/b;\r\n name=\"x.pdf\"\r\ncontent-transfer-encoding: base64\r\n",
    ] {
        let end = if header.contains('\r') { "\r\n" } else { "\n" };
        for before in ["", "text\n\n", "text\n--b\n", "text base64\n--b\n"] {
            let mail = format!("{before}{header}{end}WEFCQw=={end}--b{end}text WEFCQw==");
            assert_eq!(files(&mail), [("x.pdf".to_owned(), "XABC".to_owned())], "{mail}");
        }
    }
    let missing = "Content-Transfer-Encoding: base64\nWEFCQw==\n";
    assert_eq!(files(missing), [(String::new(), "XABC".to_owned())]);
}

#[test]
fn nothing_else_is_a_part() {
    for mail in [
        "Content-Transfer-Encoding: 7bit\nX: base64\n\nWEFCQw==\n",
        "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\nWEFCQw==\n",
        "> Content-Transfer-Encoding: base64\n\nWEFCQw==\n",
        "Content-Transfer-Encoding: base64\n\nAEFCQw==\n",
        "Content-Transfer-Encoding: base64\n\nWEFC, he said\n",
        "Content-Transfer-Encoding: base64",
        "base64\n\nWEFCQw==\n",
        "",
    ] {
        assert_eq!(files(mail), [], "{mail}");
    }
}

#[test]
fn a_part_ends_before_the_line_that_is_none() {
    let head = "Content-Transfer-Encoding: base64\n\n";
    for (body, text, behind) in [
        ("\n\nWEFC\nREVG\n\n--b", "XABDEF", "--b"),
        ("WEFC\nREVG", "XABDEF", ""),
        ("WEFC\nann, ben", "XAB", "ann, ben"),
        ("WEFCREV\nGR0g=", "XABDEFGH", ""),
        ("WEFC=\nREVG\n", "XABDEF", ""),
    ] {
        let mail = format!("{head}{body}");
        let kept = kept(mail.as_bytes(), 1 << 20);
        assert_eq!(kept.files, [(None, text.to_owned())], "{body}");
        assert_eq!(String::from_utf8_lossy(&kept.blanked[head.len()..]).trim(), behind);
    }
}

#[test]
fn a_message_ends_where_the_next_begins() {
    let part = "Content-Transfer-Encoding: base64\n\nWEFCQw==\n";
    let from = "From x Sat Jan  3 01:05:34 1996\n";
    let mailbox =
        format!("{from}{part}{from}Subject: x\n\ntext\n{from}\n{from}{part}--b\n{part}\n{from}A: b\n\n{part}--b");
    let whole = kept(mailbox.as_bytes(), mailbox.len());
    assert_eq!(whole.messages, [1, 3, 4]);
    for size in 70..mailbox.len() {
        assert_eq!(kept(mailbox.as_bytes(), size), whole, "{size}");
    }
}

#[test]
fn a_line_may_be_long() {
    let text = "X".repeat(1 << 20);
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    let mail = format!("Content-Transfer-Encoding: base64\n\n{}\n--b\n", STANDARD.encode(&text));
    for size in [100_000, 1 << 20, 4 << 20] {
        let kept = kept(mail.as_bytes(), size);
        assert!(kept.files == [(None, text.clone())] && kept.blanked.ends_with(b"   \n--b\n"), "{size}");
    }
}

#[test]
fn a_header_is_whole_wherever_a_piece_ends() {
    use ::base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = "X".repeat(3 * TAIL);
    let encoded = STANDARD.encode(&text);
    let lines: Vec<_> = encoded.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
    for (body, end) in [(lines.join("\n"), "\n"), (lines.join("\r\n"), "\r\n"), (encoded.clone(), "\n")] {
        // As Gmail writes it: no empty line stands before the boundary.
        let head = |name: &str| {
            format!(
                "--b{end}Content-Type: a/b;{end} name=\"{name}\"{end}Content-Transfer-Encoding: base64{end}\
                 X-Attachment-Id: 1{end}Content-Disposition: attachment; filename=\"{name}\"{end}{end}"
            )
        };
        let mail = format!("{}{body}{end}{}{body}{end}--b--{end}", head("x"), head("y"));
        let whole = kept(mail.as_bytes(), mail.len());
        let names: Vec<_> = whole.files.iter().map(|(name, text)| (name.as_deref(), text.len())).collect();
        assert_eq!(names, [(Some("x"), text.len()), (Some("y"), text.len())]);
        let second = mail.rfind("--b\n").or_else(|| mail.rfind("--b\r")).unwrap();
        for border in second - 100..=second + head("y").len() + 100 {
            assert!(kept(mail.as_bytes(), border) == whole, "{:?}", &mail[second - 10..border.max(second)]);
        }
    }
}

/// Without that most of these take minutes.
#[test]
fn a_line_is_looked_at_a_bounded_number_of_times() {
    const LENGTH: usize = 1 << 20;
    let part = "Content-Transfer-Encoding: base64\n\nWEFCQw==\n";
    let coding = "Content-Transfer-Encoding: base64";
    for (before, again) in [
        (coding, "base64"),
        ("", "base64"),
        ("", "Content-Transfer-Encoding: base64\n"),
        ("", "Content-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n"),
        ("X: y\n", " base64\n"),
        ("Content-Transfer-Encoding: 7bit\n", " base64\n"),
        (coding, "\n base64"),
        (part, "From "),
        (part, "From \n\n"),
        (part, "\nFrom x 01:05 "),
        (part, part),
    ] {
        let mail = format!("{before}{}", again.repeat((LENGTH - before.len()) / again.len()));
        let kept = kept(mail.as_bytes(), mail.len());
        let is_part = |before: &str| usize::from(before == part);
        let expected = if again == part { 1 + (LENGTH - part.len()) / part.len() } else { is_part(before) };
        assert_eq!(kept.files.len(), expected, "{before:?}, then {again:?}");
    }
}

#[test]
fn headers_behind_long_lines_are_found() {
    let part = "Content-Type: a/b; name=x\nContent-Transfer-Encoding: base64\n\nWEFCQw==\n";
    let long = "base64".repeat(HEADER);
    for before in [
        format!("{long}\n"),
        format!("X: {long}\n"),
        format!("Content-Transfer-Encoding: {long}\n\n"),
        format!("X: y\n{}", " base64\n".repeat(HEADER)),
        format!("Content-Transfer-Encoding: 7bit\n\n{}", "base64\n".repeat(HEADER)),
        format!("Content-Transfer-Encoding: base64\n{}\n", "X: y\n".repeat(HEADER)),
    ] {
        assert_eq!(files(&format!("{before}{part}")), [("x".to_owned(), "XABC".to_owned())], "{:?}", &before[..40]);
    }
}

proptest! {
    #[test]
    fn whatever_it_holds_it_ends_and_only_blanks(
        parts in prop::collection::vec(prop::sample::select(vec![
            "Content-Transfer-Encoding: base64\n", "Content-Type: a/b; name=x\n", "\n", "\r\n", "WEFC\n", "base64", "64",
            "From x Sat Jan  3 01:05:34 1996\n", "--b\n", "AAAA", " ", "=", "\u{e9}",
        ]), 0..40),
        size in 1..200_usize,
    ) {
        let mail = parts.concat();
        let kept = kept(mail.as_bytes(), size);
        prop_assert_eq!(kept.blanked.len(), mail.len());
        prop_assert!(mail.bytes().zip(&kept.blanked).all(|(before, after)| before == *after || *after == b' '));
    }
}
