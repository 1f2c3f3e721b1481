//! Shows what containers print, and what happens to them.

use anyhow::Result;
use hull_compose::follow::{Audience, Ended};
use hull_compose::progress::Event;
use hull_engine::Stream;

use super::lines::{Lines, WATCH};
use super::outlet::Outlet;
use super::progress::Plain;
use super::signals::Signals;
use super::style::{Mode, Style};

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub style: Style,
    pub no_color: bool,
    pub no_prefix: bool,
    /// Whether a container's stderr goes to stderr. `logs` prints everything on stdout.
    pub is_split: bool,
}

pub struct Display<'a> {
    settings: Settings,
    lines: Lines,
    pub outlet: Outlet,
    signals: Option<&'a Signals>,
    /// The containers that have ended since the caller looked: service, and exit code.
    pub ended: Vec<(String, u8)>,
    /// Nobody reads any more.
    pub failure: Option<anyhow::Error>,
}

impl<'a> Display<'a> {
    pub fn new(settings: Settings, sources: &[&str], signals: Option<&'a Signals>) -> Self {
        let is_coloured = settings.style.is_coloured() && !settings.no_color;
        let mut lines = Lines::new(is_coloured, !settings.no_prefix);
        sources.iter().for_each(|source| lines.register(source));
        Self { settings, lines, outlet: Outlet::default(), signals, ended: Vec::new(), failure: None }
    }

    /// A line of text on stdout.
    pub fn say(&mut self, text: &str) {
        self.outlet.add(Stream::Stdout, format!("{}\n", hull_printable::block(text)).as_bytes());
    }

    /// What `watch` says.
    pub fn say_of_watch(&mut self, text: &str) {
        for line in text.lines() {
            let line = format!("{}{}\n", self.lines.prefix(WATCH), hull_printable::block(line));
            self.outlet.add(Stream::Stdout, line.as_bytes());
        }
    }

    /// A step of stopping, between the lines of containers.
    pub fn event(&mut self, event: &Event) {
        match self.settings.style.mode {
            Mode::Auto if self.settings.style.resolved() == Mode::Tty => {
                let Event { id, text, word, .. } = event;
                let what = hull_printable::cell(&format!("{id} {text}")).into_owned();
                let word = hull_printable::cell(word);
                let word = match self.settings.style.is_monochrome {
                    true => word.into_owned(),
                    false => format!("\x1b[32m{word}\x1b[0m"),
                };
                let line = self.lines.status("", &format!("{what} {word}"));
                self.outlet.add(Stream::Stdout, line.as_bytes());
            }
            Mode::Quiet => {}
            _ => self.outlet.add(Stream::Stderr, Plain { is_dry_run: false }.line(event).as_bytes()),
        }
    }

    /// In red on stderr.
    pub fn alarm(&mut self, text: &str) {
        let text = match self.settings.style.resolved() {
            Mode::Tty if !self.settings.style.is_monochrome => format!("\x1b[31;1m{text}\x1b[0m\n"),
            _ => format!("{text}\n"),
        };
        self.outlet.add(Stream::Stderr, text.as_bytes());
    }

    /// The failure of a write, once.
    pub fn check(&mut self) -> Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }
}

impl Audience for Display<'_> {
    fn line(&mut self, source: &str, stream: Stream, line: &[u8]) {
        if self.failure.is_some() {
            return;
        }
        let stream = if self.settings.is_split { stream } else { Stream::Stdout };
        // The container's own output, which is not changed.
        let whole = [self.lines.prefix(source).as_bytes(), line, b"\n"].concat();
        self.outlet.add(stream, &whole);
        let interruption = self.signals.map(std::os::fd::AsFd::as_fd);
        if let Err(error) = self.outlet.make_room(interruption) {
            self.failure = Some(error);
        }
    }

    fn exited(&mut self, ended: &Ended<'_>) {
        let restarting = if ended.is_restarting { " (restarting)" } else { "" };
        let text = format!("exited with code {}{restarting}", ended.code);
        let line = self.lines.status(&hull_printable::cell(ended.source), &text);
        self.outlet.add(Stream::Stdout, line.as_bytes());
        self.ended.push((ended.service.to_owned(), ended.code));
    }

    fn recreated(&mut self, source: &str) {
        let line = self.lines.status(&hull_printable::cell(source), "has been recreated");
        self.outlet.add(Stream::Stdout, line.as_bytes());
    }
}
