//! What every test that starts mailscan as a process begins with. The tests live in `it/` and `mailscan-cli/tests/`.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

/// A command that runs a program in a folder, as somebody whose home that is and who has set nothing for mailscan.
///
/// Whoever runs the tests may work with mailscan: the database that they export, their suppression list and their collector
/// of spans are not for tests to write to, nor to go by.
pub fn at_home(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    settings(std::env::vars_os().map(|(name, _)| name)).for_each(|name| {
        command.env_remove(name);
    });
    command.env("HOME", folder).env("XDG_CONFIG_HOME", folder).current_dir(folder).stdin(Stdio::null());
    command
}

/// Those of these variables that mailscan goes by.
fn settings(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    names.filter(|name| ["MAILSCAN_", "OTEL_"].iter().any(|of| name.as_encoded_bytes().starts_with(of.as_bytes())))
}
