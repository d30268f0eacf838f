//! Columns for the terminal. A cell stays in its row and its column, whatever is in it.

use crate::output::escaped;

/// Lays rows out under their heads, two blanks apart; numbers to the right.
pub(crate) fn columns(heads: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<_>> = rows
        .iter()
        .map(|row| {
            row.iter()
                .map(|cell| escaped(cell, &[]).into_owned())
                .collect()
        })
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let head = heads.get(column).map_or(0, |head| head.len());
        longest.max(head)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut out = String::new();
    for row in std::iter::once(&heads).chain(&rows) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            if cell.parse::<i64>().is_ok() {
                line.push_str(&format!("{cell:>width$}  "));
            } else {
                line.push_str(&format!("{cell:<width$}  "));
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["orders".to_owned(), "4".to_owned()],
            vec!["x".to_owned(), "12".to_owned()],
        ];
        assert_eq!(
            columns(&["NAME", "PARTITIONS"], &rows),
            "NAME    PARTITIONS\norders           4\nx               12\n"
        );
    }

    #[test]
    fn a_cell_cannot_leave_its_row() {
        let rows = vec![vec!["g\nfake\t1\x1b[2J".to_owned(), "1".to_owned()]];
        assert_eq!(
            columns(&["GROUP", "N"], &rows),
            "GROUP                        N\ng\\u000afake\\u00091\\u001b[2J  1\n"
        );
    }
}
