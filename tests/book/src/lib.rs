//! The book's tools: what it takes from the code, and the proof that what it says still holds.
//!
//! ```text
//! pages         the chapters, and what they include
//! generated     book/src/generated: everything that no hand has written, and whether it is still true
//!   code        an item of a source file, by its name
//!   diffs       what one step changes in the one before
//!   commands    what each command says of itself
//!   traces      the kernel calls of each step
//!   diagrams    book/diagrams/*.picture drawn as SVG
//! measured      when a start makes which call, and how fast hull is
//! look          what a process sees in each set of namespaces, for the interactive page
//! shape         what every chapter of the steps has to have
//! transcripts   the `$` and `#` of the chapters, typed again and compared
//! errors        the texts of errors, and the chapter about them
//! built         the pages as mdBook makes them
//! html          what is wrong with them that no browser would say
//! spelling      words that are in no dictionary
//! browser       a headless Chromium to look at them
//! links         where the pages lead
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
pub mod shape;
pub mod spelling;
pub mod transcripts;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Names a copy of the workspace to be looked at in its place.
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
