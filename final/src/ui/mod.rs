//! Output, input and the terminal.

pub mod book;
pub mod errors;
pub mod hints;
pub mod human;
pub mod list;
pub mod output;
pub mod progress;
pub mod terminal;
