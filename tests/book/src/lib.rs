//! The book's tools: they take excerpts from the code, and they check that the book is still true.
//!
//! ```text
//! pages         the chapters, and what they include
//! generated     book/src/generated: everything that is generated, and whether it is still fresh
//!   code        an item of a source file, by its name
//!   diffs       what one step changes in the one before
//!   commands    the help of each command
//!   traces      the kernel calls of each step
//!   diagrams    book/diagrams/*.picture drawn as SVG
//! measured      when a start makes which call, and how fast hull is
//! look          what a process sees in each set of namespaces, for the interactive page
//!   session     the terminal session of the README, drawn as SVG
//! shape         the parts that every chapter of the steps must have
//! transcripts   the commands after `$` and `#` in the chapters, typed again and compared
//! errors        the texts of errors, and the chapter that explains them
//! built         the pages as mdBook makes them
//! html          mistakes in them that a browser does not report
//! spelling      words that are not in the dictionary
//! browser       a headless Chromium to look at them
//! links         whether the links of the pages lead somewhere
//! ```

pub mod browser;
pub mod built;
mod code;
pub mod commands;
pub mod diagrams;
mod diffs;
pub mod errors;
pub mod generated;
pub mod html;
pub mod links;
pub mod look;
pub mod measured;
pub mod pages;
pub mod session;
pub mod shape;
pub mod spelling;
pub mod transcripts;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The variable that names a copy of the workspace, to check instead of the workspace itself.
pub const WORKSPACE: &str = "HULL_BOOK_WORKSPACE";

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    static ROOT: LazyLock<PathBuf> = LazyLock::new(|| match std::env::var_os(WORKSPACE) {
        Some(copy) => copy.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").components().collect(),
    });
    &ROOT
}

/// `book/` in the workspace.
pub fn book() -> PathBuf {
    workspace().join("book")
}
