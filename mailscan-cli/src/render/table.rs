//! Columns of text, aligned, for people.

/// Rows under a heading. Cells must be free of control characters.
pub(crate) fn aligned<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let mut widths = heading.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&heading, &widths);
    for row in rows {
        text.push_str(&line(&row.each_ref().map(String::as_str), &widths));
    }
    text
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
}
