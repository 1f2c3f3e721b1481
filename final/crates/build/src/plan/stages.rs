//! The stages of a Dockerfile, and which of them the target needs.

use std::collections::{BTreeSet, VecDeque};

use hull_image::platform::Platform;

use super::arguments::Globals;
use crate::dockerfile::{self, Dockerfile, From, Instruction, Kind, Span, mount};
use crate::{Error, Result};

#[derive(Debug, Clone)]
pub struct Stage {
    /// The name after AS.
    pub name: Option<String>,
    /// The text after FROM, for the display.
    pub shown_base: String,
    pub base: Base,
    pub platform: Platform,
    /// Of the line FROM.
    pub span: Span,
    /// The instructions that the base keeps for what is built on it (ONBUILD), with the lines of FROM. `None` before the
    /// base is known.
    pub triggers: Option<Vec<Instruction>>,
    /// Those after FROM.
    pub instructions: Vec<Instruction>,
}

/// What a stage stands on.
#[derive(Debug, Clone, PartialEq)]
pub enum Base {
    Scratch,
    /// The number of an earlier stage.
    Stage(usize),
    Image(String),
    /// `--build-context NAME=…`
    Context(String),
}

/// Where `--from` takes files from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Stage(usize),
    Image(String),
    Context(String),
}

impl Stage {
    /// All instructions in their order.
    pub fn all(&self) -> impl Iterator<Item = &Instruction> {
        self.triggers.iter().flatten().chain(&self.instructions)
    }

    /// Parses what a base image keeps for images that are built on it.
    ///
    /// # Errors
    ///
    /// If a text is no instruction, or one that cannot be a trigger.
    pub fn set_triggers(&mut self, texts: &[String]) -> Result<()> {
        let name = format!("ONBUILD of {}", self.shown_base);
        let parse = |text: &String| Ok(Instruction { span: self.span, ..dockerfile::trigger(&name, text)? });
        let triggers = texts.iter().map(parse).collect::<Result<_>>()?;
        self.triggers = Some(triggers);
        Ok(())
    }
}

#[derive(Debug, Clone)]
pub struct Stages {
    pub stages: Vec<Stage>,
    /// The number of the stage that is the result.
    pub target: usize,
}

impl Stages {
    /// The stages of a file that [`dockerfile::parse`] has made, so that there is one at least. `contexts` says which names
    /// `--build-context` gives.
    ///
    /// # Errors
    ///
    /// With the line: if a FROM cannot be expanded, names itself, or if no stage is the target.
    pub fn of(
        file: &Dockerfile,
        globals: &Globals,
        contexts: &dyn Fn(&str) -> bool,
        target: Option<&str>,
        platform: &Platform,
    ) -> Result<Self> {
        let mut stages: Vec<Stage> = Vec::new();
        for instruction in &file.instructions {
            match (&instruction.kind, stages.last_mut()) {
                (Kind::From(from), _) => {
                    let stage = stage(file, globals, contexts, &stages, instruction.span, from, platform);
                    stages.push(stage.map_err(|error| error.at(&file.name, instruction.span))?);
                }
                (_, Some(stage)) => stage.instructions.push(instruction.clone()),
                // An ARG: the parser lets nothing else come before the first FROM.
                (_, None) => {}
            }
        }
        let target = match target {
            None => stages.len().saturating_sub(1),
            Some(name) => find(&stages, name).ok_or_else(|| no_target(&stages, name))?,
        };
        Ok(Self { stages, target })
    }

    /// Where a `--from` leads, in the stage of this number.
    ///
    /// # Errors
    ///
    /// If it names the stage itself or a later one, a number that no stage has, or a variable.
    pub fn origin(&self, stage: usize, from: &str, contexts: &dyn Fn(&str) -> bool) -> Result<Origin> {
        // A named context takes the place of a stage of its name.
        if contexts(from) {
            return Ok(Origin::Context(from.into()));
        }
        if let Some(found) = find(&self.stages[..stage], from) {
            return Ok(Origin::Stage(found));
        }
        let is_later = find(&self.stages, from).is_some();
        let is_own = self.stages[stage].name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(from));
        let why = match (is_own || from.parse() == Ok(stage), is_later, from.parse::<usize>()) {
            (true, ..) => "a stage cannot copy from itself",
            (_, true, _) => "that stage comes later, and only earlier ones can be used",
            (_, _, Ok(_)) => "there is no stage with this number",
            _ if from.contains('$') => {
                "no variables are expanded here; they are in a FROM, which can give the image a name"
            }
            _ => return Ok(Origin::Image(from.into())),
        };
        Err(Error::Invalid { what: format!("--from={from}"), why: why.into() })
    }

    /// The name of a stage that differs from an image's by a slip of the keys.
    pub fn nearest(&self, image: &str) -> Option<String> {
        let names = self.stages.iter().filter_map(|stage| stage.name.as_deref());
        dockerfile::suggest::nearest(image, names).map(str::to_owned)
    }

    /// The stages that the target needs, lowest number first.
    pub fn needed(&self, contexts: &dyn Fn(&str) -> bool) -> BTreeSet<usize> {
        let mut needed = BTreeSet::new();
        let mut queue = VecDeque::from([self.target]);
        while let Some(stage) = queue.pop_front() {
            if !needed.insert(stage) {
                continue;
            }
            queue.extend(self.origins(stage, contexts).into_iter().filter_map(|origin| match origin {
                Origin::Stage(stage) => Some(stage),
                _ => None,
            }));
            if let Base::Stage(base) = self.stages[stage].base {
                queue.push_back(base);
            }
        }
        needed
    }

    /// Everything that the instructions of a stage take files from.
    pub fn origins(&self, stage: usize, contexts: &dyn Fn(&str) -> bool) -> BTreeSet<Origin> {
        let from = self.stages[stage].all().flat_map(|one| sources(&one.kind));
        from.filter_map(|from| self.origin(stage, &from, contexts).ok()).collect()
    }
}

/// What an instruction's `--from`, or its mounts' `from=`, names.
pub fn sources(kind: &Kind) -> Vec<String> {
    match kind {
        Kind::Copy(copy) | Kind::Add(copy) => copy.from.iter().cloned().collect(),
        Kind::Run(run) => run.mounts.iter().filter_map(|text| mount::source(text)).collect(),
        _ => vec![],
    }
}

fn stage(
    file: &Dockerfile,
    globals: &Globals,
    contexts: &dyn Fn(&str) -> bool,
    earlier: &[Stage],
    span: Span,
    from: &From,
    target: &Platform,
) -> Result<Stage> {
    let image = globals.expand(file, &from.image)?;
    if image.is_empty() {
        let why = format!("base name ({}) should not be blank", from.image);
        return Err(Error::Invalid { what: "FROM".into(), why });
    }
    let platform = match &from.platform {
        Some(text) => Platform::parse(&globals.expand(file, text)?)?,
        None => target.clone(),
    };
    let base = match find_by_name(earlier, &image) {
        _ if contexts(&image) => Base::Context(image.clone()),
        Some(stage) => Base::Stage(stage),
        None if image == "scratch" => Base::Scratch,
        None => Base::Image(image.clone()),
    };
    Ok(Stage {
        name: from.name.clone(),
        shown_base: image,
        base,
        platform,
        span,
        triggers: None,
        instructions: vec![],
    })
}

/// The last stage with a name: docker lets a later stage take an earlier one's name.
fn find_by_name(stages: &[Stage], name: &str) -> Option<usize> {
    stages.iter().rposition(|stage| stage.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name)))
}

/// A stage by its name or its number.
fn find(stages: &[Stage], name: &str) -> Option<usize> {
    find_by_name(stages, name).or_else(|| name.parse().ok().filter(|number| *number < stages.len()))
}

fn no_target(stages: &[Stage], name: &str) -> Error {
    let names: Vec<&str> = stages.iter().filter_map(|stage| stage.name.as_deref()).collect();
    if let Some(near) = dockerfile::suggest::nearest(name, names.iter().copied()) {
        return Error::Invalid {
            what: format!("--target {name}"),
            why: format!("target stage {name:?} could not be found (did you mean {near}?)"),
        };
    }
    let known =
        if names.is_empty() { "no stage has a name".into() } else { format!("stages: {}", names.join(", ")) };
    Error::Invalid {
        what: format!("--target {name}"),
        why: format!("target stage {name:?} could not be found; {known}"),
    }
}
