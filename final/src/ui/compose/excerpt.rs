//! Shows where in a compose file an error is: `FILE:LINE:COLUMN: why`, the line, and a caret below the column.

use std::path::Path;

use hull_composefile::{Error, Place, Sources};
use hull_printable as printable;

use crate::ui::errors::Hint;

/// A longer line is cut on both sides of the column.
const WIDTH: usize = 100;

/// A longer sentence is cut: a file can have a key of a megabyte.
const MAX_SENTENCE: usize = 2000;

/// `directory` is the current one: files below it are named from there.
pub fn located(mut error: Error, sources: &Sources, directory: &Path) -> anyhow::Error {
    if let Some((end, _)) = error.why.char_indices().nth(MAX_SENTENCE) {
        error.why.replace_range(end.., "…");
    }
    let shown = error.place.and_then(|place| drawn(&error.why, place, sources, directory));
    let told = anyhow::anyhow!("{}", shown.unwrap_or(error.why));
    match error.hint {
        Some(hint) => told.context(Hint(hint)),
        None => told,
    }
}

/// `FILE:LINE:COLUMN`, for an error or a warning.
pub fn position(place: Place, sources: &Sources, directory: &Path) -> Option<String> {
    let source = sources.get(place).filter(|_| place.line > 0)?;
    let name = match source.name.as_str() {
        "-" => "<stdin>",
        name => Path::new(name).strip_prefix(directory).ok().and_then(Path::to_str).unwrap_or(name),
    };
    Some(format!("{}:{}:{}", printable::cell(name), place.line, place.column))
}

fn drawn(why: &str, place: Place, sources: &Sources, directory: &Path) -> Option<String> {
    let position = position(place, sources, directory)?;
    let index = usize::try_from(place.line).ok()?.checked_sub(1)?;
    // The parser ends a line at a carriage return as well.
    let text = &sources.get(place)?.text;
    let line = text.split('\n').flat_map(|line| line.trim_end_matches('\r').split('\r')).nth(index);
    let Some(line) = line else { return Some(format!("{position}: {why}")) };
    let (before, after) = around(line, usize::try_from(place.column).ok()?.saturating_sub(1));
    let number = format!("{:4}", place.line);
    let (gap, indent) = (" ".repeat(number.len()), " ".repeat(before.chars().count()));
    Some(format!("{position}: {why}\n{number} | {before}{after}\n{gap} | {indent}^"))
}

/// The two parts of a line around a column, as a terminal shows them.
fn around(line: &str, column: usize) -> (String, String) {
    let shown = |text: &str| printable::cell(&text.replace('\t', " ")).into_owned();
    let at = line.char_indices().nth(column).map_or(line.len(), |(at, _)| at);
    let (before, after) = (shown(&line[..at]), shown(&line[at..]));
    let cut = before.chars().count().saturating_sub(WIDTH * 2 / 3);
    let before = match cut {
        0 => before,
        cut => format!("…{}", before.chars().skip(cut).collect::<String>()),
    };
    let room = WIDTH.saturating_sub(before.chars().count());
    let after = match after.chars().count() > room {
        true => format!("{}…", after.chars().take(room).collect::<String>()),
        false => after,
    };
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, line: u32, column: u32) -> String {
        let mut sources = Sources::default();
        let file = sources.add("/project/compose.yaml", text);
        let error =
            Error::new("services.web.imgae: what is it").at(Place { file, line, column }).hint("image");
        let error = located(error, &sources, Path::new("/project"));
        assert_eq!(error.downcast_ref::<Hint>().map(|Hint(hint)| hint.as_str()), Some("image"));
        error.chain().last().unwrap().to_string()
    }

    #[test]
    fn a_caret_stands_below_the_column() {
        assert_eq!(
            shown("services:\r\n  web:\r\n\t  imgae: nginx\r\n", 3, 4),
            "compose.yaml:3:4: services.web.imgae: what is it\n   3 |    imgae: nginx\n     |    ^"
        );
        assert_eq!(
            shown("a: \x1b[2Jb", 1, 4),
            "compose.yaml:1:4: services.web.imgae: what is it\n   1 | a: \\x1b[2Jb\n     |    ^"
        );
        assert!(shown("a: \x1b[2Jb", 1, 8).ends_with("\n     |           ^"));
        assert_eq!(shown("a", 9, 1), "compose.yaml:9:1: services.web.imgae: what is it");
        assert_eq!(shown("a", 0, 0), "services.web.imgae: what is it");
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let line = format!("{}: {}", "a".repeat(5000), "b".repeat(5000));
        let text = shown(&line, 1, 5003);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].chars().count() < 120 && lines[1].contains("aaa: bbb"), "{text}");
        assert_eq!(
            lines[2].chars().position(|c| c == '^'),
            lines[1].chars().position(|c| c == 'b'),
            "{text}"
        );
    }
}
