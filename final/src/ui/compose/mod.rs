//! How compose shows what it does and what containers print.
//!
//! ```text
//! excerpt    where in a file an error is
//! style      --ansi and --progress, and the variables that say the same
//! palette    colours of prefixes
//! lines      lines of many containers, each with its prefix
//! display    what containers print, and what happens to them
//! outlet     writing to stdout and stderr as far as somebody reads
//! signals    ctrl-c
//! progress/  what a command is doing: plain lines, in place on a terminal, JSON
//! ```

pub mod display;
pub mod excerpt;
pub mod lines;
pub mod outlet;
mod palette;
pub mod progress;
pub mod signals;
pub mod style;
