//! The book: where it is installed, and about which errors it says more than fits a hint.

use std::path::{Path, PathBuf};

use crate::environment;

/// What an error or its hint has in it. Each is a heading of the book's chapter "Troubleshooting"; the first that fits counts.
const EXPLAINED: [&str; 12] = [
    "cannot enter a user namespace",
    "limits need a cgroup of your own",
    "port taken",
    "cannot be the network's parent",
    "no network of their own",
    "users for which you have no ids",
    "executable file not found in $PATH",
    "Exec format error",
    "cannot mount the overlay",
    "was written by a newer hull",
    "No space left on device",
    "Permission denied",
];

/// Where `cargo xtask install --prefix DIR` puts the book below DIR. The program is DIR/bin/hull.
const PLACE: &str = "share/doc/hull/book";

/// How a user gets the book.
pub const INSTALL: &str = "`cargo xtask install --prefix DIR` installs hull with its book";

/// The directory of the installed book, if there is one: below the prefix of this program.
pub fn directory() -> Option<PathBuf> {
    environment::own_files().into_iter().find_map(|program| {
        let prefix = program.parent()?.parent()?;
        let book = prefix.join(PLACE);
        book.join("index.html").is_file().then_some(book)
    })
}

/// Where the book says more about an error: a file of this machine and the heading in it, or how to get the book.
pub fn more(said: &str) -> Option<String> {
    let title = EXPLAINED.iter().find(|title| said.contains(*title))?;
    Some(match directory() {
        Some(book) => reference(&book, title),
        None => format!("the book's chapter \"Troubleshooting\" explains \"{title}\"; {INSTALL}"),
    })
}

fn reference(book: &Path, title: &str) -> String {
    format!("more in {}#{}", book.join("reference/troubleshooting.html").display(), anchor(title))
}

/// The id that mdBook gives to a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn a_heading_has_its_file_and_anchor() {
    let of = |title| reference(Path::new("/opt/share/doc/hull/book"), title);
    assert_eq!(
        of("executable file not found in $PATH"),
        "more in /opt/share/doc/hull/book/reference/troubleshooting.html#executable-file-not-found-in-path"
    );
    assert!(of("cannot be the network's parent").ends_with("#cannot-be-the-networks-parent"));
    assert_eq!(more("No such container: web"), None);
}
