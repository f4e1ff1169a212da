//! A list: a file with one URL a line, read in parts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::reach::Reach;
use super::{LIST_PART, LIST_URLS, io_error};
use crate::fetch::{Discovered, Documents, FetchError, FetchErrorClass, Fetched};
use crate::job::{Origin, parse_source_url};
use crate::source::kind;
use crate::task::Work;

/// The pages that the list at `path` names from `offset` on, and where to go on if that is not all. Lines that name no
/// page lose nothing else: the part ends in an error that counts them and shows the first.
pub(super) fn read(path: &str, offset: u64, reach: &Reach) -> Result<Fetched, FetchError> {
    let failed = |error: std::io::Error| io_error(path, &error);
    let mut file = open(path, reach)?;
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut part = Vec::new();
    file.by_ref().take(LIST_PART as u64).read_to_end(&mut part).map_err(failed)?;
    if offset == 0 {
        judge(path, &part)?;
    }
    let ended = part.len() < LIST_PART;
    let mut discovered = Vec::new();
    let mut bad = BadLines::default();
    let mut read = 0;
    while read < part.len() && discovered.len() < LIST_URLS {
        let Some(line) = line(&part[read..], ended) else { break };
        match page(line) {
            Ok(page) => discovered.extend(page.map(|work| Discovered { work, step: 0 })),
            Err(why) => bad.note(offset + read as u64, why),
        }
        read += line.len();
    }
    if read == 0 && !part.is_empty() {
        bad.note(offset, format!("the line is longer than {LIST_PART} bytes"));
        read = part.len() + rest_of_line(&mut file).map_err(failed)?;
    }
    if read < part.len() || !ended {
        discovered
            .push(Discovered { work: Work::List { path: path.to_owned(), offset: offset + read as u64 }, step: 0 });
    }
    Ok(Fetched { documents: bad.report(path), discovered, ..Fetched::default() })
}

/// Whether the file at `path` can be read as a list, as far as its beginning tells.
///
/// # Errors
/// What it is instead, and the mend; those of the system.
pub fn check_list(path: &Path) -> Result<(), FetchError> {
    let path = path.to_string_lossy();
    let mut start = Vec::new();
    let file = open(&path, &Reach::of(&Origin::Operator))?;
    file.take(LIST_PART as u64).read_to_end(&mut start).map_err(|error| io_error(&path, &error))?;
    judge(&path, &start)
}

/// Opens a list. A pipe cannot be one: a list is read in parts, and from anywhere when a job goes on.
fn open(path: &str, reach: &Reach) -> Result<File, FetchError> {
    let kind = std::fs::metadata(reach.follow(path)?).map_err(|error| io_error(path, &error))?;
    if kind.is_file() {
        return reach.open(path);
    }
    let message = format!("`{path}` is no file: a list is read again when a job goes on, so write it to a file first");
    Err(FetchError::new(FetchErrorClass::Permanent, "list-special", message))
}

/// Refuses what begins as no list of lines of text does.
fn judge(path: &str, start: &[u8]) -> Result<(), FetchError> {
    let marked = start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff");
    let why = if start.starts_with(b"\x1f\x8b") || kind::of_content(start).is_some() {
        "is compressed or a document: give a list as plain text, such as `gunzip` or an export makes it"
    } else if marked || memchr::memchr(0, start).is_some() {
        "is in UTF-16, or no text: save the list as UTF-8"
    } else {
        return Ok(());
    };
    Err(FetchError::new(FetchErrorClass::Permanent, "list-coding", format!("`{path}` {why}")))
}

/// The lines of a part that name no page.
#[derive(Default)]
struct BadLines {
    count: u64,
    first: Option<(u64, String)>,
}

impl BadLines {
    fn note(&mut self, offset: u64, why: String) {
        self.count += 1;
        self.first.get_or_insert((offset, why));
    }

    /// One error for all of them, as the end of a stream without documents.
    fn report(self, path: &str) -> Documents {
        let Some((offset, why)) = self.first else { return Documents::None };
        let lines = if self.count == 1 { "1 line".to_owned() } else { format!("{} lines", self.count) };
        let message = format!("{lines} of `{path}` could not be used, the first at byte {offset}: {why}");
        Documents::error(FetchError::new(FetchErrorClass::Permanent, "list-line", message))
    }
}

/// The first line with its end, if it is all there.
fn line(text: &[u8], ended: bool) -> Option<&[u8]> {
    match memchr::memchr(b'\n', text) {
        Some(end) => Some(&text[..=end]),
        None => ended.then_some(text),
    }
}

/// The page that a line names; `None` for blank lines and comments. A bare name such as `example.org/contact` is taken
/// for `https`. A tab ends the URL: what stands behind it is another column.
///
/// # Errors
/// Why it names none.
fn page(line: &[u8]) -> Result<Option<Work>, String> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let line = line.split(|byte| *byte == b'\t').next().unwrap_or_default();
    let text = String::from_utf8_lossy(line);
    let url = if is_bare(&text) { parse_source_url(&format!("https://{text}")) } else { parse_source_url(&text) };
    url.map(|url| Some(Work::Page { url: url.into() })).map_err(|error| error.message().to_owned())
}

/// Whether a line begins with the name of a host, with or without a port: no scheme, no address, and no path.
fn is_bare(text: &str) -> bool {
    let host = text.split(['/', '?', '#']).next().unwrap_or_default();
    let (name, port) = host.split_once(':').unwrap_or((host, "0"));
    let is_name = |part: &str| !part.is_empty() && !part.contains(|c: char| c == '@' || c.is_whitespace());
    name.contains('.') && name.split('.').all(is_name) && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// How many bytes there are up to the end of the line, read in constant memory.
fn rest_of_line(file: &mut File) -> std::io::Result<usize> {
    let mut buffer = vec![0; LIST_PART];
    let mut length = 0;
    loop {
        let count = file.read(&mut buffer)?;
        if let Some(end) = memchr::memchr(b'\n', &buffer[..count]) {
            return Ok(length + end + 1);
        }
        length += count;
        if count == 0 {
            return Ok(length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, offset: u64) -> Result<Fetched, FetchError> {
        super::read(path, offset, &Reach::of(&Origin::Operator))
    }

    /// All pages of a list, part after part, and in how many parts they came.
    fn pages(content: &[u8]) -> (Vec<String>, usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        let path = file.path().to_str().unwrap();
        let (mut pages, mut parts, mut next) = (Vec::new(), 0, Some(0));
        while let Some(offset) = next.take() {
            parts += 1;
            for found in read(path, offset).unwrap().discovered {
                match found.work {
                    Work::Page { url } => pages.push(url),
                    Work::List { offset: more, .. } => {
                        assert!(more > offset, "a list must get on");
                        next = Some(more);
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
        (pages, parts)
    }

    #[test]
    fn lines_that_are_no_urls_lose_nothing_else() {
        let list = b"\xef\xbb\xbfhttps://a.org/\r\n# comment\n\n  http://b.org/x#y \nnonsense\nftp://c.org/\n\xff\nhttps://d.org";
        assert_eq!(pages(list), (vec!["https://a.org/".into(), "http://b.org/x".into(), "https://d.org/".into()], 1));
        assert_eq!(pages(b""), (vec![], 1));
    }

    #[test]
    fn bad_lines_are_counted_and_bare_names_are_sites() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "example.org/contact\nnot a url\nftp://c.org/\n").unwrap();
        let mut fetched = read(file.path().to_str().unwrap(), 0).unwrap();
        assert_eq!(fetched.discovered.len(), 1);
        assert_eq!(fetched.discovered[0].work, Work::Page { url: "https://example.org/contact".into() });
        let Documents::Stream(stream) = &mut fetched.documents else { panic!("the bad lines are not reported") };
        let error = stream.try_recv().unwrap().unwrap_err();
        assert!(error.message.starts_with("2 lines of") && error.message.contains("at byte 20"), "{error}");
    }

    #[test]
    fn long_lists_come_in_parts() {
        let list: String = (0..2_500).map(|number| format!("https://a.org/{number}\n")).collect();
        let (pages, parts) = pages(list.as_bytes());
        assert_eq!(parts, 3);
        assert_eq!(pages.join("\n") + "\n", list);
    }

    #[test]
    fn a_list_elsewhere_is_not_read_for_a_job_from_the_api() {
        let (root, file) = (tempfile::tempdir().unwrap(), tempfile::NamedTempFile::new().unwrap());
        std::fs::write(file.path(), "https://a.org/\n").unwrap();
        let reach = Reach::of(&Origin::Api { roots: vec![root.path().to_str().unwrap().to_owned()] });
        let error = super::read(file.path().to_str().unwrap(), 0, &reach).unwrap_err();
        assert_eq!((error.class, &*error.code), (FetchErrorClass::Refused, "file-outside"));
    }

    #[test]
    fn a_line_that_names_a_file_names_no_page() {
        let lines = b"file:///etc/passwd\n/etc/passwd\nhttps://a.org/\n";
        assert_eq!(pages(lines).0, ["https://a.org/"]);
    }

    #[test]
    fn a_line_that_names_no_page_asks_nobody() {
        let lines: [&[u8]; 9] = [
            b"ann@example.org",
            b"mailto:zz@acme.com",
            b"/relative/path.html",
            b"./page.html",
            b"../up/page.html",
            b"//example.org/page.html",
            b"tel:1.23",
            b"http://user:secret@h.org/",
            b"user:secret@h.org",
        ];
        for line in lines {
            assert!(page(line).is_err(), "{}", String::from_utf8_lossy(line));
        }
    }

    #[test]
    fn a_tab_ends_a_url() {
        let lines = b"http://h.org/a/two.html\thello\nh.org:8080/x?y=a@b.org\t1\t2\n\th.org \n";
        assert_eq!(pages(lines).0, ["http://h.org/a/two.html", "https://h.org:8080/x?y=a@b.org", "https://h.org/"]);
    }

    #[test]
    fn what_is_no_list_is_refused_in_one_line() {
        let utf16: Vec<u8> = "https://a.org/\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let marked = [&b"\xff\xfe"[..], &utf16].concat();
        for (content, why) in
            [(&utf16[..], "UTF-16"), (&marked, "UTF-16"), (b"\x1f\x8b\x08\0", "`gunzip`"), (b"PK\x03\x04", "`gunzip`")]
        {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), content).unwrap();
            let error = read(file.path().to_str().unwrap(), 0).unwrap_err();
            assert!(error.class == FetchErrorClass::Permanent && error.message.contains(why), "{error}");
            assert_eq!(check_list(file.path()).unwrap_err().message, error.message);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "\u{feff}https://a.org/\n").unwrap();
        check_list(file.path()).unwrap();
    }

    #[test]
    fn an_endless_line_is_skipped() {
        let mut list = b"https://a.org/\n".to_vec();
        list.extend(vec![b'x'; 3 * LIST_PART]);
        list.extend(b"\nhttps://b.org/\n");
        assert_eq!(pages(&list).0, ["https://a.org/", "https://b.org/"]);
    }
}
