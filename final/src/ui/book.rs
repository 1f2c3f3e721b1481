//! Errors about which the book says more than fits a hint.

/// What an error or its hint has in it. Each is a heading of the book's chapter "Troubleshooting"; the first that fits counts.
const EXPLAINED: [&str; 12] = [
    "cannot enter a user namespace",
    "limits need a cgroup of your own",
    "port taken",
    "cannot be the network's parent",
    "no network of their own",
    "users that you have no ids for",
    "executable file not found in $PATH",
    "Exec format error",
    "cannot mount the overlay",
    "was written by a newer hull",
    "No space left on device",
    "Permission denied",
];

/// Where the chapter is, and the heading in it, if there is one.
pub fn heading(said: &str) -> Option<String> {
    let title = EXPLAINED.iter().find(|title| said.contains(*title))?;
    Some(format!("book/src/reference/troubleshooting.md, \"{title}\""))
}

#[test]
fn an_error_finds_its_heading() {
    let said = "exec: \"nope\": executable file not found in $PATH";
    assert!(
        heading(said).is_some_and(|heading| heading.ends_with(".md, \"executable file not found in $PATH\""))
    );
    assert_eq!(heading("No such container: web"), None);
}
