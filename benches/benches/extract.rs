//! Extraction beside its peers and its bound, in bytes a second, over pages and over text full of addresses.
//!
//! `MAILSCAN_CORPUS=/some/folder` adds a corpus of real files: every file under it whose name does not end in `gz`.
//! The peers do less: none decodes, and only ours knows which domains exist. Ends with the ratios to ours.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use mailscan_core::extract::{Media, addresses};

/// A text and how it is read.
struct Corpus {
    name: &'static str,
    text: Vec<u8>,
    media: Media,
}

/// One way to go over a text: its name, and how many finds it makes.
type Way = (&'static str, Box<dyn Fn(&Corpus) -> usize>);

fn ways() -> Vec<Way> {
    let simple = regex::bytes::Regex::new(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}").expect("a pattern");
    vec![
        (
            "mailscan",
            Box::new(|corpus| {
                let mut count = 0;
                addresses(&corpus.text, corpus.media, |finding| {
                    black_box(finding);
                    count += 1;
                });
                count
            }),
        ),
        (
            "linkify",
            Box::new(|corpus| {
                let mut finder = linkify::LinkFinder::new();
                finder.kinds(&[linkify::LinkKind::Email]);
                finder.links(std::str::from_utf8(&corpus.text).expect("UTF-8")).map(black_box).count()
            }),
        ),
        ("regex", Box::new(move |corpus| simple.find_iter(&corpus.text).map(black_box).count())),
        ("bound-at", Box::new(|corpus| memchr::memchr_iter(b'@', &corpus.text).map(black_box).count())),
        (
            "bound-triggers",
            Box::new(|corpus| memchr::memchr3_iter(b'@', b'&', b'%', &corpus.text).map(black_box).count()),
        ),
    ]
}

/// Pages with three addresses each, some in character references, and the decoys of real pages.
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
    Corpus { name: "pages", text: text.into_bytes(), media: Media::Html }
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
    Corpus { name: "dense", text: text.into_bytes(), media: Media::Text }
}

/// The files under `MAILSCAN_CORPUS`, one after the other.
fn real() -> Option<Corpus> {
    let folder = std::env::var_os("MAILSCAN_CORPUS")?;
    let mut text = Vec::new();
    collect(Path::new(&folder), &mut text);
    // The peers want valid UTF-8; all read the same bytes.
    let text = String::from_utf8_lossy(&text).into_owned().into_bytes();
    Some(Corpus { name: "real", text, media: Media::Html })
}

fn collect(folder: &Path, text: &mut Vec<u8>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type());
        if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
            collect(&path, text);
        } else if kind.is_ok_and(|kind| kind.is_file()) && path.extension().is_none_or(|ending| ending != "gz") {
            text.extend(std::fs::read(&path).unwrap_or_default());
            text.push(b'\n');
        }
    }
}

/// The best of some runs, which is what the machine can do.
fn best(run: impl Fn() -> usize) -> (Duration, usize) {
    let timed = || {
        let start = Instant::now();
        let count = black_box(run());
        (start.elapsed(), count)
    };
    (0..7).map(|_| timed()).min().unwrap_or_default()
}

fn print_ratios(corpora: &[Corpus]) {
    for corpus in corpora {
        let gigabytes = corpus.text.len() as f64 / 1e9;
        println!("\n{}: {gigabytes:.3} GB", corpus.name);
        let mut ours = None;
        for (name, way) in ways() {
            let (time, finds) = best(|| way(corpus));
            let ours = *ours.get_or_insert(time.as_secs_f64());
            let (speed, ratio) = (gigabytes / time.as_secs_f64(), time.as_secs_f64() / ours);
            println!("  {name:<15} {speed:>7.2} GB/s  {finds:>9} finds  takes {ratio:>6.2} x our time");
        }
    }
}

fn main() {
    let corpora: Vec<Corpus> = [Some(pages()), Some(dense()), real()].into_iter().flatten().collect();
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    for corpus in &corpora {
        let mut group = criterion.benchmark_group(format!("extract/{}", corpus.name));
        group.throughput(Throughput::Bytes(corpus.text.len() as u64));
        for (name, way) in ways() {
            group.bench_function(name, |bencher| bencher.iter(|| way(corpus)));
        }
        group.finish();
    }
    criterion.final_summary();
    print_ratios(&corpora);
}
