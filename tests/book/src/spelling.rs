//! Finds words that are neither in the dictionary nor in `book/words.txt`. Code is not checked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use scraper::{ElementRef, Html, Node};

use crate::html::select;
use crate::{book, built};

/// Debian's package wamerican.
pub const DICTIONARY: &str = "/usr/share/dict/american-english";

/// Elements that contain no prose.
const SKIPPED: [&str; 8] = ["code", "pre", "kbd", "script", "style", "svg", "noscript", "nav"];

/// Words that blame the reader who does not understand.
const AVOIDED: [&str; 5] = ["simply", "obviously", "trivially", "easily", "clearly"];

/// Pages that use an exclamation mark, or that call something easy.
pub fn tone(directory: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for page in built::pages(directory)? {
        let prose = prose(&Html::parse_document(&fs::read_to_string(directory.join(&page))?));
        let avoided = words(&prose).filter(|word| AVOIDED.contains(&word.as_str()));
        complaints.extend(avoided.map(|word| format!("{}: {word}", page.display())));
        if prose.contains('!') {
            complaints.push(format!("{}: an exclamation mark", page.display()));
        }
    }
    Ok(complaints)
}

/// Unknown words, each with the pages that it is in.
pub fn complaints(directory: &Path) -> Result<Vec<String>> {
    let dictionary = fs::read_to_string(DICTIONARY).context(DICTIONARY)?;
    let dictionary: BTreeSet<_> = dictionary.lines().map(str::to_lowercase).collect();
    let own = own_words()?;
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for page in built::pages(directory)? {
        // This page repeats all others.
        if page == Path::new("print.html") {
            continue;
        }
        let text = fs::read_to_string(directory.join(&page))?;
        for word in words(&prose(&Html::parse_document(&text))) {
            used.entry(word).or_default().insert(page.display().to_string());
        }
    }
    let is_known = |word: &str| dictionary.contains(word) || own.contains(word);
    let mut complaints = Vec::new();
    for (word, pages) in used.iter().filter(|(word, _)| !is_known(word)) {
        complaints.push(format!("{word}: {}", pages.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    Ok(complaints)
}

/// The words of the list. It is sorted, one word on a line, so that two branches that add words seldom conflict.
fn own_words() -> Result<BTreeSet<String>> {
    let path = book().join("words.txt");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    ensure!(
        lines.is_sorted(),
        "book/words.txt is not sorted: LC_ALL=C sort -o book/words.txt book/words.txt"
    );
    Ok(lines.into_iter().collect())
}

fn prose(document: &Html) -> String {
    let mut text = String::new();
    for main in document.select(&select("main")) {
        collect(main, &mut text);
    }
    text
}

fn collect(element: ElementRef<'_>, text: &mut String) {
    if SKIPPED.contains(&element.value().name()) {
        // The words before and after the element must not become one word.
        text.push_str(" 0 ");
        return;
    }
    for child in element.children() {
        if let Node::Text(part) = child.value() {
            text.push_str(part);
        } else if let Some(child) = ElementRef::wrap(child) {
            collect(child, text);
        }
    }
    if !["em", "strong", "b", "a", "span"].contains(&element.value().name()) {
        text.push('\n');
    }
}

/// In lower case. No names made of capitals, and nothing with digits, dots or slashes in it.
fn words(text: &str) -> impl Iterator<Item = String> {
    let text = text.replace('’', "'");
    let chunks: Vec<_> =
        text.split(|c: char| c.is_whitespace() || "—–-,;:()\"“”‘→".contains(c)).map(str::to_owned).collect();
    chunks.into_iter().filter_map(|chunk| {
        let word = chunk.trim_matches(|c: char| !c.is_alphanumeric());
        let word = word.strip_suffix("'s").unwrap_or(word);
        // A word with an ellipsis is only a part of a word.
        let is_prose = !chunk.contains('…') && word.chars().all(|c| c.is_alphabetic() || c == '\'');
        let is_name = word.chars().skip(1).any(char::is_uppercase);
        (is_prose && !is_name && word.len() > 1).then(|| word.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_what_is_spelled() {
        let document = Html::parse_document(
            "<html><body><nav>menu</nav><main><p>It’s <b>read-only</b>: <code>sthng</code>, IPv6 in /etc/x, delegat…. \
             An <em>emph</em>asis.</p><pre>clde</pre></main></body></html>",
        );
        let found: Vec<_> = words(&prose(&document)).collect();
        assert_eq!(found, ["it", "read", "only", "in", "an", "emphasis"]);
    }
}
