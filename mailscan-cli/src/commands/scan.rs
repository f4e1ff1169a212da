//! `scan`: the addresses of files, folders, standard input and pipes ([`stream`]), each once.
//!
//! Files are listed ([`inputs`]), searched on all cores ([`search`], each thread a [`worker`]) and written in their
//! order ([`output`]), so that the same input gives the same output however many threads there are.

mod inputs;
mod output;
mod search;
mod stream;
mod worker;

use std::collections::{BTreeMap, HashMap, HashSet};

use mailscan_core::class::{Class, LeftOut};
use mailscan_core::extract::Extractor;

use crate::args;
use crate::config::SuppressionList;
use crate::exit::{Exit, Result};
use crate::render::{bytes, counted, escape, left_out};
use crate::signals::Stop;
use output::Output;
use search::{Ended, Told};
use worker::{Asked, Found, Searched};

/// How many unreadable files are named; the rest is only counted.
const NAMED: u64 = 50;

/// What a scan has seen.
#[derive(Debug, Default)]
struct Summary {
    files: u64,
    bytes: u64,
    addresses: u64,
    unreadable: u64,
    /// Whether some of the file whose turn it is was read.
    begun: bool,
    /// How many files are of each kind that is not read.
    unread: BTreeMap<&'static str, u64>,
    /// Files of mailscan's own databases.
    own: u64,
    /// Links that were not followed.
    links: u64,
    left_out: LeftOut,
}

pub(crate) fn run(typed: &args::Scan) -> Result<Exit> {
    let mut summary = Summary::default();
    let mut output = Output::new(typed.format, typed.sort)?;
    // Addresses come in their order from one file at a time, so the first mention is the same in every run.
    let (mut seen, mut unwanted) = (HashSet::new(), HashMap::new());
    let filter = typed.classes.include.unwrap_or_default();
    let suppression = SuppressionList::load(&typed.suppressed)?.entries;
    let asked = Asked { extract: extractor(typed.deobfuscate), filter, suppression };
    let stop = Stop::listen()?;
    let ended = search::all(inputs::each(&typed.paths, typed.gitignore), &asked, &stop, |told| {
        let searched = match told {
            Told::Searched(searched) => searched,
            Told::Pause => return output.pause(),
            Told::Stopping => return output.show(),
        };
        summary.count(&searched);
        for found in searched.found {
            if seen.insert(found.address.identity()) {
                summary.addresses += 1;
                output.write(&searched.source, found)?;
            }
        }
        for (identity, class) in searched.left_out {
            unwanted.entry(identity).or_insert(class);
        }
        Ok(())
    })?;
    output.finish()?;
    // What one place leaves out and another admits is not left out.
    for (_, class) in unwanted.iter().filter(|(identity, _)| !seen.contains(*identity)) {
        summary.left_out.add(*class, 1);
    }
    if !typed.quiet {
        let stopped = if ended == Ended::Stopped { "stopped before the end: " } else { "" };
        say!("{stopped}{}", summary.line());
    }
    if ended == Ended::Stopped {
        return Ok(Exit::Interrupted);
    }
    // What comes before damage counts, so a file that has some is not nothing.
    Ok(match (summary.unreadable, summary.files, summary.bytes) {
        (0, ..) if summary.unread.is_empty() => Exit::Done,
        (_, 0, 0) => Exit::Failed,
        _ => Exit::DoneWithErrors,
    })
}

/// How addresses are found.
fn extractor(deobfuscate: bool) -> worker::Extract {
    if deobfuscate { Extractor::deobfuscating } else { Extractor::new }
}

impl Summary {
    fn count(&mut self, searched: &Searched) {
        self.bytes += searched.bytes;
        if let Some(kind) = searched.unread {
            *self.unread.entry(kind).or_default() += 1;
        }
        self.begun |= searched.bytes > 0;
        if !searched.ended {
            return;
        }
        let begun = std::mem::take(&mut self.begun);
        match &searched.error {
            None if searched.own => self.own += 1,
            None if searched.link => self.links += 1,
            None if searched.stopped => self.files += u64::from(begun),
            None => self.files += 1,
            Some(reason) => {
                self.files += u64::from(begun);
                self.unreadable(reason);
            }
        }
    }

    fn unreadable(&mut self, reason: &str) {
        self.unreadable += 1;
        if self.unreadable <= NAMED {
            say!("error: {}", escape(reason));
        }
    }

    fn line(&self) -> String {
        let mut line = format!(
            "{} in {} ({})",
            counted(self.addresses, "address", "addresses"),
            counted(self.files, "file", "files"),
            bytes(self.bytes)
        );
        if self.unreadable > 0 {
            line.push_str(&format!(
                "; {} could not be read, or not to the end",
                counted(self.unreadable, "file", "files")
            ));
        }
        if !self.unread.is_empty() {
            let files = counted(self.unread.values().sum(), "file is", "files are");
            let kinds: Vec<_> = self.unread.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
            line.push_str(&format!("; {files} of a kind that is not read ({})", kinds.join(", ")));
        }
        if self.own > 0 {
            let own = counted(self.own, "file", "files");
            line.push_str(&format!("; passed over: {own} of mailscan's own databases"));
        }
        if self.links > 0 {
            let links = counted(self.links, "link", "links");
            line.push_str(&format!("; not followed: {links} to folders or to nothing"));
        }
        if let Some(left_out) = left_out(&self.left_out) {
            line.push_str(&format!("\n{left_out}"));
            let suppressed = self.left_out.of(Class::Suppressed);
            if self.left_out.total() > suppressed {
                let kept = if suppressed > 0 { "keeps all but the suppressed" } else { "keeps them" };
                line.push_str(&format!("; --include CLASS,... {kept}"));
            }
        }
        line
    }
}
