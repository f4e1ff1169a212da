//! A job's addresses as CSV, JSON lines or Parquet: what `mailscan job export` writes and what the API streams, page by page,
//! so that any number fits into memory.

mod parquet;

use std::borrow::Cow;
use std::io;

use crate::class::Class;
use crate::job::JobId;
use crate::store::{Store, Stored};
use crate::suppression::Suppression;
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

/// Why an export ends before its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error("{0}")]
    Store(#[from] crate::Error),
    /// What was written until then is not all that the job had.
    #[error("job {0} was deleted while it was exported")]
    Deleted(JobId),
    /// The rows could not be written in the format, which no address causes.
    #[error("cannot write the addresses: {0}")]
    Format(#[from] io::Error),
}

/// All addresses of a job in one format, read page by page.
///
/// Text comes out with its page. Parquet keeps the rows of a group until it is full: at most 50,000, or 8 MiB of text and one
/// row more. The bytes do not depend on the size of the pages.
#[derive(Debug)]
pub struct Export {
    job: JobId,
    /// Gone once the end is written.
    writer: Option<Writer>,
    after: u64,
    page: usize,
    written: u64,
    left_out: u64,
}

impl Export {
    /// An export of `job` that looks at so many addresses of the store at a time.
    ///
    /// # Errors
    /// When the format cannot be begun, which nothing here causes.
    pub fn new(job: JobId, format: Format, page: usize) -> io::Result<Self> {
        Ok(Self { job, writer: Some(Writer::new(format)?), after: 0, page, written: 0, left_out: 0 })
    }

    /// How many addresses were written, and how many left out, until now.
    pub const fn counts(&self) -> (u64, u64) {
        (self.written, self.left_out)
    }

    /// The next bytes, without whoever is on the list; `None` once all are written. Not cancel-safe: an export is of no use
    /// any more when this was dropped, nor after an error.
    ///
    /// # Errors
    /// [`ExportError`]; what came before is not whole.
    pub async fn next(
        &mut self,
        store: &impl Store,
        suppression: &Suppression,
    ) -> Result<Option<Vec<u8>>, ExportError> {
        while let Some(writer) = self.writer.take() {
            let mut page = store.addresses(self.job, self.after, self.page).await?;
            let Some(last) = page.last() else {
                // A job that is deleted meanwhile has no more addresses either, but this is not its end.
                if store.job_states(&[self.job]).await?.iter().all(Option::is_none) {
                    return Err(ExportError::Deleted(self.job));
                }
                let end = writer.apart(Writer::finish).await?;
                return Ok(Some(end).filter(|end| !end.is_empty()));
            };
            self.after = last.id;
            let all = page.len();
            page.retain(|stored| !suppression.contains(&stored.address));
            self.written += page.len() as u64;
            self.left_out += (all - page.len()) as u64;
            let rows = move |mut writer: Writer| {
                let bytes = writer.rows(&page)?;
                Ok((writer, bytes))
            };
            let (writer, bytes) = writer.apart(rows).await?;
            self.writer = Some(writer);
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// Makes one format of rows: they go in, the bytes that they complete come out, in the order of a file.
#[derive(Debug)]
enum Writer {
    Csv { begun: bool },
    Jsonl,
    Parquet(Box<parquet::Groups>),
}

impl Writer {
    fn new(format: Format) -> io::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv { begun: false },
            Format::Jsonl => Self::Jsonl,
            Format::Parquet => Self::Parquet(Box::new(parquet::Groups::new()?)),
        })
    }

    /// Does what takes long away from the runtime's threads: a group of Parquet takes some ten milliseconds.
    async fn apart<T: Send + 'static>(
        self,
        work: impl FnOnce(Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Csv { .. } | Self::Jsonl => work(self),
            Self::Parquet(_) => tokio::task::spawn_blocking(|| work(self)).await?,
        }
    }

    /// Takes rows; answers the bytes that are complete, which may be none.
    fn rows(&mut self, page: &[Stored]) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv { begun } => csv(!std::mem::replace(begun, true), page),
            Self::Jsonl => jsonl(page),
            Self::Parquet(groups) => groups.rows(page),
        }
    }

    /// What is left to write after the last row. Without any row, the file is one without rows, not an empty one, where the
    /// format tells them apart.
    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Csv { begun: false } => csv(true, &[]),
            Self::Csv { begun: true } | Self::Jsonl => Ok(Vec::new()),
            Self::Parquet(groups) => groups.finish(),
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
