//! What some tests need beside Rust, and what becomes of them without it.

use std::io::Write;

/// Says loudly that tests are skipped because something is not installed; where services are required, they fail.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("MAILSCAN_REQUIRE_SERVICES").is_none(), "{why}");
    tell(why);
}

/// Says as loudly what this machine does not let anybody test.
pub(crate) fn tell(why: &str) {
    // Past the capture of test output: a skipped test should not look like one that passed.
    let _ = writeln!(std::io::stderr(), "\nSKIPPED, NOT TESTED: {why}\n");
}
