//! The suppression list that a command obeys: the file that was named, or the one in the user's configuration.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use mailscan_core::suppression::{MAX_LIST, Suppression};

use crate::args;
use crate::exit::{Failure, Result};

/// A list and the file that it is of, if there is one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SuppressionList {
    pub(crate) entries: Suppression,
    file: Option<PathBuf>,
}

impl SuppressionList {
    /// Reads the list that was named, or the usual one where there is one. Nothing may be collected past a list that cannot
    /// be read.
    pub(crate) fn load(typed: &args::Suppressed) -> Result<Self> {
        let Some(file) = typed.suppress.clone().or_else(usual) else { return Ok(Self::default()) };
        let entries = read(&file).map_err(Failure::Failed)?;
        Ok(Self { entries, file: Some(file) })
    }

    /// Reads the file again, for everybody who holds the list. `None` where there is no file; what cannot be used changes
    /// nothing.
    pub(crate) fn reload(&self) -> Option<std::result::Result<(), String>> {
        let file = self.file.as_ref()?;
        Some(read(file).map(|entries| self.entries.replace(&entries)))
    }
}

/// The list in the user's configuration, if it is there.
fn usual() -> Option<PathBuf> {
    let file = dirs::config_dir()?.join("mailscan").join("suppress.txt");
    // Whether it can be read shows when it is.
    file.symlink_metadata().is_ok().then_some(file)
}

fn read(file: &Path) -> std::result::Result<Suppression, String> {
    let failed = |why: String| format!("cannot obey the suppression list `{}`: {why}", file.display());
    let mut text = String::new();
    let bounded = File::open(file).map(|file| file.take(MAX_LIST as u64 + 1));
    let read = bounded.and_then(|mut file| file.read_to_string(&mut text));
    read.map_err(|error| failed(error.to_string()))?;
    Suppression::parse(&text).map_err(failed)
}
