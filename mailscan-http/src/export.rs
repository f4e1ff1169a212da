//! A job's addresses as CSV or JSON lines: what `mailscan job export` writes and what the API streams, page by page, so that
//! any number fits into memory.

use std::borrow::Cow;

use mailscan_core::class::Class;
use mailscan_core::store::Stored;
use serde::Serialize;

/// How addresses are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated, with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// The columns.
const COLUMNS: [&str; 6] = ["email", "source", "offset", "form", "classes", "found_at"];

#[derive(Serialize)]
struct Row<'a> {
    email: &'a str,
    source: &'a str,
    offset: u64,
    form: &'a str,
    classes: Vec<&'static str>,
    found_at: String,
}

impl<'a> From<&'a Stored> for Row<'a> {
    fn from(stored: &'a Stored) -> Self {
        Self {
            email: stored.address.as_str(),
            source: &stored.source,
            offset: stored.offset,
            form: stored.form.as_str(),
            classes: stored.classes.iter().map(Class::as_str).collect(),
            found_at: stored.found_at.rfc3339(),
        }
    }
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Csv, Self::Jsonl];

    /// A stable short name, which is also the ending of a file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The format with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }

    /// The media type of what is written.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Jsonl => "application/jsonl",
        }
    }

    /// What comes before the first address.
    pub fn heading(self) -> Vec<u8> {
        match self {
            Self::Csv => format!("{}\n", COLUMNS.join(",")).into_bytes(),
            Self::Jsonl => Vec::new(),
        }
    }

    /// Addresses, a line each.
    ///
    /// # Errors
    /// When a row cannot be written, which no address causes.
    pub fn lines(self, page: &[Stored]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Csv => csv(page),
            Self::Jsonl => jsonl(page),
        }
    }
}

fn csv(page: &[Stored]) -> std::io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for stored in page {
        let row = Row::from(stored);
        let (offset, classes) = (row.offset.to_string(), row.classes.join(" "));
        let cells = [&*safe_cell(row.email), &*safe_cell(row.source), &offset, row.form, &classes, &row.found_at];
        writer.write_record(cells)?;
    }
    writer.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

fn jsonl(page: &[Stored]) -> std::io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for stored in page {
        serde_json::to_writer(&mut lines, &Row::from(stored))?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// The cell with a leading `'` where a spreadsheet would take it for a formula or a command.
pub fn safe_cell(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_marked_and_the_rest_is_left() {
        for cell in ["=1+1", "+a@b.org", "-a@b.org", "@a", "\tx", "\r=x", "＝1"] {
            assert_eq!(safe_cell(cell), format!("'{cell}"));
        }
        assert_eq!(safe_cell("a+b@c.org"), "a+b@c.org");
        assert_eq!(safe_cell(""), "");
    }
}
