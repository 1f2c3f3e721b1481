//! `book`: the book that is installed with hull.

use clap::Args;

#[derive(Debug, Args)]
pub struct Book {
    /// List the chapters: the name to type, and the title
    #[arg(short, long, conflicts_with = "chapter")]
    pub list: bool,
    /// Only print the path, and open nothing
    #[arg(short, long)]
    pub path: bool,
    /// A chapter's name, or words of its title; with #HEADING a place in it [default: the first page]
    #[arg(value_name = "CHAPTER")]
    pub chapter: Option<String>,
}
