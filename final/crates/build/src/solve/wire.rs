//! What the coordinator and its workers send each other: lines of JSON over a pair of sockets.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use hull_image::Digest;
use hull_image::config::{Descriptor, ImageConfig};
use hull_sys::Kind;
use serde::{Deserialize, Serialize};

use crate::cache::Key;
use crate::dockerfile::Span;
use crate::error::{Error, IoContext, Result};
use crate::output::StepOfLayer;
use crate::progress::Event;

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum FromWorker {
    Event(Event),
    /// The worker waits for the result of another stage.
    Needs(usize),
    Done(Box<StageResult>),
    /// The name that a pulled image has in the store.
    Pulled(String),
    Failed(Report),
}

/// What a stage has made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StageResult {
    pub config: ImageConfig,
    pub layers: Vec<Layer>,
    pub key: Key,
    /// The image of the registry that the stage stands on.
    pub base: Option<(String, Digest)>,
    /// The arguments and variables that instructions see at the stage's end: a stage that stands on it sees them too.
    #[serde(default)]
    pub arguments: Vec<String>,
    #[serde(default)]
    pub variables: Vec<(String, String)>,
    /// The layers that came from a cache elsewhere, if there are any: results on them are not for other builds.
    pub imported: Option<Digest>,
    /// How many lines of the history are those of the base. A worker does not send them: the coordinator has them.
    #[serde(default)]
    pub inherited: usize,
}

/// A layer of a stage. Its diff ID is in the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Layer {
    pub descriptor: Descriptor,
    /// The chain ID under which the store has its files and its blob. The layer of a copy with `--link` may have been made
    /// on other layers.
    pub directory: Digest,
    /// The step that has made it; `None` for a layer of the base image.
    pub step: Option<StepOfLayer>,
}

/// An error on its way to the coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Report {
    at: Option<(String, Span)>,
    failed: Option<(String, i32, Option<String>)>,
    /// A file that does not exist, and where it was looked for.
    missing: Option<(PathBuf, String)>,
    kind: String,
    text: String,
}

impl Report {
    pub(super) fn new(error: &Error) -> Self {
        let kind = error.kind().name().to_owned();
        let plain = || Self { at: None, failed: None, missing: None, kind, text: error.to_string() };
        match error {
            Error::At { file, span, source } => Self { at: Some((file.clone(), *span)), ..Self::new(source) },
            Error::Failed { command, code, kept } => {
                Self { failed: Some((command.clone(), *code, kept.clone())), ..plain() }
            }
            Error::NoSuchFile { path, place } => {
                Self { missing: Some((path.clone(), place.clone())), ..plain() }
            }
            _ => plain(),
        }
    }

    pub(super) fn into_error(self) -> Error {
        let error = match (self.failed, self.missing) {
            (Some((command, code, kept)), _) => Error::Failed { command, code, kept },
            (_, Some((path, place))) => Error::NoSuchFile { path, place },
            (None, None) => {
                Error::Worker { kind: Kind::from_name(&self.kind).unwrap_or(Kind::Kernel), text: self.text }
            }
        };
        match self.at {
            Some((file, span)) => error.at(&file, span),
            None => error,
        }
    }
}

/// One end of the pair of sockets, for blocking messages.
#[derive(Debug)]
pub(super) struct Link {
    reader: BufReader<UnixStream>,
}

impl Link {
    pub(super) fn new(socket: UnixStream) -> Self {
        Self { reader: BufReader::new(socket) }
    }

    pub(super) fn socket(&self) -> &UnixStream {
        self.reader.get_ref()
    }

    pub(super) fn send<T: Serialize>(&mut self, message: &T) -> Result<()> {
        let mut line = serde_json::to_vec(message).expect("messages become JSON");
        line.push(b'\n');
        self.reader
            .get_mut()
            .write_all(&line)
            .context(|| "send a message between processes of the build".into())
    }

    /// `None` when the other end is closed.
    pub(super) fn receive<T: for<'a> Deserialize<'a>>(&mut self) -> Result<Option<T>> {
        let mut line = Vec::new();
        let length = self.reader.read_until(b'\n', &mut line);
        match length.context(|| "receive a message between processes of the build".into())? {
            0 => Ok(None),
            _ => decode(&line).map(Some),
        }
    }

    /// Whether a message can be received without waiting.
    pub(super) fn has_buffered(&self) -> bool {
        self.reader.buffer().contains(&b'\n')
    }
}

fn decode<T: for<'a> Deserialize<'a>>(line: &[u8]) -> Result<T> {
    serde_json::from_slice(line).map_err(|error| Error::Io {
        action: "read a message between processes of the build".into(),
        source: std::io::Error::other(error),
    })
}
