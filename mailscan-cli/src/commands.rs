//! The commands, a file each.

mod demo;
mod errors;
mod job;
mod plan;
mod run;
mod scan;
mod serve;
mod simulate;
mod worker;

use clap::CommandFactory;

use crate::args::{Args, Command};
use crate::exit::{Exit, Result};
use crate::wire::block_on;

/// Carries out a command.
pub(crate) fn carry_out(command: Command) -> Result<Exit> {
    match command {
        Command::Plan(plan) => plan::run(&plan),
        Command::Scan(scan) => scan::run(&scan),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut shown(), "mailscan", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script)?;
            Ok(Exit::Done)
        }
        Command::Job(job) => block_on(job::run(&job)),
        Command::Errors(errors) => block_on(errors::run(&errors)),
        Command::Simulate(simulate) => block_on(simulate::run(&simulate)),
        Command::Serve(serve) => block_on(serve::run(&serve)),
        Command::Worker(worker) => block_on(worker::run(&worker)),
        Command::Run(run) => block_on(run::run(&run)),
        Command::Demo(demo) => block_on(demo::run(&demo)),
    }
}

/// The command line without what is hidden, which completion scripts would offer all the same.
fn shown() -> clap::Command {
    let all = Args::command();
    let shown = all.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
    clap::Command::new("mailscan")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .args(all.get_arguments().cloned())
        .subcommands(shown)
}
