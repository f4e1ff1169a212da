//! The labelled sample of real pages in `tests/data/pages`: precision and recall, measured.
//!
//! Every page is read as `scan` reads it, with the default filter. Differences from the labels are listed with their
//! reasons, exactly; `cargo test -p mailscan-tests --test it pages -- --nocapture` prints the figures.

use std::collections::BTreeSet;
use std::path::Path;

use mailscan_core::class::{Class, ClassFilter};
use mailscan_core::extract;
use mailscan_core::source::file::Pieces;

/// An address of a page.
type Mention = (String, String);

/// Where a person and mailscan differ, and why.
const DIFFERENCES: [(&str, &str, &str); 0] = [];

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/data/pages"))
}

/// The labels that are marked with this class.
fn labelled(class: &str) -> BTreeSet<Mention> {
    let table = std::fs::read_to_string(folder().join("labels.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row[2] == class).map(|row| (row[0].to_owned(), row[1].to_owned())).collect()
}

/// What is found on all pages, as far as `keep` has it.
fn found(keep: impl Fn(&extract::Finding) -> bool) -> BTreeSet<Mention> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if matches!(name, "labels.tsv" | "SOURCES.md") {
            continue;
        }
        for piece in Pieces::open(&path).unwrap() {
            let piece = piece.unwrap();
            extract::addresses(&piece.bytes, piece.media, |finding| {
                if keep(&finding) {
                    found.insert((name.to_owned(), finding.address.as_str().to_owned()));
                }
            });
        }
    }
    found
}

#[test]
fn real_pages_give_what_a_person_reads() {
    let expected = labelled("");
    let filter = ClassFilter::default();
    let found = found(|finding| filter.left_out(finding.classes()).is_none());
    let right = found.intersection(&expected).count() as f64;
    println!(
        "{} addresses of {} labelled: precision {:.4}, recall {:.4}",
        found.len(),
        expected.len(),
        right / found.len() as f64,
        right / expected.len() as f64
    );
    let listed: BTreeSet<Mention> =
        DIFFERENCES.iter().map(|(page, address, _)| ((*page).to_owned(), (*address).to_owned())).collect();
    let differences: BTreeSet<Mention> = found.symmetric_difference(&expected).cloned().collect();
    assert_eq!(differences, listed, "left: where mailscan and the labels differ; right: what is listed");
}

#[test]
fn placeholders_are_found_and_told_apart() {
    let found = found(|finding| finding.classes().contains(Class::Placeholder));
    assert_eq!(found, labelled("placeholder"));
}
