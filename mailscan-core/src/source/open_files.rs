//! What it means that the process has no file left: nothing for the page or file that was asked for.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::fetch::{FetchError, FetchErrorClass};

/// After which time it is tried again: others give theirs back all the time.
const AGAIN: Duration = Duration::from_secs(1);
/// The numbers of the errors (POSIX `<errno.h>`, the same on Linux, the BSDs and macOS): the system has no file left, and the
/// process has none.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Whether it was told.
static WAS_TOLD: AtomicBool = AtomicBool::new(false);

/// Whether an error says that no file may be opened any more, a connection included.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    cfg!(unix) && matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

/// That no file could be opened, which uses up no attempt. People are told once: it is not recorded with any task.
pub(super) fn out_of_files() -> FetchError {
    let message = "this process may open no more files: see `ulimit -n`".to_owned();
    if !WAS_TOLD.swap(true, Ordering::Relaxed) {
        tracing::error!("{message}; what needs one waits");
    }
    FetchError::new(FetchErrorClass::Deferred, "open-files", message).retry_after(AGAIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lack_of_files_is_told() {
        let is = |number| is_out_of_files(&io::Error::from_raw_os_error(number));
        assert_eq!([EMFILE, ENFILE, 13].map(is), [cfg!(unix), cfg!(unix), false]);
        assert!(io::Error::from_raw_os_error(EMFILE).to_string().contains("oo many open files"));
    }
}
