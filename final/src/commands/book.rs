//! `book`: opens the installed book in a browser, or prints the path of a page.

use std::io::IsTerminal;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use crate::cli::book::Book;
use crate::environment;
use crate::ui::errors::Hint;
use crate::ui::{book, list, output};

const COLUMNS: list::Columns =
    list::Columns { titles: &[("Name", "CHAPTER"), ("Title", "TITLE")], shown: &["Name", "Title"] };

/// A page of the book.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Chapter {
    /// The path of its file below the book, without `.html`.
    name: String,
    title: String,
}

pub fn book(args: &Book) -> Result<u8> {
    let missing = || anyhow!("the book is not installed beside hull").context(Hint(book::INSTALL.into()));
    let directory = book::directory().ok_or_else(missing)?;
    let chapters = chapters(&directory)?;
    if args.list {
        list::print(COLUMNS, &chapters, None)?;
        return Ok(0);
    }
    let typed = args.chapter.as_deref().unwrap_or("index");
    let (words, heading) = typed.split_once('#').unwrap_or((typed, ""));
    let page = directory.join(format!("{}.html", find(&chapters, words)?.name));
    let anchor = if heading.is_empty() { String::new() } else { format!("#{heading}") };
    output::line(format!("{}{anchor}", page.display()))?;
    if !args.path && environment::has_display() && std::io::stdout().is_terminal() {
        open(&format!("file://{}{anchor}", page.display()));
    }
    Ok(0)
}

/// Starts the desktop's program for web pages, and does not wait for it. The path has been printed, so it is no error if
/// there is no such program. It has a process group of its own, because the terminal's foreground group gets SIGHUP if
/// this process leads the session.
fn open(address: &str) {
    let mut program = Command::new("xdg-open");
    program.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let _ = program.spawn();
}

/// The chapters in their order, from the list that mdBook makes for browsers without scripts.
fn chapters(directory: &Path) -> Result<Vec<Chapter>> {
    let path = directory.join("toc.html");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text.split("<a href=\"").skip(1).filter_map(chapter).collect())
}

/// What begins with a link's address.
fn chapter(link: &str) -> Option<Chapter> {
    let (address, rest) = link.split_once('"')?;
    let (_, rest) = rest.split_once('>')?;
    let (title, _) = rest.split_once("</a>")?;
    let title = title.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    Some(Chapter { name: address.strip_suffix(".html")?.to_owned(), title: unescaped(title) })
}

fn unescaped(text: String) -> String {
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    entities.into_iter().fold(text, |text, (entity, character)| text.replace(entity, character))
}

/// The chapter that is meant: the one with that name, the last part of a name, or that number; else the only one that
/// has the words in its name or title.
fn find<'a>(chapters: &'a [Chapter], typed: &str) -> Result<&'a Chapter> {
    let list = || Hint("`hull book --list` lists the chapters".into());
    let words = typed.trim_end_matches(".md").trim_end_matches(".html").to_lowercase();
    let is_meant = |chapter: &&Chapter| {
        let last = chapter.name.rsplit('/').next();
        chapter.name == words || last == Some(&words) || chapter.title.starts_with(&format!("{words}. "))
    };
    if let Some(chapter) = chapters.iter().find(is_meant) {
        return Ok(chapter);
    }
    let has_words =
        |chapter: &&Chapter| chapter.name.contains(&words) || chapter.title.to_lowercase().contains(&words);
    let found: Vec<_> = chapters.iter().filter(has_words).collect();
    match found[..] {
        [chapter] => Ok(chapter),
        [] => Err(anyhow!("the book has no chapter \"{typed}\"").context(list())),
        _ => {
            let names: Vec<_> = found.iter().map(|chapter| chapter.name.as_str()).collect();
            let several = anyhow!("several chapters have \"{typed}\" in their names: {}", names.join(", "));
            Err(several.context(list()))
        }
    }
}

#[test]
fn a_chapter_is_found_by_name_number_and_words() {
    let link = |address: &str, title: &str| {
        chapter(&format!("{address}.html\" target=\"_parent\">{title}</a></span>"))
    };
    let chapters: Vec<_> = [
        link("steps/03-cgroups/limits", "<strong>3.</strong> Limits: cgroups"),
        link("steps/03-cgroups/v1", "cgroup v1 beside v2"),
        link("reference/cgroups", "cgroup v1 &amp; v2"),
    ]
    .map(Option::unwrap)
    .into();
    assert_eq!(chapters[2].title, "cgroup v1 & v2");
    let name = |typed| {
        find(&chapters, typed).map(|chapter| chapter.name.as_str()).map_err(|error| format!("{error:#}"))
    };
    assert_eq!(name("3").unwrap(), "steps/03-cgroups/limits");
    assert_eq!(name("reference/cgroups.html").unwrap(), "reference/cgroups");
    assert_eq!(name("cgroups").unwrap(), "reference/cgroups");
    assert_eq!(name("Limits").unwrap(), "steps/03-cgroups/limits");
    assert!(name("cgroup v1").unwrap_err().contains("steps/03-cgroups/v1, reference/cgroups"));
    assert!(name("swarm").unwrap_err().contains("no chapter"));
}
