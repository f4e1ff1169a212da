//! How much room the disk of a database is to keep, from what was typed.

use mailscan_core::engine::EngineOptions;

use crate::exit::{Failure, Result};
use crate::{args, wire};

/// Bytes that the disk of the database at `db` is to keep. Nobody can tell how full that of a server is, so a bound for it is
/// refused and not silently passed over.
pub(crate) fn min_free_disk(machine: &args::Machine, db: &str) -> Result<u64> {
    match machine.min_free_disk {
        Some(_) if wire::is_shared(db) => {
            let message = "--min-free-disk is for a database in a file: the disk of a database server is not watched, so \
                           leave it out and watch that disk where it is";
            Err(Failure::Usage(message.to_owned()))
        }
        typed => Ok(typed.unwrap_or(EngineOptions::default().min_free_disk)),
    }
}
