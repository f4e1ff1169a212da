//! Columns of text, aligned, for people.

/// Rows under a heading. Cells must be free of control characters.
pub(crate) fn aligned<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    Table::new(heading).part(rows)
}

/// A table that is shown part by part: the later ones are as wide as those before, or wider.
#[derive(Debug)]
pub(crate) struct Table<'a, const N: usize> {
    /// Until it was shown.
    heading: Option<[&'a str; N]>,
    widths: [usize; N],
}

impl<'a, const N: usize> Table<'a, N> {
    pub(crate) fn new(heading: [&'a str; N]) -> Self {
        Self { heading: Some(heading), widths: heading.map(|cell| cell.chars().count()) }
    }

    /// The next rows, the first of them under the heading. Cells must be free of control characters.
    pub(crate) fn part(&mut self, rows: &[[String; N]]) -> String {
        for row in rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = self.heading.take().map(|heading| line(&heading, &self.widths)).unwrap_or_default();
        for row in rows {
            text.push_str(&line(&row.each_ref().map(String::as_str), &self.widths));
        }
        text
    }
}

fn line<const N: usize>(cells: &[&str; N], widths: &[usize; N]) -> String {
    let padded: Vec<_> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    let mut line = padded.join("  ").trim_end().to_owned();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["1".to_owned(), "running".to_owned()], ["12".to_owned(), "ü".to_owned()]];
        assert_eq!(aligned(["id", "status"], &rows), "id  status\n1   running\n12  ü\n");
    }

    #[test]
    fn a_later_part_has_no_heading_and_is_no_narrower() {
        let mut table = Table::new(["id", "status"]);
        assert_eq!(table.part(&[["100".to_owned(), "a".to_owned()]]), "id   status\n100  a\n");
        assert_eq!(table.part(&[["1".to_owned(), "b".to_owned()]]), "1    b\n");
    }
}
