//! Output, input and the terminal.
//!
//! ```text
//! errors, hints, book   errors: a sentence, what to do next, and where the book says more; exit codes
//! missing               what other programs have and hull has not, with what to use instead
//! output, list, human   results on stdout: JSON, templates, tables, texts for people
//! grid                  tables as LXD's client prints them
//! reader_gone           broken pipes of the own output
//! progress              bars while images are moved         terminal/   the client of an attachment
//! build/                how a build is shown            compose/    what compose does, and what containers print
//! ```

pub mod book;
pub mod build;
pub mod compose;
pub mod errors;
pub mod grid;
pub mod hints;
pub mod human;
pub mod list;
pub mod live;
pub mod missing;
pub mod output;
pub mod progress;
pub mod reader_gone;
pub mod terminal;
