//! How the progress of a build is shown, on stderr.
//!
//! ```text
//! board     what is known about the steps           lines     their output, safe to print
//! plain     lines, as BuildKit's plain view          raw_json  BuildKit's SolveStatus, a line each
//! frame     the live view as text                    screen    draws it on a terminal
//! failure   what is shown of a step that failed      signals   ctrl-c
//! export    the writing of the results, as a step   check     the result of --check
//! outline   the results of --call outline and targets
//! ```

mod board;
pub mod check;
mod export;
mod failure;
mod frame;
mod lines;
pub mod outline;
mod plain;
mod raw_json;
mod screen;
mod signals;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{IsTerminal, Write};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use hull_build::progress::{Event, Reporter};

use crate::environment;
use board::Board;
use export::Export;
use frame::Colours;
use plain::Plain;
use screen::Screen;
use signals::Signals;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Terminal,
    RawJson,
    Quiet,
}

impl Kind {
    /// The kind of `--progress`, or of docker's variable `BUILDKIT_PROGRESS`.
    ///
    /// # Errors
    ///
    /// `tty` needs a terminal.
    pub fn choose(given: Option<&str>, quiet: bool) -> Result<Self> {
        let variable = environment::variable("BUILDKIT_PROGRESS").filter(|text| !text.is_empty());
        let is_terminal = std::io::stderr().is_terminal();
        Ok(match given.or(variable.as_deref()).unwrap_or("auto") {
            _ if quiet => Self::Quiet,
            "plain" => Self::Plain,
            "rawjson" => Self::RawJson,
            "quiet" => Self::Quiet,
            "tty" if is_terminal => Self::Terminal,
            "tty" => bail!("--progress tty needs a terminal on stderr"),
            "auto" if is_terminal => Self::Terminal,
            "auto" => Self::Plain,
            other => bail!("invalid progress {other:?}: it is auto, plain, tty, rawjson or quiet"),
        })
    }
}

enum View {
    Plain(Plain<Box<dyn Write>>),
    Terminal(Screen<std::io::Stderr>),
    RawJson(Box<dyn Write>),
    Quiet,
}

/// Shows a build.
pub struct Progress {
    board: Board,
    view: View,
    /// The file of `--logfile`.
    log: Option<Plain<Box<dyn Write>>>,
    /// Taken over until the steps have been run.
    signals: Option<Signals>,
}

impl Progress {
    pub fn start(kind: Kind, log: Option<&Path>) -> Result<Self> {
        let stderr = || Box::new(std::io::stderr()) as Box<dyn Write>;
        let view = match kind {
            Kind::Plain => View::Plain(Plain::new(stderr())),
            Kind::RawJson => View::RawJson(stderr()),
            Kind::Terminal => {
                let colours = environment::variable("NO_COLOR").is_none_or(|text| text.is_empty());
                View::Terminal(Screen::new(std::io::stderr(), Colours(colours)))
            }
            Kind::Quiet => View::Quiet,
        };
        let open = |path: &Path| -> Result<Plain<Box<dyn Write>>> {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            Ok(Plain::new(Box::new(file)))
        };
        Ok(Self {
            board: Board::default(),
            view,
            log: log.map(open).transpose()?,
            signals: Some(Signals::take_over()?),
        })
    }

    /// Ends the view, and with it the steps that still run. What is printed afterwards stands below it.
    pub fn end(&mut self) {
        for event in self.board.cancellations(SystemTime::now()) {
            self.report(&event);
        }
        if let View::Terminal(screen) = &mut self.view {
            screen.end(&self.board);
        }
        let text = warnings(&self.board);
        if !matches!(self.view, View::Quiet | View::RawJson(_)) && !text.is_empty() {
            eprint(&text);
        }
    }

    /// The results are about to be written.
    pub fn begin_export(&mut self, name: &str) -> Export<'_> {
        Export::begin(self, name)
    }

    /// The build has ended because of a signal, which is not to end the process before that is said.
    pub fn forget_signals(&self) {
        self.signals.iter().for_each(Signals::forget);
    }

    /// The steps have been run. Results are written by threads, which a signal may end at any time.
    pub fn give_signals_back(&mut self) {
        self.signals = None;
    }

    /// Shows what the failed step has printed, and the Dockerfile around an error.
    pub fn explain(&self, error: &hull_build::Error) {
        let at = match error {
            hull_build::Error::At { file, span, .. } => Some((file.as_str(), *span)),
            _ => None,
        };
        if !matches!(self.view, View::RawJson(_)) {
            eprint(&failure::shown(&self.board, at));
        }
    }
}

impl Reporter for Progress {
    fn report(&mut self, event: &Event) {
        let now = SystemTime::now();
        let at = self.board.note(event, now);
        if let (Some(log), Some(at)) = (&mut self.log, at) {
            log.show(&self.board, event, at, now);
        }
        match (&mut self.view, at) {
            (View::Plain(plain), Some(at)) => plain.show(&self.board, event, at, now),
            (View::RawJson(out), at) => raw_json::show(out, &self.board, event, at, now),
            (View::Terminal(screen), _) => screen.refresh(&self.board),
            (View::Plain(_), None) | (View::Quiet, _) => {}
        }
    }

    fn interval(&self) -> Option<Duration> {
        matches!(self.view, View::Terminal(_)).then_some(screen::INTERVAL)
    }

    fn tick(&mut self) {
        if let View::Terminal(screen) = &mut self.view {
            screen.refresh(&self.board);
        }
    }

    fn cancellation(&self) -> Option<BorrowedFd<'_>> {
        self.signals.as_ref().map(Signals::descriptor)
    }
}

fn warnings(board: &Board) -> String {
    let mut text = match board.warnings.len() {
        0 => return String::new(),
        1 => "\n 1 warning found (hull build --check says more):\n".to_owned(),
        count => format!("\n {count} warnings found (hull build --check says more):\n"),
    };
    for warning in &board.warnings {
        // This one is about the command line.
        let place = match &*warning.rule {
            "UnusedBuildArg" => String::new(),
            _ => format!(" (line {})", warning.span.first),
        };
        let line = format!(" - {}: {}{place}", warning.rule, warning.message);
        text.push_str(&hull_printable::cell(&line));
        text.push('\n');
    }
    text
}

/// If stderr is closed, there is nowhere to report that.
fn eprint(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
