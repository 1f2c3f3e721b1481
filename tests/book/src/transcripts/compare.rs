//! Compares an output with the text of a page, which may contain holes.
//!
//! | in the page | stands for |
//! |---|---|
//! | `…` on a line of its own | any number of lines, or none |
//! | `<…>` | anything in a line |
//! | `<id>` | hexadecimal digits |
//! | `<pid>` and every other `<word>` | a number |

/// Whether the printed lines match the lines of the page.
pub fn same(page: &[String], printed: &[String]) -> bool {
    match page.split_first() {
        None => printed.is_empty(),
        Some((line, rest)) if line == "…" => (0..=printed.len()).any(|n| same(rest, &printed[n..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_is(line, first) && same(rest, others))
        }
    }
}

fn line_is(page: &str, printed: &str) -> bool {
    let Some((before, hole, after)) = first_hole(page) else { return page == printed };
    let Some(rest) = printed.strip_prefix(before) else { return false };
    let fits = |c: char| match hole {
        "…" => true,
        "id" => c.is_ascii_hexdigit(),
        _ => c.is_ascii_digit() || c == '.',
    };
    let longest = rest.find(|c| !fits(c)).unwrap_or(rest.len());
    let ends = rest[..longest].char_indices().map(|(at, c)| at + c.len_utf8());
    ends.into_iter().any(|end| line_is(after, &rest[end..]))
}

/// The text before the first hole, the name of the hole, and the text after it.
fn first_hole(page: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = page[from..].find('<').map(|at| from + at) {
        let (name, after) = page[open + 1..].split_once('>')?;
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '…') {
            return Some((&page[..open], name, after));
        }
        from = open + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(page: &str, printed: &str) -> bool {
        let lines = |text: &str| text.lines().map(String::from).collect::<Vec<_>>();
        same(&lines(page), &lines(printed))
    }

    #[test]
    fn holes_hold_what_their_name_says() {
        assert!(compare("clone() = <pid>", "clone() = 4711"));
        assert!(!compare("clone() = <pid>", "clone() = -1x"));
        assert!(!compare("clone() = <pid>", "clone() = "));
        assert!(compare("uts:[<ino>] -> uts:[<ino>]", "uts:[1] -> uts:[22]"));
        assert!(compare("a <…> b", "a anything at all b"));
        assert!(compare("<id>.json", "c0ffee.json"));
        assert!(compare("1 < 2 > <n>", "1 < 2 > 3"));
        assert!(compare("first\n…\nlast", "first\n1\n2\nlast"));
        assert!(compare("first\n…\nlast", "first\nlast"));
        assert!(!compare("first\n…\nlast", "first\nlast\nmore"));
        assert!(!compare("one", ""));
    }
}
