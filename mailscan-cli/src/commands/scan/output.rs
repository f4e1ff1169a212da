//! The results of a scan, in the format asked for.

use std::borrow::Cow;
use std::io::{self, BufWriter, IsTerminal, StdoutLock, Write};
use std::time::{Duration, Instant};

use mailscan_core::address::Address;
use mailscan_core::class::Class;
use mailscan_core::export::safe_cell;
use mailscan_core::source::file::page_of_archive;
use serde::Serialize;

use super::Found;
use crate::args::ScanFormat;
use crate::exit::Result;

/// How long results stay in memory at most where they do not go to a terminal: writing each by itself would take longer than
/// finding it.
const SHOWN_AFTER: Duration = Duration::from_secs(1);

/// One address as JSON and CSV write it.
#[derive(Serialize)]
struct Row<'a> {
    email: &'a str,
    source: &'a str,
    offset: u64,
    form: &'a str,
    classes: Vec<&'static str>,
}

/// Where results go.
pub(super) struct Output {
    writer: Writer,
    /// The results so far, when they are to be sorted.
    kept: Option<Vec<(String, String, Found)>>,
    /// Whether anything stands in memory that nobody can see yet.
    unseen: bool,
    /// When all that there was could be seen last.
    shown: Instant,
    is_terminal: bool,
}

enum Writer {
    Text(BufWriter<StdoutLock<'static>>),
    Jsonl(BufWriter<StdoutLock<'static>>),
    Csv(Box<csv::Writer<StdoutLock<'static>>>),
}

impl Output {
    pub(super) fn new(format: ScanFormat, sort: bool) -> Result<Self> {
        let out = io::stdout().lock();
        let writer = match format {
            ScanFormat::Text => Writer::Text(BufWriter::with_capacity(1 << 16, out)),
            ScanFormat::Jsonl => Writer::Jsonl(BufWriter::with_capacity(1 << 16, out)),
            ScanFormat::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(["email", "source", "offset", "form", "classes"])?;
                Writer::Csv(Box::new(writer))
            }
        };
        let is_terminal = io::stdout().is_terminal();
        Ok(Self { writer, kept: sort.then(Vec::new), unseen: true, shown: Instant::now(), is_terminal })
    }

    pub(super) fn write(&mut self, source: &str, found: Found) -> Result<()> {
        if let Some(kept) = &mut self.kept {
            kept.push((found.address.identity(), source.to_owned(), found));
            return Ok(());
        }
        self.unseen = true;
        self.writer.write(source, &found)
    }

    /// Lets whoever reads the results see what there is: at once on a terminal, about once a second elsewhere.
    pub(super) fn pause(&mut self) -> Result<()> {
        if !self.unseen || !self.is_terminal && self.shown.elapsed() < SHOWN_AFTER {
            return Ok(());
        }
        self.show()
    }

    /// Lets whoever reads the results see all that there are.
    pub(super) fn show(&mut self) -> Result<()> {
        (self.unseen, self.shown) = (false, Instant::now());
        self.writer.flush()
    }

    /// Writes what was kept back, and all that is still in memory.
    pub(super) fn finish(mut self) -> Result<()> {
        let mut kept = self.kept.take().unwrap_or_default();
        kept.sort_by(|a, b| a.0.cmp(&b.0));
        for (_, source, found) in &kept {
            self.writer.write(source, found)?;
        }
        self.writer.flush()
    }
}

impl Writer {
    fn write(&mut self, source: &str, found: &Found) -> Result<()> {
        let Found { address, page, offset, form, classes } = found;
        let source = match page {
            Some(page) => Cow::from(page_of_archive(source, page)),
            None => Cow::from(source),
        };
        let row = Row {
            email: Address::as_str(address),
            source: &source,
            offset: *offset,
            form: form.as_str(),
            classes: classes.iter().map(Class::as_str).collect(),
        };
        match self {
            Self::Text(out) => writeln!(out, "{}", row.email)?,
            Self::Jsonl(out) => {
                serde_json::to_writer(&mut *out, &row)?;
                out.write_all(b"\n")?;
            }
            Self::Csv(out) => {
                let (email, source) = (safe_cell(row.email), safe_cell(row.source));
                out.write_record([&*email, &*source, &row.offset.to_string(), row.form, &row.classes.join(" ")])?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::Text(out) | Self::Jsonl(out) => out.flush()?,
            Self::Csv(out) => out.flush()?,
        }
        Ok(())
    }
}
