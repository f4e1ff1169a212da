//! A job's addresses as CSV, JSON lines or Parquet: what `mailscan job export` writes and what the API streams, page by page,
//! so that any number fits into memory.

mod parquet;

use std::borrow::Cow;
use std::io;

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
    /// Apache Parquet, column by column and compressed with Zstandard.
    Parquet,
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
    /// The names of all formats.
    pub(crate) const NAMES: &'static [&'static str] =
        &[Self::Csv.as_str(), Self::Jsonl.as_str(), Self::Parquet.as_str()];

    /// All formats.
    pub const ALL: [Self; 3] = [Self::Csv, Self::Jsonl, Self::Parquet];

    /// A stable short name, which is also the ending of a file's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
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
            Self::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Whether it is text, which a terminal can show.
    pub const fn is_text(self) -> bool {
        !matches!(self, Self::Parquet)
    }
}

/// Writes addresses in one format: pages of rows go in, the bytes that they complete come out, in the order of a file.
///
/// Text comes out with its page. Parquet keeps the rows of a group until it is full: at most 50,000 rows, or 8 MiB of text and
/// one page more. The bytes do not depend on how the rows were cut into pages.
#[derive(Debug)]
pub struct Writer(Kind);

#[derive(Debug)]
enum Kind {
    Csv { begun: bool },
    Jsonl,
    Parquet(Box<parquet::Groups>),
}

impl Writer {
    /// One that has written nothing yet.
    ///
    /// # Errors
    /// When the format cannot be begun, which no address causes.
    pub fn new(format: Format) -> io::Result<Self> {
        Ok(Self(match format {
            Format::Csv => Kind::Csv { begun: false },
            Format::Jsonl => Kind::Jsonl,
            Format::Parquet => Kind::Parquet(Box::new(parquet::Groups::new()?)),
        }))
    }

    /// Takes rows; answers the bytes that are complete, which may be none.
    ///
    /// # Errors
    /// When a row cannot be written, which no address causes.
    pub fn rows(&mut self, page: Vec<Stored>) -> io::Result<Vec<u8>> {
        match &mut self.0 {
            Kind::Csv { begun } => {
                let heading = !std::mem::replace(begun, true);
                csv(heading, &page)
            }
            Kind::Jsonl => jsonl(&page),
            Kind::Parquet(groups) => groups.rows(page),
        }
    }

    /// What is left to write after the last row. Without any row, the file is one without rows, not an empty one, where the
    /// format tells them apart.
    ///
    /// # Errors
    /// When it cannot be written, which no address causes.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            Kind::Csv { begun: false } => csv(true, &[]),
            Kind::Csv { begun: true } | Kind::Jsonl => Ok(Vec::new()),
            Kind::Parquet(groups) => groups.finish(),
        }
    }
}

fn csv(heading: bool, page: &[Stored]) -> io::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if heading {
        writer.write_record(COLUMNS)?;
    }
    for stored in page {
        let row = Row::from(stored);
        let (offset, classes) = (row.offset.to_string(), row.classes.join(" "));
        let cells = [&*safe_cell(row.email), &*safe_cell(row.source), &offset, row.form, &classes, &row.found_at];
        writer.write_record(cells)?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn jsonl(page: &[Stored]) -> io::Result<Vec<u8>> {
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
