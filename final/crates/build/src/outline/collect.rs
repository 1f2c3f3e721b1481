//! The arguments, secrets, agents and cache mounts of a target and of the stages that it needs.

use std::collections::{BTreeMap, BTreeSet};

use hull_image::platform::Platform;

use super::{Arg, CacheMount, Location, Needed, Outline, Source, description, targets};
use crate::Result;
use crate::dockerfile::mount::{Mount, MountKind};
use crate::dockerfile::{Argument, Dockerfile, Instruction, Kind, Run};
use crate::plan::stages::Origin;
use crate::plan::{Base, Globals, Stages};
use crate::variables::{self, Options};

/// The outline of a target, or of the last stage. `given` are the values of `--build-arg`.
///
/// # Errors
///
/// With the line: what cannot be expanded, or a target that does not exist.
pub fn outline(
    file: &Dockerfile,
    given: &BTreeMap<String, Option<String>>,
    target: Option<&str>,
    platform: &Platform,
) -> Result<Outline> {
    let no_context = |_: &str| false;
    let globals = Globals::new(file, given, platform, target.unwrap_or_default())?;
    let stages = Stages::of(file, &globals, &no_context, target, platform)?;
    let before = global_arguments(file, &globals)?;
    let froms: Vec<&Instruction> =
        file.instructions.iter().filter(|one| matches!(one.kind, Kind::From(_))).collect();
    let mut found: BTreeMap<usize, Found> = BTreeMap::new();
    for number in stages.needed(&no_context) {
        let mut stage = Found { arguments: before.clone(), ..Found::default() };
        if let Base::Stage(base) = stages.stages[number].base {
            stage.environment = found.get(&base).map(|base| base.environment.clone()).unwrap_or_default();
        }
        let from = froms[number];
        stage.use_of_from(file, &globals, from).map_err(|error| error.at(&file.name, from.span))?;
        for instruction in &stages.stages[number].instructions {
            let seen = stage.see(file, &globals, instruction);
            seen.map_err(|error| error.at(&file.name, instruction.span))?;
        }
        found.insert(number, stage);
    }
    let mut gathered = Gathered::default();
    gathered.add(&stages, &found, stages.target);
    let Some(target) = targets(file).targets.into_iter().nth(stages.target) else {
        return Ok(Outline::default());
    };
    let mut outline = gathered.outline;
    (outline.name, outline.description) = (target.name, target.description);
    outline.sources = vec![Source(file.text.clone())];
    outline.args.sort_by_key(|arg| arg.location.0);
    outline.secrets.sort_by_key(|secret| secret.location.0);
    outline.ssh.sort_by_key(|ssh| ssh.location.0);
    outline.cache.sort_by_key(|cache| cache.location.0);
    Ok(outline)
}

/// What one stage declares.
#[derive(Default)]
struct Found {
    /// ENV, and ARGs with a value.
    environment: BTreeMap<String, String>,
    own_arguments: BTreeMap<String, String>,
    arguments: Vec<Declared>,
    used: BTreeSet<String>,
    secrets: Vec<Needed>,
    ssh: Vec<Needed>,
    cache: Vec<CacheMount>,
}

/// An ARG, and the arguments that its default refers to.
#[derive(Clone)]
struct Declared {
    arg: Arg,
    needs: BTreeSet<String>,
}

fn declared(argument: &Argument, instruction: &Instruction, value: Option<String>) -> Arg {
    Arg {
        name: argument.name.clone(),
        description: description(&instruction.comments, &argument.name),
        value: value.unwrap_or_default(),
        location: Location(instruction.span),
    }
}

/// The arguments before the first FROM.
fn global_arguments(file: &Dockerfile, globals: &Globals) -> Result<Vec<Declared>> {
    let mut all = Vec::new();
    for instruction in file.instructions.iter().take_while(|one| !matches!(one.kind, Kind::From(_))) {
        let Kind::Arg(arguments) = &instruction.kind else { continue };
        for argument in arguments {
            let needs = match &argument.default {
                Some(default) if globals.given(&argument.name).is_none() => {
                    used(file, default, &|name| globals.inherited(name).cloned())
                        .map_err(|error| error.at(&file.name, instruction.span))?
                }
                _ => BTreeSet::new(),
            };
            let value = globals.inherited(&argument.name).cloned();
            all.push(Declared { arg: declared(argument, instruction, value), needs });
        }
    }
    Ok(all)
}

/// The variables that a text refers to and that are set.
fn used(file: &Dockerfile, text: &str, lookup: variables::Lookup<'_>) -> Result<BTreeSet<String>> {
    Ok(variables::expand(text, file.escape, lookup, Options::default())?.used)
}

impl Found {
    fn use_of_from(&mut self, file: &Dockerfile, globals: &Globals, from: &Instruction) -> Result<()> {
        let Kind::From(from) = &from.kind else { return Ok(()) };
        for text in std::iter::once(&from.image).chain(&from.platform) {
            self.used.extend(used(file, text, &|name| globals.inherited(name).cloned())?);
        }
        Ok(())
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.get(name).or_else(|| self.own_arguments.get(name)).cloned()
    }

    fn see(&mut self, file: &Dockerfile, globals: &Globals, instruction: &Instruction) -> Result<()> {
        match &instruction.kind {
            Kind::Arg(arguments) => {
                for argument in arguments {
                    self.see_argument(file, globals, instruction, argument)?;
                }
            }
            Kind::Env(pairs) => {
                let expand = |text: &String| variables::word(text, file.escape, &|name| self.variable(name));
                let pairs = pairs.iter().map(|(name, value)| Ok((expand(name)?, expand(value)?)));
                let pairs = pairs.collect::<Result<Vec<_>>>()?;
                self.environment.extend(pairs);
            }
            Kind::Run(run) => self.see_mounts(file, instruction, run)?,
            _ => {}
        }
        Ok(())
    }

    fn see_argument(
        &mut self,
        file: &Dockerfile,
        globals: &Globals,
        instruction: &Instruction,
        argument: &Argument,
    ) -> Result<()> {
        let name = argument.name.clone();
        let given = globals.given(&name).cloned();
        let default = match (&given, &argument.default) {
            (None, Some(text)) => Some(variables::word(text, file.escape, &|name| self.variable(name))?),
            _ => None,
        };
        self.used.insert(name.clone());
        let is_inherited = given.is_none() && default.is_none() && globals.inherited(&name).is_some();
        let value = given.or(default).or_else(|| globals.inherited(&name).cloned());
        if let Some(value) = &value {
            self.own_arguments.insert(name.clone(), value.clone());
        }
        // One that only takes over the value of a global argument is described where that one is.
        if !is_inherited {
            self.arguments.retain(|known| known.arg.name != name);
            let arg = declared(argument, instruction, value);
            self.arguments.push(Declared { arg, needs: BTreeSet::new() });
        }
        Ok(())
    }

    fn see_mounts(&mut self, file: &Dockerfile, instruction: &Instruction, run: &Run) -> Result<()> {
        let location = Location(instruction.span);
        for text in &run.mounts {
            let mount = Mount::parse(text, file.escape, &|name| self.variable(name))?;
            let target = mount.target.unwrap_or_default();
            let required = mount.required;
            let last =
                |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
            match mount.kind {
                MountKind::Secret { id, .. } => {
                    let name = id.unwrap_or_else(|| last(&target));
                    self.secrets.push(Needed { name, required, location });
                }
                MountKind::Ssh { id } => {
                    let name = id.unwrap_or_else(|| "default".into());
                    self.ssh.push(Needed { name, required, location });
                }
                MountKind::Cache { id, .. } => {
                    self.cache.push(CacheMount { id: id.unwrap_or(target), location });
                }
                MountKind::Bind { .. } | MountKind::Tmpfs { .. } => {}
            }
        }
        Ok(())
    }

    /// The used arguments, and those that their defaults need.
    fn all_used(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut queue: Vec<&String> = self.used.iter().collect();
        while let Some(name) = queue.pop() {
            if all.insert(name.clone()) {
                let declared = self.arguments.iter().filter(|known| known.arg.name == *name);
                queue.extend(declared.flat_map(|known| &known.needs));
            }
        }
        all
    }
}

/// What the stages declare together. The first that declares a name counts: the target, its base, what it copies from.
#[derive(Default)]
struct Gathered {
    outline: Outline,
    stages: BTreeSet<usize>,
    names: BTreeSet<(&'static str, String)>,
}

impl Gathered {
    fn add(&mut self, stages: &Stages, found: &BTreeMap<usize, Found>, target: usize) {
        let mut stack = vec![target];
        while let Some(number) = stack.pop() {
            let (true, Some(stage)) = (self.stages.insert(number), found.get(&number)) else { continue };
            self.add_stage(stage);
            let origins = stages.origins(number, &|_| false);
            let copied = origins.iter().rev().filter_map(|origin| match origin {
                Origin::Stage(number) => Some(*number),
                _ => None,
            });
            stack.extend(copied);
            if let Base::Stage(base) = stages.stages[number].base {
                stack.push(base);
            }
        }
    }

    fn add_stage(&mut self, stage: &Found) {
        let used = stage.all_used();
        for declared in stage.arguments.iter().filter(|known| used.contains(&known.arg.name)) {
            if self.is_new("arg", &declared.arg.name) {
                self.outline.args.push(declared.arg.clone());
            }
        }
        for secret in &stage.secrets {
            if self.is_new("secret", &secret.name) {
                self.outline.secrets.push(secret.clone());
            }
        }
        for ssh in &stage.ssh {
            if self.is_new("ssh", &ssh.name) {
                self.outline.ssh.push(ssh.clone());
            }
        }
        for cache in &stage.cache {
            if self.is_new("cache", &cache.id) {
                self.outline.cache.push(cache.clone());
            }
        }
    }

    fn is_new(&mut self, kind: &'static str, name: &str) -> bool {
        self.names.insert((kind, name.to_owned()))
    }
}
