//! `scan`: files, folders, standard input and gzip, in every format.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::TempDir;

use super::{Ran, json, mailscan, run_in, run_with_input, signal};

/// Longer than anything here takes.
const HANGS: Duration = Duration::from_secs(60);

pub(super) fn gzip(text: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub(super) fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Four files, one hidden, one compressed without saying so in its name.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "a.txt", "Ann.Lee@Host.org, zoe@b.org");
    write(folder.path(), "b/.hidden", "hidden@b.org and ann.lee@HOST.org");
    write(folder.path(), "b/packed", gzip("<!doctype html><p>bob&#64;c.org</p>"));
    write(folder.path(), "b/z.html", "<a href='mailto:carl@d.org'>carl</a> logo-1@2x.png");
    folder
}

#[test]
fn a_folder_gives_each_address_once_in_the_order_of_its_files() {
    let folder = folder();
    let ran = run_in(folder.path(), &["scan", "."]);
    assert_eq!(ran.out, "Ann.Lee@host.org\nzoe@b.org\nhidden@b.org\nbob@c.org\ncarl@d.org\n");
    assert_eq!(ran.code, 0);
    assert!(ran.err.contains("5 addresses in 4 files"), "{}", ran.err);
    let sorted = run_in(folder.path(), &["scan", ".", "--sort", "--quiet"]);
    assert_eq!(sorted.out, "Ann.Lee@host.org\nbob@c.org\ncarl@d.org\nhidden@b.org\nzoe@b.org\n");
    assert_eq!(sorted.err, "");
}

#[test]
fn what_was_hidden_from_collectors_is_found_only_when_it_is_asked_for() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "a.html", "<p>ann at host dot org</p> bob@host.org");
    assert_eq!(run_in(folder.path(), &["scan", "a.html"]).out, "bob@host.org\n");
    let guessed = run_in(folder.path(), &["scan", "a.html", "--deobfuscate", "--sort"]);
    assert_eq!((guessed.out.as_str(), guessed.code), ("ann@host.org\nbob@host.org\n", 0), "{}", guessed.err);
}

#[test]
fn many_files_come_in_order_however_they_are_searched() {
    let folder = TempDir::new().unwrap();
    let mut expected = String::new();
    for n in 0..3_000 {
        // Every third file is longer, so that files end out of their order.
        let filler = "words and words ".repeat(if n % 3 == 0 { 2_000 } else { 1 });
        write(folder.path(), &format!("{n:04}"), format!("{filler} user{n}@host.org everyone@host.org"));
        expected.push_str(&format!("user{n}@host.org\n"));
        if n == 0 {
            expected.push_str("everyone@host.org\n");
        }
    }
    assert_eq!(run_in(folder.path(), &["scan", "."]).out, expected);
}

#[test]
fn large_files_come_in_order_too() {
    let folder = TempDir::new().unwrap();
    let mut expected = String::new();
    for file in 0..6 {
        // Some are several parts, and each has addresses of the one before.
        let numbers = file * 30_000..file * 30_000 + if file % 2 == 0 { 60_000 } else { 20 };
        let text: String = numbers.map(|n| format!("user{n}@host.org\n")).collect();
        write(folder.path(), &format!("{file}"), &text);
        expected.push_str(&text);
    }
    let mut seen = std::collections::HashSet::new();
    let expected: Vec<_> = expected.lines().filter(|line| seen.insert(*line)).collect();
    let ran = run_in(folder.path(), &["scan", "."]);
    assert!(ran.out.lines().collect::<Vec<_>>() == expected);
    assert!(ran.err.contains(" in 6 files "), "{}", ran.err);
}

#[test]
fn what_is_found_is_written_before_the_input_ends() {
    let folder = TempDir::new().unwrap();
    let mut command = mailscan(folder.path());
    let mut child = command.arg("scan").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let many: String = (0..400_000).map(|n| format!("user{n}@host.org\n")).collect();
    let writer = std::thread::spawn(move || {
        input.write_all(many.as_bytes()).unwrap();
        input
    });
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert_eq!(first, "user0@host.org\n");
    // The rest is read, or the writer would wait for ever.
    let rest = std::thread::spawn(move || output.lines().count());
    drop(writer.join().unwrap());
    assert_eq!(rest.join().unwrap(), 399_999);
    assert!(child.wait().unwrap().success());
}

/// A scan whose standard input stays open, with the lines of its output as they come; killed if a test fails.
pub(super) struct Watched {
    pub(super) child: Child,
    lines: Receiver<String>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watched {
    pub(super) fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = mailscan(folder);
        command.arg("scan").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next line, for which nothing has to be given any more.
    pub(super) fn line(&self) -> String {
        self.lines.recv_timeout(HANGS).expect("nothing is written")
    }

    /// How it ends, and what it writes and says until then.
    pub(super) fn end(mut self) -> Ran {
        let out: Vec<_> = self.lines.iter().collect();
        let mut err = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        Ran { code: self.child.wait().unwrap().code().unwrap(), out: out.join("\n"), err }
    }
}

#[test]
fn the_little_that_is_found_is_written_while_the_input_goes_on() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "a.txt", "ann@a.org");
    for format in ["text", "jsonl", "csv"] {
        let mut scan = Watched::start(folder.path(), &["a.txt", "-", "--format", format]);
        if format == "csv" {
            assert!(scan.line().starts_with("email,"));
        }
        assert!(scan.line().contains("ann@a.org"), "before anything of the input has come");
        let input = scan.child.stdin.as_mut().unwrap();
        // Far less than is searched at a time.
        let filler = "words and words ".repeat(2_000);
        input.write_all(format!("bob@b.org {filler}").as_bytes()).unwrap();
        assert!(scan.line().contains("bob@b.org"));
        drop(scan.child.stdin.take());
        assert_eq!(scan.end().code, 0, "{format}");
    }
}

#[test]
fn an_interrupted_scan_gives_what_it_has_found() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "a.txt", "zoe@a.org");
    write(folder.path(), "b.txt", "bob@b.org");
    for stop in ["-INT", "-TERM"] {
        let scan = Watched::start(folder.path(), &["a.txt", "b.txt", "-"]);
        assert_eq!(scan.line(), "zoe@a.org");
        signal(&scan.child, stop);
        let ran = scan.end();
        assert_eq!((ran.code, ran.out.as_str()), (130, "bob@b.org"), "{}", ran.err);
        assert_eq!(ran.err, "stopped before the end: 2 addresses in 2 files (18 bytes)\n");
    }
    // What is sorted is written at the end only, whichever that is. Once it reads its input it listens.
    let mut scan = Watched::start(folder.path(), &["a.txt", "b.txt", "-", "--sort", "--quiet"]);
    scan.child.stdin.as_mut().unwrap().write_all("words and words ".repeat(100_000).as_bytes()).unwrap();
    signal(&scan.child, "-INT");
    let ran = scan.end();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (130, "bob@b.org\nzoe@a.org", ""));
}

#[test]
fn rows_name_the_source_the_place_and_the_form() {
    let folder = folder();
    let ran = run_in(folder.path(), &["scan", "b/packed", "a.txt", "--format", "jsonl"]);
    let rows: Vec<_> = ran.out.lines().map(json).collect();
    let row = serde_json::json!({
        "email": "bob@c.org", "source": "b/packed", "offset": 18, "form": "character-reference", "classes": []
    });
    assert_eq!(rows[0], row);
    assert_eq!((&rows[1]["offset"], &rows[2]["offset"]), (&0.into(), &18.into()));
    let ran = run_in(folder.path(), &["scan", "a.txt", "--format", "csv"]);
    assert_eq!(
        ran.out,
        "email,source,offset,form,classes\nAnn.Lee@host.org,a.txt,0,plain,\nzoe@b.org,a.txt,18,plain,\n"
    );
}

#[test]
fn standard_input_plain_and_compressed() {
    for input in [b"mail ann@a.org".to_vec(), gzip("mail ann@a.org")] {
        for arguments in [&["scan"][..], &["scan", "-"]] {
            let ran = run_with_input(arguments, &input);
            assert_eq!((ran.code, ran.out.as_str()), (0, "ann@a.org\n"), "{}", ran.err);
        }
    }
}

#[test]
fn charsets_by_mark_by_zeros_and_by_what_the_document_says() {
    let folder = TempDir::new().unwrap();
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    write(folder.path(), "1-marked.txt", [b"\xff\xfe".to_vec(), utf16("J\u{fc}rgen <j\u{fc}rgen@a.org>")].concat());
    write(folder.path(), "2-unmarked.reg", utf16("\"Mail\"=\"ann@b.org\"\r\n"));
    write(folder.path(), "3-sjis.html", b"<meta charset=shift_jis><p>\x83\x65bob@c.org");
    write(folder.path(), "4-jis.txt", b"\x1b$B%F\x1b(Bcarl@d.org");
    write(folder.path(), "5-latin1.xml", b"<?xml version='1.0' encoding='iso-8859-1'?><m>jos\xe9@e.org</m>");
    write(folder.path(), "6-unsaid.txt", b"M\xfcller (dora@f.org)");
    let ran = run_in(folder.path(), &["scan", "."]);
    assert_eq!(ran.out, "j\u{fc}rgen@a.org\nann@b.org\nbob@c.org\ncarl@d.org\njos\u{e9}@e.org\ndora@f.org\n");
}

/// A mailbox: encoded words, a soft line break in an address, base64, and ids that are no addresses.
const MAILBOX: &str = "From ann@a.org Sat Jan  3 01:05:34 1996\n\
    Message-ID: <1996.1@mail.a.org>\n\
    References: <1995.1@mail.a.org>\n\t<1995.2@mail.a.org>\n\
    From: =?utf-8?Q?Ann_=3Cann=40a=2Eorg=3E?=\n\
    To: bob@b.org\n\
    MIME-Version: 1.0\n\
    Content-Type: multipart/mixed; boundary=\"x\"\n\n\
    --x\n\
    Content-Type: text/plain; charset=utf-8\n\
    Content-Transfer-Encoding: quoted-printable\n\n\
    write to carl.the=\n.third@c.org =3D> soon\n\
    --x\n\
    Content-Type: text/html\n\
    Content-Transfer-Encoding: base64\n\n\
    PGEgaHJlZj0ibWFpbHRvOmRvcmElNDBkLm9yZyI+eDwvYT4=\n\
    --x--\n\n\
    From eve@e.org Sat Jan  3 01:05:35 1996\n\
    Subject: short\n\n\
    fay@f.org\n";

#[test]
fn mailboxes_are_decoded_and_their_ids_left_out() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "archive.mbox", MAILBOX);
    write(folder.path(), "packed.mbox.gz", gzip(MAILBOX));
    let expected = "ann@a.org\nbob@b.org\ncarl.the.third@c.org\ndora@d.org\neve@e.org\nfay@f.org\n";
    for name in ["archive.mbox", "packed.mbox.gz"] {
        let ran = run_in(folder.path(), &["scan", name]);
        assert_eq!(ran.out, expected, "{name}");
        assert!(ran.err.contains("left out: 3 message_id"), "{}", ran.err);
    }
    let ran = run_in(folder.path(), &["scan", "archive.mbox", "--format", "jsonl"]);
    let rows: Vec<_> = ran.out.lines().map(json).collect();
    let row = |email: &str| rows.iter().find(|row| row["email"] == email).unwrap();
    assert_eq!(row("carl.the.third@c.org")["form"], "quoted-printable");
    assert_eq!(row("carl.the.third@c.org")["offset"], MAILBOX.find("carl.the").unwrap());
    assert_eq!(row("dora@d.org")["form"], "base64");
}

#[test]
fn csv_cells_that_a_spreadsheet_would_run_are_text() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "=cmd", "write to ann@a.org now");
    let ran = run_in(folder.path(), &["scan", "=cmd", "--format", "csv"]);
    assert_eq!(ran.out.lines().nth(1), Some("ann@a.org,'=cmd,9,plain,"), "{}", ran.out);
    let rows = run_in(folder.path(), &["scan", "=cmd", "--format", "jsonl"]);
    assert_eq!(json(&rows.out)["source"], "=cmd");
}

/// What a mail and a program hold that few people look for, beside two addresses that they do.
const UNWANTED: &str = "Message-ID: <1.2@mail.a.org>\nReferences: <ann@a.org>\n\
    From: Ann <ann@a.org>, info@mailinator.com\n\
    ssh root@host ann@localhost ann@[192.0.2.1] you@example.com YOU@example.com logo@2x.png\n";

#[test]
fn classes_are_left_out_counted_and_brought_back() {
    let scan = |options: &[&str]| run_with_input(&[&["scan"], options].concat(), UNWANTED.as_bytes());
    let ran = scan(&[]);
    assert_eq!(ran.out, "ann@a.org\ninfo@mailinator.com\n");
    let counts = "left out: 2 placeholder, 1 message_id, 1 unknown_domain, 1 literal;";
    assert!(ran.err.contains(counts), "{}", ran.err);
    let all =
        "1.2@mail.a.org\nann@a.org\ninfo@mailinator.com\nroot@host\nann@localhost\nann@[192.0.2.1]\nyou@example.com\n";
    let ran = scan(&["--include", "all"]);
    assert_eq!(ran.out, all);
    assert!(!ran.err.contains("left out"), "{}", ran.err);
    let some = "ann@a.org\ninfo@mailinator.com\nann@localhost\nann@[192.0.2.1]\nyou@example.com\n";
    assert_eq!(scan(&["--include", "literal,placeholder"]).out, some);
    let wrong = scan(&["--include", "roles"]);
    assert_eq!(wrong.code, 2);
    assert!(wrong.err.contains("there is no class `roles`"), "{}", wrong.err);
}

#[test]
fn rows_name_the_classes() {
    let ran = run_with_input(&["scan", "--include", "all", "--format", "jsonl"], UNWANTED.as_bytes());
    let rows: Vec<_> = ran.out.lines().map(json).collect();
    let classes: Vec<_> = rows.iter().map(|row| row["classes"].clone()).collect();
    let expected = serde_json::json!([
        ["message_id"],
        ["message_id"],
        ["role", "disposable"],
        ["role", "unknown_domain"],
        ["placeholder", "unknown_domain"],
        ["literal"],
        ["placeholder"],
    ]);
    assert_eq!(serde_json::Value::from(classes), expected);
    let ran = run_with_input(&["scan", "--format", "csv"], b"info@mailinator.com");
    assert_eq!(ran.out.lines().nth(1), Some("info@mailinator.com,(standard input),0,plain,role disposable"));
}

#[test]
fn ignore_files_count_only_when_asked() {
    let folder = folder();
    write(folder.path(), ".gitignore", "a.txt\n");
    let is_found = |arguments: &[&str]| run_in(folder.path(), arguments).out.contains("zoe@b.org");
    assert!(is_found(&["scan", "."]));
    assert!(!is_found(&["scan", ".", "--gitignore"]), "outside of a repository too");
    fs::create_dir(folder.path().join(".git")).unwrap();
    assert!(!is_found(&["scan", ".", "--gitignore"]));
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = folder();
    let ran = run_in(folder.path(), &["scan", "missing\u{1b}[31m", "a.txt"]);
    assert_eq!((ran.code, ran.out.lines().count()), (3, 2));
    assert!(ran.err.contains("cannot read `missing\\u{1b}[31m`"), "{}", ran.err);
    assert!(ran.err.contains("1 file could not be read"), "{}", ran.err);
    assert_eq!(run_in(folder.path(), &["scan", "missing"]).code, 1);
    let mut broken = gzip("ann@a.org and words ".repeat(1_000));
    broken.truncate(broken.len() / 2);
    write(folder.path(), "broken.gz", broken);
    let ran = run_in(folder.path(), &["scan", "broken.gz", "a.txt"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("broken.gz"), "{}", ran.err);
    let ran = run_in(folder.path(), &["scan", "broken.gz"]);
    assert_eq!((ran.code, &ran.out[..]), (3, "ann@a.org\n"), "what came before the damage counts");
    assert!(ran.err.contains("1 address in 1 file ("), "{}", ran.err);
    assert!(ran.err.contains("; 1 file could not be read, or not to the end"), "{}", ran.err);
}

#[test]
fn files_of_kinds_that_are_not_read_are_counted() {
    let folder = TempDir::new().unwrap();
    write(folder.path(), "a.docx", b"PK\x03\x04\x14\0\x06\0 stored as it is: ann@a.org");
    write(folder.path(), "b.zip", b"PK\x03\x04\x14\0\x06\0");
    write(folder.path(), "c.pdf", "%PDF-1.7\n(mailto:bob@b.org)");
    write(folder.path(), "d.txt", "carl@c.org");
    let ran = run_in(folder.path(), &["scan", "."]);
    assert_eq!((ran.code, ran.out.as_str()), (3, "ann@a.org\nbob@b.org\ncarl@c.org\n"), "{}", ran.err);
    let line = "3 addresses in 4 files";
    let unread = "; 3 files are of a kind that is not read (damaged pdf 1, zip 2)";
    assert!(ran.err.contains(line) && ran.err.contains(unread), "{}", ran.err);
    let ran = run_in(folder.path(), &["run", "--path", ".", "--target", "9"]);
    assert!(ran.code == 3 && ran.err.contains("read only in part: 3"), "{}", ran.err);
    let errors = run_in(folder.path(), &["errors", "1", "--list"]).out;
    assert!(
        errors.contains("partial file-kind") && errors.contains("c.pdf` is of a kind that is not read (damaged pdf)"),
        "{errors}"
    );
}

#[test]
fn what_is_undone_no_further_is_counted_by_its_kind() {
    let folder = TempDir::new().unwrap();
    let twice = |text: &str| gzip(gzip(text));
    let utf32 = |mark: char| -> Vec<u8> {
        format!("{mark}ann@a.org").chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
    };
    write(folder.path(), "a.gz", twice("ann@a.org"));
    write(folder.path(), "b.gz", gzip(twice("bob@b.org")));
    write(folder.path(), "c.txt", utf32('\u{feff}'));
    let little: Vec<u8> = utf32('\u{feff}').chunks(4).flat_map(|unit| unit.iter().rev().copied()).collect();
    write(folder.path(), "d.txt", &little);
    let ran = run_in(folder.path(), &["scan", "."]);
    assert_eq!((ran.code, ran.out.as_str()), (3, "ann@a.org\n"), "{}", ran.err);
    let unread = "; 3 files are of a kind that is not read (gzip 1, utf-32 2)";
    assert!(ran.err.contains(unread), "{}", ran.err);
}

#[cfg(unix)]
#[test]
fn links_that_are_not_followed_are_counted() {
    use std::os::unix::fs::symlink;
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("in")).unwrap();
    fs::create_dir_all(path("out")).unwrap();
    write(folder.path(), "out/a.txt", "ann@a.org");
    symlink("../out", path("in/folder")).unwrap();
    symlink("../gone", path("in/gone")).unwrap();
    symlink("../out/a.txt", path("in/file")).unwrap();
    symlink("in", path("link")).unwrap();
    let ran = run_in(folder.path(), &["scan", "link/", "out"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "ann@a.org\n"), "{}", ran.err);
    assert!(ran.err.contains("in 2 files (18 bytes); not followed: 2 links to folders or to nothing"), "{}", ran.err);
    let ran = run_in(folder.path(), &["scan", "link"]);
    assert!(ran.err.contains("not followed: 2 links"), "{}", ran.err);
    let ran = run_in(folder.path(), &["scan", "out"]);
    assert!(!ran.err.contains("not followed"), "{}", ran.err);
}

#[test]
fn tar_files_are_read_file_by_file_however_they_are_compressed() {
    let folder = TempDir::new().unwrap();
    let mail = "From: x\nTo: y\nSubject: z\nContent-Transfer-Encoding: base64\nMIME-Version: 1.0\n\nYW5uQGEub3Jn\n";
    write(folder.path(), "files/new/17", mail);
    write(folder.path(), "files/page.html", "bob&#64;b.org");
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all("mail", folder.path().join("files")).unwrap();
    let archive = builder.into_inner().unwrap();
    fs::remove_dir_all(folder.path().join("files")).unwrap();
    write(folder.path(), "a.tar", &archive);
    let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    bzip2.write_all(&archive).unwrap();
    write(folder.path(), "b.tar.bz2", bzip2.finish().unwrap());
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    xz.write_all(&archive).unwrap();
    write(folder.path(), "c.tar.xz", xz.finish().unwrap());
    write(folder.path(), "d.tar.zst", zstd::encode_all(&archive[..], 1).unwrap());
    for name in ["a.tar", "b.tar.bz2", "c.tar.xz", "d.tar.zst"] {
        let ran = run_in(folder.path(), &["scan", name, "--format", "jsonl"]);
        let found = ran.out.lines().map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            format!("{} {}", row["email"], row["source"])
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        let expected = ["ann@a.org", "bob@b.org"].iter().zip(["new/17", "page.html"]);
        let expected: Vec<_> = expected.map(|(who, file)| format!("\"{who}\" \"{name}#mail/{file}\"")).collect();
        assert_eq!((ran.code, found), (0, expected), "{}", ran.err);
    }
    let ran = run_in(folder.path(), &["run", "--path", ".", "--target", "9", "--json"]);
    assert_eq!((ran.code, json(&ran.out)["collected"].as_u64()), (0, Some(2)), "{}", ran.err);
}

#[test]
fn pdfs_are_read_page_by_page() {
    let folder = TempDir::new().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pdf");
    for name in ["fpdf2.pdf", "locked.pdf", "reportlab.pdf"] {
        fs::copy(data.join(name), folder.path().join(name)).unwrap();
    }
    let ran = run_in(folder.path(), &["scan", ".", "--include", "all", "--format", "jsonl"]);
    let rows: Vec<_> = ran.out.lines().map(json).collect();
    let places: Vec<_> =
        rows.iter().map(|row| (row["source"].as_str().unwrap(), row["email"].as_str().unwrap())).collect();
    let place_of = |email| places.iter().find(|(_, found)| *found == email).map(|(source, _)| *source);
    for (email, source) in [
        ("ann@fpdf.example.org", "./fpdf2.pdf#page=1"),
        ("second@fpdf.example.org", "./fpdf2.pdf#page=2"),
        ("author@reportlab.example.org", "./reportlab.pdf"),
        ("third@reportlab.example.org", "./reportlab.pdf#page=2"),
    ] {
        assert_eq!(place_of(email), Some(source), "{places:?}");
    }
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(ran.err.contains("; 1 file is of a kind that is not read (encrypted pdf 1)"), "{}", ran.err);
    let ran = run_in(folder.path(), &["run", "--path", ".", "--target", "99", "--include", "all"]);
    assert!(ran.code == 3 && ran.err.contains("read only in part: 1"), "{}", ran.err);
    let errors = run_in(folder.path(), &["errors", "1", "--list"]).out;
    assert!(errors.contains("partial file-kind") && errors.contains("(encrypted pdf)"), "{errors}");
    let rows = run_in(folder.path(), &["job", "export", "1", "--format", "jsonl"]).out;
    assert!(rows.contains("reportlab.pdf#page=2"), "{rows}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = TempDir::new().unwrap();
    let many: String = (0..200_000).map(|n| format!("user{n}@host.org\n")).collect();
    write(folder.path(), "many", many);
    let mut child =
        mailscan(folder.path()).args(["scan", "many"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // The reader goes at the end of the statement, and the pipe with it.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(first, "user0@host.org\n");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
