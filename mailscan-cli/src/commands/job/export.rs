//! `job export`: a job's addresses as CSV, JSON lines or Parquet, read page by page so that any number fits into memory.

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;

use mailscan_core::job::JobId;
use mailscan_core::store::Store;
use mailscan_core::suppression::Suppression;
use mailscan_http::export::{Format, Writer};

use crate::args::ExportFormat;
use crate::exit::{Exit, Failure, Result};
use crate::render::{counted, grouped};

/// How many addresses one look at the store brings.
const PAGE: usize = 10_000;

/// What to export, and whom to leave out although they were collected before they were on the list.
pub(super) struct Asked<'a> {
    pub(super) id: JobId,
    pub(super) format: ExportFormat,
    pub(super) output: Option<&'a Path>,
    pub(super) suppression: Suppression,
}

pub(super) async fn run(store: &impl Store, asked: &Asked<'_>) -> Result<Exit> {
    let Asked { id, format, output, suppression } = asked;
    let format = match format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Jsonl => Format::Jsonl,
        ExportFormat::Parquet => Format::Parquet,
    };
    if output.is_none() && !format.is_text() && std::io::stdout().is_terminal() {
        let name = format.as_str();
        return Err(Failure::Usage(format!("{name} is no text that a terminal can show: add --output FILE")));
    }
    super::find(store, *id).await?;
    let mut out: Box<dyn Write + Send> = match output {
        None => Box::new(std::io::stdout()),
        Some(path) => Box::new(create(path)?),
    };
    let (count, suppressed) = write(store, *id, (format, suppression), &mut out).await?;
    if let Some(path) = output {
        let path = crate::render::escape(&path.display().to_string());
        eprintln!("{} written to {path}", counted(count, "address", "addresses"));
    }
    if suppressed > 0 {
        eprintln!("left out: {} suppressed", grouped(suppressed));
    }
    Ok(Exit::Done)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| Failure::Failed(format!("cannot write `{}`: {error}", path.display())))
}

/// Writes the stored addresses of the job; answers how many, and how many were left out.
async fn write(
    store: &impl Store,
    id: JobId,
    (format, suppression): (Format, &Suppression),
    out: &mut (dyn Write + Send),
) -> Result<(u64, u64)> {
    let mut writer = Writer::new(format)?;
    let (mut after, mut count, mut suppressed) = (0, 0, 0);
    loop {
        let mut page = store.addresses(id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        let all = page.len();
        page.retain(|stored| !suppression.contains(&stored.address));
        count += page.len() as u64;
        suppressed += (all - page.len()) as u64;
        out.write_all(&writer.rows(page)?)?;
    }
    out.write_all(&writer.finish()?)?;
    out.flush()?;
    Ok((count, suppressed))
}
