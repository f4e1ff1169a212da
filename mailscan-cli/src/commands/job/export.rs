//! `job export`: a job's addresses as CSV or JSON lines, read page by page so that any number fits into memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use mailscan_core::class::Class;
use mailscan_core::job::JobId;
use mailscan_core::store::{Store, Stored};
use serde::Serialize;

use crate::args::ExportFormat;
use crate::exit::{Exit, Failure, Result};
use crate::render::counted;
use crate::render::csv_cell::safe;

/// How many addresses one look at the store brings.
const PAGE: usize = 10_000;

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

pub(super) async fn run(store: &impl Store, id: JobId, format: ExportFormat, output: Option<&Path>) -> Result<Exit> {
    super::find(store, id).await?;
    let out: Box<dyn Write + Send> = match output {
        None => Box::new(std::io::stdout()),
        Some(path) => Box::new(create(path)?),
    };
    let count = match format {
        ExportFormat::Csv => csv(store, id, out).await?,
        ExportFormat::Jsonl => jsonl(store, id, out).await?,
    };
    if let Some(path) = output {
        let path = crate::render::escape(&path.display().to_string());
        eprintln!("{} written to {path}", counted(count, "address", "addresses"));
    }
    Ok(Exit::Done)
}

fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| Failure::Failed(format!("cannot write `{}`: {error}", path.display())))
}

async fn csv(store: &impl Store, id: JobId, out: Box<dyn Write + Send>) -> Result<u64> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(["email", "source", "offset", "form", "classes", "found_at"])?;
    let count = pages(store, id, |stored| {
        let row = Row::from(stored);
        let (offset, classes) = (row.offset.to_string(), row.classes.join(" "));
        let cells = [&*safe(row.email), &*safe(row.source), &offset, row.form, &classes, &row.found_at];
        Ok(writer.write_record(cells)?)
    })
    .await?;
    writer.flush()?;
    Ok(count)
}

async fn jsonl(store: &impl Store, id: JobId, out: Box<dyn Write + Send>) -> Result<u64> {
    let mut writer = BufWriter::new(out);
    let count = pages(store, id, |stored| {
        serde_json::to_writer(&mut writer, &Row::from(stored))?;
        Ok(writer.write_all(b"\n")?)
    })
    .await?;
    writer.flush()?;
    Ok(count)
}

/// Hands over every stored address of the job; answers how many there were.
async fn pages(store: &impl Store, id: JobId, mut write: impl FnMut(&Stored) -> Result<()>) -> Result<u64> {
    let (mut after, mut count) = (0, 0);
    loop {
        let page = store.addresses(id, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(count) };
        after = last.id;
        count += page.len() as u64;
        page.iter().try_for_each(&mut write)?;
    }
}
