//! The report of a demo: its figures over time, as a JSON file and as a picture.

use std::path::Path;
use std::time::Instant;

use mailscan_core::engine::Progress;
use serde::Serialize;

use super::Answer;
use crate::exit::{Failure, Result};
use crate::render::chart::{self, Panel};
use crate::render::{bytes, counted, grouped};

/// The shortest time over which a rate is told.
const RATE_OVER: f64 = 1.0;

/// How the job stood at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
struct Sample {
    seconds: f64,
    emails: u64,
    emails_per_second: f64,
    workers_active: u32,
    fetches_in_flight: usize,
}

/// The figures over time.
#[derive(Debug)]
pub(super) struct Timeline {
    began: Instant,
    samples: Vec<Sample>,
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    answer: &'a Answer,
    samples: &'a [Sample],
}

impl Timeline {
    /// Time begins now.
    pub(super) fn start() -> Self {
        Self { began: Instant::now(), samples: Vec::new() }
    }

    /// Notes how the job stands.
    pub(super) fn note(&mut self, progress: &Progress) {
        let seconds = self.began.elapsed().as_secs_f64();
        let before = self.samples.iter().rev().find(|sample| seconds - sample.seconds >= RATE_OVER);
        let (since, had) = before.map_or((0.0, 0), |sample| (sample.seconds, sample.emails));
        let new = progress.collected.saturating_sub(had) as f64;
        self.samples.push(Sample {
            seconds,
            emails: progress.collected,
            emails_per_second: new / (seconds - since).max(1e-3),
            workers_active: progress.workers_active,
            fetches_in_flight: progress.in_flight,
        });
    }

    /// Writes `report.json` and `report.svg` into the folder, which is made when it is not there.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub(super) fn write(&self, folder: &Path, answer: &Answer) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Failed(format!("the report cannot be written to `{}`: {error}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
        let report = Report { answer, samples: &self.samples };
        let json = serde_json::to_vec_pretty(&report).map_err(|error| failed(&error))?;
        std::fs::write(folder.join("report.json"), json).map_err(|error| failed(&error))?;
        std::fs::write(folder.join("report.svg"), self.picture(answer)).map_err(|error| failed(&error))
    }

    fn picture(&self, answer: &Answer) -> String {
        let title = format!(
            "{} in {:.1} s with {}",
            counted(answer.emails, "e-mail", "e-mails"),
            answer.seconds,
            counted(answer.workers.into(), "worker", "workers")
        );
        let mut note = match answer.verified {
            true => "every address verified".to_owned(),
            false => "NOT verified".to_owned(),
        };
        note.push_str(&format!("; the latencies alone take {:.1} s", answer.floor_seconds));
        if let (Some(cpu), Some(peak)) = (answer.cpu_seconds, answer.peak_rss_bytes) {
            note.push_str(&format!("; {cpu:.1} s of CPU, {} of memory at most", bytes(peak)));
        }
        let line = |value: fn(&Sample) -> f64| -> Vec<_> {
            self.samples.iter().map(|sample| (sample.seconds, value(sample))).collect()
        };
        let rate = line(|sample| sample.emails_per_second);
        let workers = line(|sample| f64::from(sample.workers_active));
        let mean = answer.emails as f64 / answer.seconds.max(1e-3);
        let mean_name = format!("mean {}", grouped(mean.round() as u64));
        let panels = [
            Panel { name: "e-mails a second", points: &rate, mark: Some((mean, &mean_name)), colour: "#2166ac" },
            Panel { name: "workers active", points: &workers, mark: None, colour: "#1b7837" },
        ];
        chart::svg(&title, &note, &panels)
    }
}
