//! What happens in a build, in the words of docker's classic builder (`builder/dockerfile` of moby 20.10 and 28).

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use hull_build::progress::{Event, Outcome, Reporter};
use hull_docker::wire::message::{Aux, Message};
use hull_image::Digest;
use hull_image::reference::Reference;
use nix::sys::signalfd::SignalFd;

use crate::failure::Result;
use crate::http::JsonLines;
use crate::version::ApiVersion;

/// Up to this version a removed container was told in other words.
const LAST_REMOVING: ApiVersion = ApiVersion(41);

/// How often a transfer is told.
const INTERVAL: Duration = Duration::from_millis(100);

/// How much is kept for a client that is told nothing unless the build fails.
const MOST_KEPT: usize = 64 * 1024;

/// Tells the client what happens.
pub struct Narrator<'l, 'a, 'c> {
    pub lines: &'l mut JsonLines<'a, 'c>,
    pub words: Words,
    /// Becomes readable when the client has gone.
    cancellation: &'l SignalFd,
    /// The last lines, which are sent only if the build fails.
    kept: Option<VecDeque<Message>>,
}

impl<'l, 'a, 'c> Narrator<'l, 'a, 'c> {
    pub fn new(
        lines: &'l mut JsonLines<'a, 'c>,
        words: Words,
        cancellation: &'l SignalFd,
        quiet: bool,
    ) -> Self {
        Self { lines, words, cancellation, kept: quiet.then(VecDeque::new) }
    }

    fn say(&mut self, line: Message) {
        match &mut self.kept {
            Some(kept) => keep(kept, line),
            // A client that has gone ends the build in another way.
            None => drop(self.lines.send(&line)),
        }
    }

    /// Sends the lines that were kept, because the build has failed.
    pub fn failed(&mut self, tells_removal: bool) -> Result<()> {
        let removed = self.words.removed().filter(|_| tells_removal);
        removed.iter().for_each(|line| self.say(line.clone()));
        self.kept.take().into_iter().flatten().try_for_each(|line| self.lines.send(&line))
    }

    /// Tells that the image is there.
    pub fn built(
        &mut self,
        id: &Digest,
        tags: &[Reference],
        labels: &BTreeMap<String, String>,
    ) -> Result<()> {
        if self.kept.is_some() {
            return self.lines.send(&Message::stream(format!("{id}\n")));
        }
        for line in self.words.ending(id, tags, labels) {
            self.lines.send(&line)?;
        }
        Ok(())
    }
}

impl Reporter for Narrator<'_, '_, '_> {
    fn report(&mut self, event: &Event) {
        self.words.of(event).into_iter().for_each(|line| self.say(line));
    }

    fn cancellation(&self) -> Option<BorrowedFd<'_>> {
        Some(self.cancellation.as_fd())
    }
}

fn keep(kept: &mut VecDeque<Message>, line: Message) {
    let length = |line: &Message| line.stream.as_ref().map_or(64, String::len);
    kept.push_back(line);
    let mut bytes: usize = kept.iter().map(length).sum();
    while bytes > MOST_KEPT {
        let Some(oldest) = kept.pop_front() else { return };
        bytes -= length(&oldest);
    }
}

/// How the client wants to be told, and what is known of the instruction that runs.
#[derive(Debug)]
pub struct Words {
    version: ApiVersion,
    tells_removal: bool,
    /// Lines that the request adds to the Dockerfile: its labels.
    added: usize,
    /// The container of the instruction.
    container: Option<String>,
    /// Its text.
    pub instruction: String,
    is_from: bool,
    /// It is the last one.
    is_last: bool,
    count: usize,
    /// What the last instruction has made is told when the image's id is known.
    is_pending: bool,
    /// What the last instruction stands for if it is FROM.
    base: Option<Digest>,
    /// Bytes of a character that is not whole yet, of stdout and stderr.
    rest: [Vec<u8>; 2],
    transfers: HashMap<String, Instant>,
    warnings: Vec<String>,
}

impl Words {
    pub fn new(version: ApiVersion, tells_removal: bool, added: usize) -> Self {
        Self {
            version,
            tells_removal,
            added,
            container: None,
            instruction: String::new(),
            is_from: false,
            is_last: false,
            count: 0,
            is_pending: false,
            base: None,
            rest: [vec![], vec![]],
            transfers: HashMap::new(),
            warnings: vec![],
        }
    }

    /// The lines that an event adds.
    fn of(&mut self, event: &Event) -> Vec<Message> {
        match event {
            Event::Instruction { number, count, text } => self.instruction(*number, *count, text),
            Event::Running { name } => {
                self.container = Some(name.clone());
                vec![Message::stream(format!(" ---> Running in {name}\n"))]
            }
            Event::Output { stderr, bytes, .. } if !self.instruction.is_empty() => {
                self.output(*stderr, bytes)
            }
            Event::Finished { outcome, .. } => self.finished(outcome),
            Event::Stands { digest, is_image } => {
                self.base = digest.clone().filter(|_| self.is_last && *is_image && self.added == 0);
                self.is_pending = self.is_last && !self.is_from && self.added == 0;
                if self.is_pending { vec![] } else { vec![stands(digest.as_ref())] }
            }
            Event::Transferred { what, current, total, .. } => self.transferred(what, *current, *total),
            Event::Warning(warning) if warning.rule == "UnusedBuildArg" => {
                self.warnings.push(warning.message.clone());
                vec![]
            }
            _ => vec![],
        }
    }

    fn instruction(&mut self, number: Option<usize>, count: usize, text: &str) -> Vec<Message> {
        self.instruction = text.to_owned();
        self.is_from = text.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("from"));
        self.is_last = number == Some(count);
        self.count = count + self.added;
        let Some(number) = number else { return vec![] };
        let step = format!("Step {number}/{} : {text}", self.count);
        vec![Message::stream(step), Message::stream("\n")]
    }

    fn output(&mut self, stderr: bool, bytes: &[u8]) -> Vec<Message> {
        let rest = &mut self.rest[usize::from(stderr)];
        rest.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(rest) {
            // The end of the bytes may be the beginning of a character.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => rest.len(),
        };
        let taken: Vec<u8> = rest.drain(..whole).collect();
        if taken.is_empty() {
            return vec![];
        }
        let text = String::from_utf8_lossy(&taken);
        vec![Message::stream(if stderr { format!("\u{1b}[91m{text}\u{1b}[0m") } else { text.into_owned() })]
    }

    fn finished(&mut self, outcome: &Outcome) -> Vec<Message> {
        let rest = std::mem::take(&mut self.rest).into_iter().filter(|rest| !rest.is_empty());
        let mut lines: Vec<Message> =
            rest.map(|rest| Message::stream(String::from_utf8_lossy(&rest))).collect();
        match outcome {
            Outcome::Cached if !self.is_from => lines.push(Message::stream(" ---> Using cache\n")),
            Outcome::Done(_) => {
                let removed = self.removed().filter(|_| self.tells_removal);
                lines.extend(removed);
            }
            _ => {}
        }
        lines
    }

    /// The base of an image to which nothing was added.
    pub fn base(&self) -> Option<&Digest> {
        self.base.as_ref()
    }

    /// The line of the container's removal, once.
    fn removed(&mut self) -> Option<Message> {
        let id = self.container.take()?;
        Some(Message::stream(match self.version <= LAST_REMOVING {
            true => format!("Removing intermediate container {id}\n"),
            false => format!(" ---> Removed intermediate container {id}\n"),
        }))
    }

    fn ending(&self, id: &Digest, tags: &[Reference], labels: &BTreeMap<String, String>) -> Vec<Message> {
        let mut lines = Vec::new();
        if self.added > 0 {
            let labels: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let step = format!("Step {0}/{0} : LABEL {1}", self.count, labels.join(" "));
            lines.extend([Message::stream(step), Message::stream("\n")]);
        }
        if self.is_pending || self.added > 0 {
            lines.push(stands(Some(id)));
        }
        lines.push(Message::aux(Aux::Built { id: id.to_string() }));
        lines.extend(self.warnings.iter().map(|text| Message::stream(format!("[Warning] {text}\n"))));
        lines.push(Message::stream(format!("Successfully built {}\n", id.short())));
        lines.extend(
            tags.iter().map(|tag| Message::stream(format!("Successfully tagged {}\n", tag.familiar()))),
        );
        lines
    }

    fn transferred(&mut self, what: &str, current: u64, total: Option<u64>) -> Vec<Message> {
        let now = Instant::now();
        let is_news = self.transfers.get(what).is_none_or(|then| now.duration_since(*then) >= INTERVAL);
        if !is_news && total != Some(current) {
            return vec![];
        }
        self.transfers.insert(what.to_owned(), now);
        let id = Digest::parse(what).map_or_else(|_| what.to_owned(), |digest| digest.short().to_owned());
        vec![Message::moving(&id, "Downloading", current, total.unwrap_or(0))]
    }
}

fn stands(digest: Option<&Digest>) -> Message {
    Message::stream(format!(" ---> {}\n", digest.map_or("", Digest::short)))
}
