//! The layers of an image that is moved, as events.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hull_compose::progress::{Event, Progress, Status};
use hull_image::Digest;
use hull_image::progress::{self, Step};

use crate::ui::progress::{PULL, PUSH, Words};

/// The time between two reports of a layer's bytes.
const INTERVAL: Duration = Duration::from_millis(100);

/// Called from several threads.
pub struct LayerEvents<'a> {
    /// The service whose image it is.
    parent: String,
    /// What stands before the digest.
    prefix: String,
    words: Words,
    state: Mutex<State<'a>>,
}

struct State<'a> {
    /// `None` if nobody wants to hear of layers.
    progress: Option<&'a mut dyn Progress>,
    /// When the bytes of a layer were last reported. Nothing after its end was reported.
    told: HashMap<Digest, Option<Instant>>,
}

impl<'a> LayerEvents<'a> {
    pub fn of_pull(service: &str, quiet: bool, progress: &'a mut dyn Progress) -> Self {
        Self::new(service.to_owned(), String::new(), PULL, quiet, progress)
    }

    pub fn of_push(image: &str, quiet: bool, progress: &'a mut dyn Progress) -> Self {
        Self::new(String::new(), format!("Pushing {image}: "), PUSH, quiet, progress)
    }

    fn new(
        parent: String,
        prefix: String,
        words: Words,
        quiet: bool,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let progress = (!quiet).then_some(progress);
        Self { parent, prefix, words, state: Mutex::new(State { progress, told: HashMap::new() }) }
    }

    fn event(&self, layer: &Digest, step: Step) -> Event {
        let (status, text, current, total) = match step {
            Step::Exists => (Status::Done, self.words.exists, 0, 0),
            Step::Waiting => (Status::Working, "Waiting", 0, 0),
            Step::Moving { done, total } => (Status::Working, self.words.moving, done, total),
            Step::Mounted => (Status::Done, "Mounted", 0, 0),
            Step::Done => (Status::Done, self.words.done, 0, 0),
        };
        let percent = match (status, current.saturating_mul(100).checked_div(total)) {
            (Status::Done, _) => 100,
            (_, percent) => percent.and_then(|percent| u8::try_from(percent.min(100)).ok()).unwrap_or(0),
        };
        Event {
            id: format!("{}{}", self.prefix, layer.short()),
            parent: self.parent.clone(),
            text: text.to_owned(),
            status,
            word: String::new(),
            current,
            total,
            percent,
        }
    }
}

impl progress::Progress for LayerEvents<'_> {
    fn layer(&self, layer: &Digest, step: Step) {
        let mut state = self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let is_moving = matches!(step, Step::Moving { .. });
        let is_new = match state.told.get(layer) {
            None => true,
            Some(None) => false,
            Some(Some(at)) => !is_moving || at.elapsed() >= INTERVAL,
        };
        if !is_new {
            return;
        }
        let is_over = matches!(step, Step::Exists | Step::Mounted | Step::Done);
        state.told.insert(layer.clone(), (!is_over).then(Instant::now));
        let event = self.event(layer, step);
        if let Some(progress) = &mut state.progress {
            progress.event(event);
        }
    }

    fn remark(&self, _: &str) {}
}
