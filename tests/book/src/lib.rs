//! The book's tools: what it takes from the code, and the proof that what it says still holds.
//!
//! ```text
//! pages         the chapters, and what they include
//! generated     book/src/generated: everything that no hand has written, and whether it is still true
//!   code        an item of a source file, by its name
//!   diffs       what one step changes in the one before
//!   commands    what each command says of itself
//!   diagrams    book/diagrams/*.pikchr drawn as SVG
//! transcripts   the `$` and `#` of the chapters, typed again and compared
//! links         where the pages lead
//! ```

mod code;
mod commands;
mod diagrams;
mod diffs;
pub mod generated;
pub mod links;
pub mod pages;
pub mod transcripts;

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/book lies two levels down")
}

/// `book/` in the workspace.
pub fn book() -> PathBuf {
    workspace().join("book")
}
