//! The command line of mailscan.
//!
//! What was typed ([`args`]) becomes validated settings ([`config`]), which a command ([`commands`]) carries out;
//! [`wire`] chooses the backend, [`render`] says what happened, [`telemetry`] is for whoever watches over the process.
//! Results go to stdout, everything else to stderr. The work itself is `mailscan-core`'s.

#![deny(clippy::print_stderr)]

/// Says something on standard error, as [`render::tell`] does, and ends the line.
macro_rules! say {
    ($($text:tt)*) => { $crate::render::tell(format_args!("{}\n", format_args!($($text)*))) };
}

mod args;
mod commands;
mod config;
mod drive;
mod exit;
mod files;
mod outages;
mod render;
mod signals;
mod telemetry;
mod usage;
mod wire;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::args::Args;
use crate::exit::Exit;

/// Memory that is free goes back to the system within moments. The usual allocator keeps it, so that a process which had to
/// fetch less for lack of memory would not learn that it may fetch more again. It asks for no huge pages: with them, a
/// thousand workers held 170 MB instead of 120.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(answer) => return told(&answer),
    };
    let telemetry = telemetry::start();
    let outcome = commands::carry_out(args.command);
    telemetry.end();
    match outcome {
        Ok(exit) => exit.into(),
        Err(error) if error.is_closed_pipe() => Exit::Done.into(),
        Err(error) => {
            say!("error: {}", render::escape(&error.to_string()));
            error.exit().into()
        }
    }
}

/// Gives the help or version that was asked for, or says what is wrong with what was typed.
fn told(answer: &clap::Error) -> ExitCode {
    let printed = answer.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(error) if !answer.use_stderr() && error.kind() != io::ErrorKind::BrokenPipe => {
            say!("error: cannot write the answer: {error}");
            Exit::Failed.into()
        }
        _ => u8::try_from(answer.exit_code()).map_or(Exit::Usage.into(), ExitCode::from),
    }
}
