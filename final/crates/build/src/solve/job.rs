//! What all processes of a build share: made before the first of them is forked.

use std::collections::BTreeMap;
use std::time::SystemTime;

use hull_engine::Engine;
use hull_image::Digest;
use hull_image::platform::Platform;

use super::definition::Definition;
use super::wire::StageResult;
use crate::cache::Cache;
use crate::cache::remote::Imports;
use crate::dockerfile::{Dockerfile, Instruction, Kind, Span};
use crate::plan::{Base, Globals, Stage, Stages};
use crate::progress::{Event, Reporter, Step, StepId};
use crate::request::Request;

pub(super) struct Job<'a> {
    pub engine: &'a Engine,
    pub request: &'a Request,
    pub cache: Cache,
    pub imports: &'a Imports,
    pub file: &'a Dockerfile,
    pub stages: Stages,
    pub globals: Globals,
    /// The stages that are built, lowest number first.
    pub needed: Vec<usize>,
    /// The first number of each needed stage's steps.
    pub first_steps: BTreeMap<usize, StepId>,
    /// The images that stages stand on, and that files are taken from, by name and platform.
    pub images: BTreeMap<(String, String), StageResult>,
    pub definition: &'a Definition,
}

impl Job<'_> {
    /// An image that the Dockerfile names.
    pub(super) fn image(&self, name: &str, platform: &Platform) -> Option<&StageResult> {
        self.images.get(&(name.to_owned(), platform.to_string()))
    }

    pub(super) fn first_step(&self, stage: usize) -> StepId {
        self.first_steps.get(&stage).copied().unwrap_or(0)
    }

    /// Announces all steps of the stages that are built: FROM, and the instructions that add a layer.
    pub(super) fn announce(&self, reporter: &mut dyn Reporter) {
        for number in &self.needed {
            let stage = &self.stages.stages[*number];
            let base = has_base_step(stage).then(|| (format!("FROM {}", stage.shown_base), stage.span));
            let others = stage.all().filter(|one| adds_layer(&one.kind));
            let texts = base.into_iter().chain(others.map(|one| (shown(one), one.span)));
            for (at, (text, span)) in (0..).zip(texts) {
                reporter.report(&Event::Planned(self.step(*number, at, &text, span)));
            }
        }
    }

    /// The lines of a step.
    pub(super) fn span(&self, stage: usize, step: StepId) -> Option<Span> {
        let at = usize::try_from(step - self.first_step(stage)).ok()?.checked_sub(1)?;
        let one = &self.stages.stages[stage];
        one.all().filter(|one| adds_layer(&one.kind)).nth(at).map(|instruction| instruction.span)
    }

    /// A step of a stage, whose place in it counts from zero, as BuildKit shows it.
    fn step(&self, stage: usize, at: StepId, text: &str, span: Span) -> Step {
        let (id, prefix) = (self.first_step(stage) + at, self.shown_stage(stage));
        let count = count(&self.stages.stages[stage]);
        Step {
            id,
            name: format!("[{}{prefix}{}/{count}] {text}", self.shown_platform(stage), at + 1),
            stage: Some(prefix.trim_end().to_owned()).filter(|name| !name.is_empty()),
            span: Some(span),
            inputs: if at > 0 { vec![id - 1] } else { vec![] },
        }
    }

    /// The platform in the names of steps, with a blank behind it. Empty unless several are built.
    fn shown_platform(&self, stage: usize) -> String {
        match self.request.platforms.len() {
            0 | 1 => String::new(),
            _ => format!("{} ", self.stages.stages[stage].platform),
        }
    }

    /// The stage's name in the display, with a blank behind it: `build `. Empty for a single stage without a name.
    pub(super) fn shown_stage(&self, number: usize) -> String {
        match &self.stages.stages[number].name {
            Some(name) => format!("{name} "),
            None if self.stages.stages.len() == 1 => String::new(),
            None => format!("stage-{number} "),
        }
    }

    pub(super) fn uses_cache(&self, stage: &Stage) -> bool {
        let is_named =
            |filter: &String| stage.name.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(filter));
        !self.request.no_cache && !self.request.no_cache_filter.iter().any(is_named)
    }

    /// A step's place in its Dockerfile.
    pub(super) fn place(&self, stage: usize, step: StepId) -> Digest {
        let at = step - self.first_step(stage);
        let platform = &self.stages.stages[stage].platform;
        let name = self.stages.stages[stage].name.clone().unwrap_or_else(|| stage.to_string());
        Digest::of(format!("{} {platform} {name} {at}", self.definition.identity).as_bytes())
    }

    /// The time of what is made now: not later than `SOURCE_DATE_EPOCH`.
    pub(super) fn created(&self) -> String {
        let time = match self.request.source_date_epoch.and_then(|epoch| u64::try_from(epoch).ok()) {
            Some(epoch) => SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(epoch),
            None => SystemTime::now(),
        };
        hull_docker::time::go_json(time)
    }
}

pub(super) fn adds_layer(kind: &Kind) -> bool {
    matches!(kind, Kind::Run(_) | Kind::Copy(_) | Kind::Add(_) | Kind::Workdir(_))
}

/// Whether the line FROM is shown as a step. As in BuildKit, one that names an earlier stage is not.
pub(super) fn has_base_step(stage: &Stage) -> bool {
    !matches!(stage.base, Base::Stage(_))
}

pub(super) fn count(stage: &Stage) -> StepId {
    let layers = stage.all().filter(|one| adds_layer(&one.kind)).count();
    StepId::try_from(layers + usize::from(has_base_step(stage))).unwrap_or(StepId::MAX)
}

/// An instruction in the display. Of a script that is a heredoc, BuildKit shows the first line.
fn shown(instruction: &Instruction) -> String {
    let text = instruction.original.clone();
    let Kind::Run(run) = &instruction.kind else { return text };
    match run.script_text().map(str::trim) {
        Some(script) => {
            let first = script.lines().next().unwrap_or_default();
            let more = if script.lines().count() > 1 { "..." } else { "" };
            format!("{text} ({first}{more})")
        }
        None => text,
    }
}
