//! Extraction beside its peers and its bounds on one core, in bytes a second: pages, text full of addresses, and real
//! files.
//!
//! `MAILSCAN_CORPUS=/some/folder:/another` adds a corpus for each folder: every file under it whose name does not end in
//! `gz`, one after the other. The peers do less: none decodes, and only ours knows which domains exist. Every way goes
//! over a text in turn, and the best of its runs counts, which is what the machine can do.

use std::hint::black_box;
use std::time::{Duration, Instant};

use mailscan_core::extract::{Media, mentions};

/// How often each way goes over each text.
const RUNS: usize = 9;

/// A text and how it is read.
struct Corpus {
    name: String,
    text: String,
    media: Media,
}

/// One way to go over a text: its name, and how many finds it makes.
type Way = (&'static str, Box<dyn Fn(&Corpus) -> usize>);

fn ways() -> Vec<Way> {
    let simple = regex::bytes::Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}").expect("a pattern");
    vec![
        ("mailscan", Box::new(mailscan)),
        ("linkify", Box::new(linkify)),
        ("regex", Box::new(move |corpus| simple.find_iter(corpus.text.as_bytes()).map(black_box).count())),
        ("bound: @", Box::new(|corpus| memchr::memchr_iter(b'@', corpus.text.as_bytes()).map(black_box).count())),
        (
            "bound: @ & %",
            Box::new(|corpus| memchr::memchr3_iter(b'@', b'&', b'%', corpus.text.as_bytes()).map(black_box).count()),
        ),
        ("bound: @, classes", Box::new(|corpus| expanded(corpus.text.as_bytes()))),
    ]
}

fn mailscan(corpus: &Corpus) -> usize {
    let mut count = 0;
    mentions(corpus.text.as_bytes(), corpus.media, |mention| {
        black_box(mention);
        count += 1;
    });
    count
}

fn linkify(corpus: &Corpus) -> usize {
    let mut finder = linkify::LinkFinder::new();
    finder.kinds(&[linkify::LinkKind::Email]);
    finder.links(&corpus.text).map(black_box).count()
}

/// Every `@` with both sides taken as far as a table of classes says: the least that an extractor does, without
/// decoding, checks, or a copy of what it found.
fn expanded(text: &[u8]) -> usize {
    const SIGN: [bool; 256] = {
        let mut signs = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            signs[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'.' | b'-' | b'_' | b'+');
            byte += 1;
        }
        signs
    };
    let sign = |byte: &&u8| SIGN[usize::from(**byte)];
    memchr::memchr_iter(b'@', text)
        .map(|at| (at - text[..at].iter().rev().take_while(sign).count(), at))
        .map(|(start, at)| (start..at, at + 1..at + 1 + text[at + 1..].iter().take_while(sign).count()))
        .filter(|(local, domain)| !local.is_empty() && text[domain.clone()].contains(&b'.'))
        .map(black_box)
        .count()
}

/// Lines of a page with three addresses each, some in character references, and the decoys of real pages.
fn pages() -> Corpus {
    let paragraph = "<p class=\"text\">The quick brown fox jumps over the lazy dog &amp; back; see <a href=\"/x?a=1\">it</a>.</p>\n";
    let mut text = String::new();
    for number in 0..400 {
        text.push_str("<!doctype html><html><head><title>Page</title></head><body>\n");
        text.push_str(&paragraph.repeat(180));
        text.push_str(&format!(
            "<img src=\"logo-{number}@2x.png\"><a href=\"mailto:p{number}@example.org\">write</a>\n"
        ));
        text.push_str(&format!("info{number}&#64;example&#46;com or sales.{number}@mail.example.net</body></html>\n"));
    }
    Corpus { name: "pages, made".to_owned(), text, media: Media::Html }
}

/// Lines of a changelog, an address every few hundred bytes.
fn dense() -> Corpus {
    let filler = "  * Update the translation, thanks to everybody who sent in corrections. Closes: #12345.\n".repeat(4);
    let mut text = String::new();
    for number in 0..40_000 {
        text.push_str(&filler);
        text.push_str(&format!(
            " -- Ann Lee <ann.lee{}@lists.example.org>  Mon, 01 Jan 2024 00:00:00\n",
            number % 5_000
        ));
    }
    Corpus { name: "changelog, made".to_owned(), text, media: Media::Text }
}

/// The files under each folder of `MAILSCAN_CORPUS`, one after the other.
fn real() -> Vec<Corpus> {
    let folders = std::env::var_os("MAILSCAN_CORPUS").unwrap_or_default();
    let named = std::env::split_paths(&folders).filter(|folder| !folder.as_os_str().is_empty());
    named
        .map(|folder| {
            let mut text = Vec::new();
            for path in
                mailscan_benches::files(&folder).iter().filter(|path| path.extension().is_none_or(|end| end != "gz"))
            {
                text.extend(std::fs::read(path).unwrap_or_default());
                text.push(b'\n');
            }
            // The peers want valid UTF-8; all read the same bytes.
            let text = String::from_utf8_lossy(&text).into_owned();
            Corpus { name: folder.display().to_string(), text, media: Media::Html }
        })
        .collect()
}

fn compare(corpus: &Corpus) {
    let ways = ways();
    let mut best = vec![(Duration::MAX, 0); ways.len()];
    for _ in 0..RUNS {
        for ((_, way), best) in ways.iter().zip(&mut best) {
            let start = Instant::now();
            let finds = black_box(way(corpus));
            *best = (*best).min((start.elapsed(), finds));
        }
    }
    let gigabytes = corpus.text.len() as f64 / 1e9;
    let ours = best[0].0.as_secs_f64();
    println!("\n{}: {gigabytes:.3} GB", corpus.name);
    for ((name, _), (time, finds)) in ways.iter().zip(best) {
        let seconds = time.as_secs_f64();
        println!(
            "  {name:<18} {:>7.2} GB/s  {finds:>9} finds  takes {:>6.2} x our time",
            gigabytes / seconds,
            seconds / ours
        );
    }
}

fn main() {
    [pages(), dense()].into_iter().chain(real()).for_each(|corpus| compare(&corpus));
}
