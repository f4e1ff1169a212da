//! The commands, a file each.

mod plan;
mod scan;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::exit::{Exit, Result};

/// Carries out a command.
pub(crate) fn carry_out(command: Command) -> Result<Exit> {
    match command {
        Command::Plan(plan) => plan::run(&plan),
        Command::Scan(scan) => scan::run(&scan),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "mailscan", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script)?;
            Ok(Exit::Done)
        }
        other => Err(crate::exit::Failure::Failed(format!("{other:?}"))),
    }
}
