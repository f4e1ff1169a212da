//! What holds for the pieces of any file; shared by the targets that read files.

use mailscan_core::source::file::Pieces;

/// Of a small file that becomes large, so much is enough.
const MOST: usize = 64 << 20;

/// Reads to the end, or as far as is enough: nothing comes behind an error.
pub fn read(pieces: Pieces) {
    let (mut failed, mut total) = (false, 0);
    for piece in pieces {
        assert!(!failed, "an error is the last");
        failed = piece.is_err();
        total += piece.map_or(0, |piece| piece.bytes.len());
        if total > MOST {
            return;
        }
    }
}
