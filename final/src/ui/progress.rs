//! The progress of layers, on stderr: a bar for each on a terminal, otherwise a line when its state changes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hull_image::Digest;
use hull_image::progress::{Progress, Step};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// No bar is drawn before this time has passed: a shorter transfer would end before anybody reads it.
const QUIET: Duration = Duration::from_millis(400);

/// The words for the states of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub moving: &'static str,
    pub done: &'static str,
    pub exists: &'static str,
}

pub const PULL: Words = Words { moving: "Pulling", done: "Pull complete", exists: "Already exists" };
pub const PUSH: Words = Words { moving: "Pushing", done: "Pushed", exists: "Layer already exists" };

pub struct Layers {
    words: Words,
    started: Instant,
    /// `None` if stderr is no terminal.
    bars: Option<MultiProgress>,
    known: Mutex<HashMap<Digest, Known>>,
}

struct Known {
    step: Step,
    bar: Option<ProgressBar>,
}

impl Layers {
    pub fn new(words: Words) -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        let bars = terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { words, started: Instant::now(), bars, known: Mutex::default() }
    }

    fn say(&self, step: Step) -> String {
        match step {
            Step::Exists => self.words.exists.into(),
            Step::Waiting => "Waiting for another command that has it in hand".into(),
            Step::Moving { .. } => self.words.moving.into(),
            Step::Mounted => "Mounted from another repository".into(),
            Step::Done => self.words.done.into(),
        }
    }

    fn draw(&self, layer: &Digest, known: &mut Known, bars: &MultiProgress) {
        let style = |template: &str| ProgressStyle::with_template(template).expect("a template of our own");
        let bar = known.bar.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(0));
            bar.set_style(style("{prefix}: {msg}"));
            bar.set_prefix(layer.short().to_owned());
            bar
        });
        if let Step::Moving { done, total } = known.step {
            if bar.length() != Some(total) {
                bar.set_length(total);
                bar.set_style(
                    style("{prefix}: {msg} [{bar:40}] {decimal_bytes}/{decimal_total_bytes}")
                        .progress_chars("=> "),
                );
            }
            bar.set_message(self.say(known.step));
            bar.set_position(done);
        } else {
            bar.set_style(style("{prefix}: {msg}"));
            bar.set_message(self.say(known.step));
            if matches!(known.step, Step::Exists | Step::Mounted | Step::Done) {
                bar.finish();
            }
        }
    }
}

impl Progress for Layers {
    fn layer(&self, layer: &Digest, step: Step) {
        let mut all = self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = all.entry(layer.clone()).or_insert(Known { step: Step::Waiting, bar: None });
        let changed = std::mem::discriminant(&known.step) != std::mem::discriminant(&step);
        known.step = step;
        match &self.bars {
            Some(bars) if self.started.elapsed() > QUIET => self.draw(layer, known, bars),
            Some(_) => {}
            None if matches!(step, Step::Moving { .. }) || !changed && step != Step::Waiting => {}
            None => eprint_line(&format!("{}: {}", layer.short(), self.say(step))),
        }
    }

    fn remark(&self, text: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(hull_printable::block(text))),
            None => eprint_line(text),
        }
    }
}

/// `eprintln!` would panic when the reader of a pipe has gone.
fn eprint_line(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(hull_printable::block(&format!("{text}\n")).as_bytes());
}
