//! `job export`: a job's addresses as CSV or JSON lines, read page by page so that any number fits into memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use mailscan_core::job::JobId;
use mailscan_core::store::Store;
use mailscan_http::export::Format;

use crate::args::ExportFormat;
use crate::exit::{Exit, Failure, Result};
use crate::render::counted;

/// How many addresses one look at the store brings.
const PAGE: usize = 10_000;

pub(super) async fn run(store: &impl Store, id: JobId, format: ExportFormat, output: Option<&Path>) -> Result<Exit> {
    super::find(store, id).await?;
    let mut out: Box<dyn Write + Send> = match output {
        None => Box::new(std::io::stdout()),
        Some(path) => Box::new(create(path)?),
    };
    let format = match format {
        ExportFormat::Csv => Format::Csv,
        ExportFormat::Jsonl => Format::Jsonl,
    };
    let count = write(store, id, format, &mut out).await?;
    if let Some(path) = output {
        let path = crate::render::escape(&path.display().to_string());
        eprintln!("{} written to {path}", counted(count, "address", "addresses"));
    }
    Ok(Exit::Done)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| Failure::Failed(format!("cannot write `{}`: {error}", path.display())))
}

/// Writes every stored address of the job; answers how many there were.
async fn write(store: &impl Store, id: JobId, format: Format, out: &mut (dyn Write + Send)) -> Result<u64> {
    out.write_all(&format.heading())?;
    let (mut after, mut count) = (0, 0);
    loop {
        let page = store.addresses(id, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        count += page.len() as u64;
        out.write_all(&format.lines(&page)?)?;
    }
    out.flush()?;
    Ok(count)
}
