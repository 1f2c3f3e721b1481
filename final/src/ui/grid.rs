//! Tables as LXD's client prints them: with lines, compact, or as csv.

use hull_printable as printable;

/// `table`, `compact` or `csv`. `None` for another format. A cell may have several lines.
pub fn text(format: &str, titles: Vec<String>, rows: &[Vec<String>]) -> Option<String> {
    match format {
        "table" => Some(table(&titles, rows)),
        "compact" => Some(compact(&titles, rows)),
        "csv" => Some(rows.iter().map(|row| csv(row)).collect()),
        _ => None,
    }
}

/// The lines of a cell, harmless for a terminal.
fn lines(cell: &str) -> Vec<String> {
    cell.split('\n').map(|line| printable::cell(line).into_owned()).collect()
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn widths(titles: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let of_column = |(index, title): (usize, &String)| {
        let cells = rows.iter().filter_map(|row| row.get(index)).flat_map(|cell| lines(cell));
        cells.map(|line| width(&line)).chain([width(title)]).max().unwrap_or(0)
    };
    titles.iter().enumerate().map(of_column).collect()
}

/// A table with centred titles, cells at the left, and a line below each row.
fn table(titles: &[String], rows: &[Vec<String>]) -> String {
    let widths = widths(titles, rows);
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    let rule = format!("{rule}+\n");
    let mut text = rule.clone();
    for (title, width) in titles.iter().zip(&widths) {
        text.push_str(&format!("| {title:^width$} "));
    }
    text.push_str("|\n");
    text.push_str(&rule);
    for row in rows {
        for line in split(row) {
            for (cell, width) in line.iter().zip(&widths) {
                text.push_str(&format!("| {cell:<width$} "));
            }
            text.push_str("|\n");
        }
        text.push_str(&rule);
    }
    text
}

fn compact(titles: &[String], rows: &[Vec<String>]) -> String {
    let widths = widths(titles, rows);
    let mut text = String::new();
    // LXD's compact table has spaces at both ends of each line, and centred titles.
    text.extend(titles.iter().zip(&widths).map(|(title, width)| format!("  {title:^width$}")));
    text.push_str("  \n");
    let mut line = |cells: &[String]| {
        text.extend(cells.iter().zip(&widths).map(|(cell, width)| format!("  {cell:<width$}")));
        text.push_str("  \n");
    };
    rows.iter().flat_map(|row| split(row)).for_each(|cells| line(&cells));
    text
}

/// A row whose cells have several lines, as rows of one line each.
fn split(row: &[String]) -> Vec<Vec<String>> {
    let cells: Vec<Vec<String>> = row.iter().map(|cell| lines(cell)).collect();
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    let line = |index: usize| cells.iter().map(|cell| cell.get(index).cloned().unwrap_or_default()).collect();
    (0..height).map(line).collect()
}

/// RFC 4180, with the line ends of Unix: a field with a comma, a quote or a line end stands in quotes.
fn csv(row: &[String]) -> String {
    let field = |cell: &String| {
        let cell = lines(cell).join("\n");
        match cell.contains([',', '"', '\n']) || cell.starts_with(' ') {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell,
        }
    };
    let fields: Vec<String> = row.iter().map(field).collect();
    format!("{}\n", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["a".into(), "1\n22".into()], vec!["long-name".into(), "\x1b[2J,\"".into()]]
    }

    #[test]
    fn a_cell_of_several_lines_stays_in_its_row() {
        let titles = || vec!["NAME".to_owned(), "IPV4".to_owned()];
        assert_eq!(
            text("table", titles(), &rows()).unwrap(),
            "+-----------+-----------+\n|   NAME    |   IPV4    |\n+-----------+-----------+\n\
             | a         | 1         |\n|           | 22        |\n+-----------+-----------+\n\
             | long-name | \\x1b[2J,\" |\n+-----------+-----------+\n"
        );
        assert_eq!(
            text("compact", titles(), &rows()).unwrap(),
            "    NAME       IPV4     \n  a          1          \n             22         \n  long-name  \\x1b[2J,\"  \n"
        );
        assert_eq!(text("csv", titles(), &rows()).unwrap(), "a,\"1\n22\"\nlong-name,\"\\x1b[2J,\"\"\"\n");
        assert_eq!(text("xml", titles(), &rows()), None);
    }
}
