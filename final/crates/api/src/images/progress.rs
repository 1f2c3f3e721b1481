//! The states of layers that are pulled or pushed, as lines of JSON.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hull_docker::wire::message::Message;
use hull_image::Digest;
use hull_image::config::Descriptor;
use hull_image::progress::{Progress, Step};
use hull_image::reference::Reference;

use crate::failure::Result;
use crate::http::JsonLines;

/// dockerd tells how far a layer has come as often as this.
const INTERVAL: Duration = Duration::from_millis(100);

/// The words for the states of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    is_pull: bool,
    /// What is said of each layer first.
    found: &'static str,
    moving: &'static str,
    /// What is said in turn when it is there.
    done: &'static [&'static str],
    exists: &'static str,
}

pub const PULL: Words = Words {
    is_pull: true,
    found: "Pulling fs layer",
    moving: "Downloading",
    done: &["Verifying Checksum", "Download complete"],
    exists: "Already exists",
};
pub const PUSH: Words = Words {
    is_pull: false,
    found: "Preparing",
    moving: "Pushing",
    done: &["Pushed"],
    exists: "Layer already exists",
};

/// Sends what the threads of a transfer report.
pub struct Layers<'l, 'a, 'c> {
    words: Words,
    lines: Mutex<&'l mut JsonLines<'a, 'c>>,
    /// What was said of each layer last, and when.
    said: Mutex<HashMap<Digest, (Step, Instant)>>,
    /// Bytes of each layer.
    totals: Mutex<HashMap<Digest, u64>>,
}

impl<'l, 'a, 'c> Layers<'l, 'a, 'c> {
    pub fn new(words: Words, lines: &'l mut JsonLines<'a, 'c>) -> Self {
        Self { words, lines: Mutex::new(lines), said: Mutex::default(), totals: Mutex::default() }
    }

    /// A client that has gone ends the process, so that nobody need hear of it here.
    fn send(&self, message: &Message) {
        let _: Result<()> = lock(&self.lines).send(message);
    }

    /// Whether a state is to be told.
    fn is_news(&self, layer: &Digest, step: Step) -> bool {
        let mut said = lock(&self.said);
        let now = Instant::now();
        let is_news = match (said.get(layer), step) {
            (Some((Step::Moving { .. }, at)), Step::Moving { done, total }) => {
                done == total || now.duration_since(*at) >= INTERVAL
            }
            (Some((before, _)), step) => *before != step,
            (None, _) => true,
        };
        if is_news {
            said.insert(layer.clone(), (step, now));
        }
        is_news
    }
}

impl Progress for Layers<'_, '_, '_> {
    fn found(&self, reference: &Reference, layers: &[&Descriptor]) {
        if self.words.is_pull {
            let tag = reference.digest().map(ToString::to_string);
            let tag = tag.or_else(|| reference.tag().map(str::to_owned));
            let message = Message::status(format!("Pulling from {}", reference.path()));
            self.send(&Message { id: tag, ..message });
        }
        layers.iter().for_each(|layer| self.send(&Message::layer(layer.digest.short(), self.words.found)));
    }

    fn mounted(&self, layer: &Digest, from: &str) {
        self.send(&Message::layer(layer.short(), &format!("Mounted from {from}")));
    }

    fn layer(&self, layer: &Digest, step: Step) {
        if !self.is_news(layer, step) {
            return;
        }
        let id = layer.short();
        match step {
            Step::Exists => self.send(&Message::layer(id, self.words.exists)),
            Step::Waiting => self.send(&Message::layer(id, "Waiting")),
            Step::Moving { done, total } => {
                lock(&self.totals).insert(layer.clone(), total);
                self.send(&Message::moving(id, self.words.moving, done, total));
            }
            Step::Mounted => {}
            Step::Done => {
                self.words.done.iter().for_each(|word| self.send(&Message::layer(id, word)));
                // It was unpacked while it was downloaded.
                if self.words.is_pull {
                    let total = lock(&self.totals).get(layer).copied().unwrap_or(0);
                    self.send(&Message::moving(id, "Extracting", total, total));
                    self.send(&Message::layer(id, "Pull complete"));
                }
            }
        }
    }

    fn remark(&self, text: &str) {
        self.send(&Message::status(text));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
