//! CSV that is safe to open: a cell that a spreadsheet would run is marked as text.

use std::borrow::Cow;

/// The cell with a leading `'` where a spreadsheet would take it for a formula or a command.
pub(crate) fn safe(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_marked_and_the_rest_is_left() {
        for cell in ["=1+1", "+a@b.org", "-a@b.org", "@a", "\tx", "\r=x", "＝1"] {
            assert_eq!(safe(cell), format!("'{cell}"));
        }
        assert_eq!(safe("a+b@c.org"), "a+b@c.org");
        assert_eq!(safe(""), "");
    }
}
