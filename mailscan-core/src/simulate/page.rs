//! The HTML of a page: a head, paragraphs with the mentions between them, and filler up to the page's size. Pure.

use std::fmt::Write;

use super::layout::{Layout, Mention, chance, mix};
use super::{SimulationOptions, address};

/// Sizes of pages as multiples of the median, in quarters; the middle of the list is the median.
const SIZES: [usize; 9] = [1, 2, 3, 4, 4, 4, 6, 8, 16];

const WORDS: [&str; 40] = [
    "annual",
    "report",
    "customers",
    "delivery",
    "workshop",
    "the",
    "of",
    "and",
    "quality",
    "services",
    "region",
    "opening",
    "hours",
    "with",
    "project",
    "partner",
    "for",
    "new",
    "catalogue",
    "history",
    "training",
    "support",
    "office",
    "in",
    "industry",
    "research",
    "members",
    "meeting",
    "products",
    "our",
    "tickets",
    "archive",
    "station",
    "on",
    "river",
    "teams",
    "construction",
    "figures",
    "from",
    "schedule",
];

/// Paragraphs to fill pages with, made once.
#[derive(Debug)]
pub(super) struct Filler(Vec<String>);

impl Filler {
    pub(super) fn new(seed: u64) -> Self {
        Self((0..64).map(|n| paragraph(mix(seed, n))).collect())
    }
}

fn paragraph(seed: u64) -> String {
    let mut text = format!("<h2 id=\"s{}\">", seed % 997);
    for n in 0..90 {
        let word = WORDS[(mix(seed, n) % WORDS.len() as u64) as usize];
        match n {
            4 => text.push_str("</h2>\n<p>"),
            30 => text.push_str(", <a href=\"#top\">back &amp; forth</a>. "),
            60 => text.push_str(" &ndash; <em>more</em> "),
            _ => text.push(' '),
        }
        text.push_str(word);
    }
    text.push_str(".</p>\n");
    text
}

/// A page and how many mentions it holds.
pub(super) struct Page {
    pub(super) html: String,
    pub(super) mentions: u64,
}

/// Page `n`; as a page of the site tree it links to its children.
pub(super) fn page(layout: &Layout, filler: &Filler, n: u64, in_tree: bool) -> Page {
    let options = layout.options();
    let mut bits = mix(options.seed ^ 0x9A6E, n);
    let size = options.page_bytes / 4 * SIZES[(bits % SIZES.len() as u64) as usize];
    let mentions = layout.mentions(n);
    let mut html = String::with_capacity(size + 2_048);
    html.push_str("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n");
    let _ = writeln!(html, "<title>Page {n}</title><link rel=\"stylesheet\" href=\"/style.css\"></head><body id=top>");
    if in_tree {
        links(&mut html, layout, n);
    }
    // The mentions are spread evenly over the filler.
    let step = size / (mentions.len() + 1);
    for (k, mention) in mentions.iter().enumerate() {
        fill(&mut html, filler, &mut bits, step * (k + 1));
        write_mention(&mut html, options, mention);
    }
    fill(&mut html, filler, &mut bits, size);
    html.push_str("</body></html>\n");
    Page { html, mentions: mentions.len() as u64 }
}

fn fill(html: &mut String, filler: &Filler, bits: &mut u64, until: usize) {
    while html.len() < until {
        *bits = mix(*bits, 1);
        html.push_str(&filler.0[(*bits % filler.0.len() as u64) as usize]);
    }
}

fn links(html: &mut String, layout: &Layout, n: u64) {
    html.push_str("<ul>\n<li><a href=\"/site/\">Home</a>\n");
    for child in layout.children(n) {
        let _ = writeln!(html, "<li><a href='/site/{child}'>Page {child}</a>");
    }
    html.push_str("</ul>\n");
}

/// The address of a mention; some repeats are in lower case.
pub(super) fn spelling(options: &SimulationOptions, mention: &Mention) -> String {
    let mut text = address::text(options.seed, mention.address);
    if mention.repeat && mention.bits & 1 == 1 {
        text.make_ascii_lowercase();
    }
    text
}

fn write_mention(html: &mut String, options: &SimulationOptions, mention: &Mention) {
    let mut text = spelling(options, mention);
    if mention.encoded {
        text = encoded(&text, mention.bits >> 1);
    }
    let _ = match mention.bits >> 8 & 7 {
        0 => writeln!(html, "<p><a href=\"mailto:{text}?subject=Hello\">Write to us</a></p>"),
        1 => writeln!(html, "<table><tr><td>Mail</td><td>{text}</td></tr></table>"),
        2 => writeln!(html, "<p>Please write to {text}. We answer.</p>"),
        3 => writeln!(html, "<!-- maintained by <{text}> -->"),
        4 => writeln!(html, "<p data-contact=\"{text}\">Contact</p>"),
        5 => writeln!(html, "<p>Questions ({text}), or by telephone.</p>"),
        6 => writeln!(html, "<li>E-mail:{text}</li>"),
        _ => writeln!(html, "<p><b>{text}</b></p>"),
    };
    if chance(mix(mention.bits, 3), options.decoy_share) {
        let _ = writeln!(html, "<img src=\"/img/logo-{}@2x.png\" alt=\"@ 12:30\">", mention.address % 1_000);
    }
}

/// The same text with its at sign, or all of it, as character references.
fn encoded(text: &str, bits: u64) -> String {
    match bits & 3 {
        0 => text.replace('@', "&#64;"),
        1 => text.replace('@', "&#x40;"),
        2 => text.replace('@', "&commat;").replace('.', "&period;"),
        _ => text.bytes().fold(String::new(), |mut all, byte| {
            let _ = write!(all, "&#{byte};");
            all
        }),
    }
}
