//! The words of the code, its comments, the help and the book are the field's standard terms in plain English.
//!
//! A phrase of [`BANNED`] has caused a reader to stop: it was a private name for a thing that has a standard one, an old form,
//! or the beginning of an inverted sentence.

use std::path::{Path, PathBuf};

/// A phrase, without regard to case and at the borders of words, and what to write instead.
const BANNED: &[(&str, &str)] = &[
    // Private names.
    ("cable", "veth pair"),
    ("go-between", "intermediate process"),
    ("stray", "stale, orphaned or left over"),
    ("ordinary user", "unprivileged user"),
    ("ordinary users", "unprivileged users"),
    ("second start", "re-exec"),
    ("mend", "repair, fix"),
    ("mends", "repairs, fixes"),
    ("mended", "repaired, fixed"),
    // Old or ambiguous forms.
    ("whoever", "name the process or the user"),
    ("whomever", "name the process or the user"),
    ("besides", "in addition, or: also"),
    ("in place of", "instead of"),
    ("in its stead", "instead of it"),
    ("the difference to", "the difference from"),
    ("to be had", "available"),
    ("for who", "for those who"),
    ("hence", "so"),
    ("thereby", "so"),
    ("thereof", "of it"),
    ("of hull's", "of hull"),
    ("of the host's", "of the host"),
    ("of the user's", "of the user"),
    ("of the caller's", "of the caller"),
    ("of the container's", "of the container"),
    ("of the other one's", "name the owner"),
    // The beginnings of inverted sentences.
    ("what of", "name the part"),
    ("it is said", "name who says it"),
];

/// A comment does not begin with these, unless it is a question: "Who goes nowhere is told nothing".
const BEGINNINGS: &[&str] = &["Who ", "Whose ", "Whom "];

/// Where they are looked for. Generated files repeat what stands elsewhere.
const DIRECTORIES: &[&str] = &["final", "steps", "tests", "book/src", "book/diagrams"];
const FILES: &[&str] = &["README.md", "CONTRIBUTING.md"];

#[test]
fn words_are_standard_terms_in_plain_english() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut complaints = Vec::new();
    for path in files(&root) {
        let text = std::fs::read_to_string(&path).expect("a text of the repository");
        let name = path.strip_prefix(&root).expect("it is below the root").display();
        for (number, why) in complaints_of(&text) {
            complaints.push(format!("{name}:{number}: {why}"));
        }
    }
    assert!(complaints.is_empty(), "{} places:\n{}", complaints.len(), complaints.join("\n"));
}

/// Every source, text and picture, but this file and what is generated.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = FILES.iter().map(|name| root.join(name)).collect();
    let mut directories: Vec<_> = DIRECTORIES.iter().map(|name| root.join(name)).collect();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory of the repository") {
            let path = entry.expect("a directory of the repository").path();
            let ending = path.extension().unwrap_or_default();
            if path.is_dir() && !path.ends_with("generated") && !path.ends_with("data") {
                directories.push(path);
            } else if ["rs", "md", "picture", "sh", "js"].iter().any(|known| ending == *known)
                && !path.ends_with("words.rs")
            {
                found.push(path);
            }
        }
    }
    found
}

/// The number of a line, and what is wrong with it. A phrase may go on in the next line.
fn complaints_of(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let next = lines.get(index + 1).map(|next| without_marks(next)).unwrap_or_default();
        let both = format!("{} {next}", line.trim_end()).to_lowercase();
        for (phrase, instead) in BANNED {
            let is_here = |at: &usize| *at < line.trim_end().len();
            if positions(&both, phrase).any(|at| is_here(&at)) {
                found.push((index + 1, format!("write {instead} instead of {phrase:?}")));
            }
        }
        let comment = without_marks(line);
        let is_first = index == 0 || !is_comment(lines[index - 1]);
        let begins = is_comment(line) && BEGINNINGS.iter().any(|begin| comment.starts_with(begin));
        if begins && is_first && !comment.contains('?') {
            found.push((index + 1, format!("begin with the subject: {comment:?}")));
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// The text of a comment's line.
fn without_marks(line: &str) -> &str {
    line.trim_start().trim_start_matches(['/', '!']).trim_start()
}

/// Where `phrase` stands as whole words. A possessive counts only without its noun: "a server of the host's".
fn positions<'a>(text: &'a str, phrase: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric());
    text.match_indices(phrase).map(|(at, _)| at).filter(move |at| {
        let rest = &text[at + phrase.len()..];
        let ends = if phrase.ends_with("'s") {
            rest.trim_end().is_empty() || rest.starts_with(['.', ',', ';', ':', ')'])
        } else {
            !is_word(rest.chars().next())
        };
        ends && !is_word(text[..*at].chars().next_back())
    })
}

#[test]
fn phrases_are_found_as_whole_words_and_across_lines() {
    let lines = |text| complaints_of(text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    assert_eq!(lines("// Killed by Whoever asks."), [1]);
    assert_eq!(lines("fn whoever_asks() {}"), [1]);
    assert_eq!(lines("// Applies it in place\n// of another."), [1]);
    assert_eq!(lines("let amended = recommend;"), [0; 0]);
    assert_eq!(lines("/// Who asks is told."), [1]);
    assert_eq!(lines("// A link of the host's, which is down."), [1]);
    assert_eq!(lines("// The owner of the container's root."), [0; 0]);
    assert_eq!(lines("/// Who asks? The caller."), [0; 0]);
    assert_eq!(lines("/// The process\n/// Who is left."), [0; 0]);
}
