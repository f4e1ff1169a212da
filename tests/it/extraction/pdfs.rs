//! PDFs of real programs: every address that they show, and on which page. `tests/data/pdf` says how they were made.

use std::path::{Path, PathBuf};

use mailscan_core::extract::addresses;
use mailscan_core::fetch::{Documents, FetchErrorClass, NOT_READ};

use super::{fetch_path, gzip};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/pdf").join(name)
}

/// What is found in a file: behind its path, and the address; and what is told of it.
async fn found(path: &Path) -> (Vec<(String, String)>, Option<(FetchErrorClass, String, String)>) {
    let (mut found, mut told) = (Vec::new(), None);
    let Documents::Stream(mut stream) = fetch_path(path).await.unwrap().documents else {
        panic!("a PDF comes as a stream")
    };
    while let Some(document) = stream.recv().await {
        assert!(told.is_none(), "nothing comes after an error");
        match document {
            Ok(document) => addresses(&document.body, document.media, |finding| {
                let place = document.source.strip_prefix(path.to_str().unwrap()).unwrap();
                found.push((place.to_owned(), finding.address.to_string()));
            }),
            Err(error) => told = Some((error.class, error.code.into_owned(), error.message)),
        }
    }
    (found, told)
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(place, address)| ((*place).to_owned(), (*address).to_owned())).collect()
}

const REPORTLAB: [(&str, &str); 8] = [
    ("", "author@reportlab.example.org"),
    ("#page=1", "ann.lee@reportlab.example.org"),
    ("#page=1", "ben@reportlab.example.org"),
    ("#page=1", "office@reportlab.example.org"),
    ("#page=1", "link@reportlab.example.org"),
    ("#page=1", "field@reportlab.example.org"),
    ("#page=2", "second@reportlab.example.org"),
    ("#page=2", "third@reportlab.example.org"),
];
const BROWSER: [(&str, &str); 7] = [
    ("#page=1", "ann.lee@chromium.example.org"),
    ("#page=1", "ben_k@chromium.example.org"),
    ("#page=1", "carl+x@chromium.example.org"),
    ("#page=1", "dora-spaced@chromium.example.org"),
    ("#page=1", "effi-office@chromium.example.org"),
    ("#page=1", "office@chromium.example.org"),
    ("#page=2", "second@chromium.example.org"),
];

#[tokio::test]
async fn every_address_is_found_on_its_page() {
    for (name, expected) in [
        ("chromium.pdf", &BROWSER[..]),
        ("weasyprint.pdf", &BROWSER),
        ("reportlab.pdf", &REPORTLAB),
        ("streams.pdf", &REPORTLAB),
        ("rc4.pdf", &REPORTLAB),
        ("aes128.pdf", &REPORTLAB),
        ("aes256.pdf", &REPORTLAB),
        ("cairo.pdf", &[("#page=1", "ann@cairo.example.org"), ("#page=1", "office.turned@cairo.example.org")]),
        (
            "fpdf2.pdf",
            &[
                ("#page=1", "ann@fpdf.example.org"),
                ("#page=1", "ben@fpdf.example.org"),
                ("#page=2", "second@fpdf.example.org"),
            ],
        ),
        ("fpdf2-unicode.pdf", &[("#page=1", "j\u{fc}rgen@fpdf.example.org"), ("#page=1", "office@fpdf.example.org")]),
        (
            "ghostscript.pdf",
            &[
                ("#page=1", "ann-lee@groff.example.org"),
                ("#page=1", "office@groff.example.org"),
                // groff has broken it into syllables, and nothing tells such a hyphen from its own.
                ("#page=1", "ben@groff.ex-ample.org"),
                ("#page=2", "second@groff.example.org"),
            ],
        ),
        (
            "libreoffice.pdf",
            &[
                ("#page=1", "ann.lee@libreoffice.example.org"),
                ("#page=1", "effi-office@libreoffice.example.org"),
                ("#page=1", "office@libreoffice.example.org"),
                ("#page=2", "second@libreoffice.example.org"),
            ],
        ),
        (
            "pdflatex.pdf",
            &[
                ("#page=1", "ann.lee@tex.example.org"),
                // Its fonts have no underscore, so TeX draws a line.
                ("#page=1", "effi_office@tex.example.org"),
                ("#page=1", "ben-k@tex.example.org"),
                ("#page=2", "second+x@tex.example.org"),
            ],
        ),
    ] {
        let (mut found, told) = found(&file(name)).await;
        found.dedup();
        assert_eq!((found, told), (pairs(expected), None), "{name}");
    }
}

#[tokio::test]
async fn a_compressed_file_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf.gz");
    std::fs::write(&path, gzip(&std::fs::read(file("fpdf2.pdf")).unwrap())).unwrap();
    let (found, told) = found(&path).await;
    assert_eq!((found[2].0.as_str(), found.len(), told), ("#page=2", 3, None));
}

#[tokio::test]
async fn what_cannot_be_read_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.pdf");
    let whole = std::fs::read(file("reportlab.pdf")).unwrap();
    // Within the object behind the first page's text.
    std::fs::write(&path, &whole[..whole.len() - 700]).unwrap();
    let (cut, told) = found(&path).await;
    let (class, code, message) = told.unwrap();
    assert!(cut.contains(&("#page=1".to_owned(), "ann.lee@reportlab.example.org".to_owned())), "{cut:?}");
    assert_eq!((class, code.as_str()), (FetchErrorClass::Permanent, "file-damaged"), "{message}");
    let (none, told) = found(&file("locked.pdf")).await;
    let (_, code, message) = told.unwrap();
    assert_eq!((none, code.as_str()), (vec![], NOT_READ));
    assert!(message.contains("is of a kind that is not read (encrypted pdf)"), "{message}");
}
