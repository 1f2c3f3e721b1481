//! The stages that a target needs: as base, in `--from`, or for a mount.

use std::collections::HashMap;

use super::Stage;
use crate::plan::stages::sources;

/// For each stage, whether it is needed. An unknown target needs all: the build reports it.
pub(super) fn stages(stages: &[Stage<'_>], target: Option<&str>, names: &Names<'_>) -> Vec<bool> {
    let mut needed = vec![false; stages.len()];
    let wanted = target.map_or(stages.len().checked_sub(1), |name| names.find(name, stages.len()));
    let Some(target) = wanted else { return vec![true; stages.len()] };
    let mut open = vec![target];
    while let Some(number) = open.pop() {
        if std::mem::replace(&mut needed[number], true) {
            continue;
        }
        let stage = &stages[number];
        open.extend(names.before(&stage.from.image, number));
        for step in stage.steps {
            open.extend(sources(&step.kind).iter().filter_map(|from| names.find(from, number)));
        }
    }
    needed
}

/// Stages by their names.
pub(super) struct Names<'a>(HashMap<&'a str, Vec<usize>>);

impl<'a> Names<'a> {
    pub(super) fn of(stages: &[Stage<'a>]) -> Self {
        let mut names: HashMap<&str, Vec<usize>> = HashMap::new();
        for (number, stage) in stages.iter().enumerate() {
            if let Some(name) = stage.from.name.as_deref() {
                names.entry(name).or_default().push(number);
            }
        }
        Self(names)
    }

    /// The last stage with this name before `number`. Names of stages are in lower case.
    pub(super) fn before(&self, name: &str, number: usize) -> Option<usize> {
        let numbers = self.0.get(name)?;
        numbers[..numbers.partition_point(|own| *own < number)].last().copied()
    }

    /// A stage before `number` by its name or its own number, as `--from` names it.
    fn find(&self, name: &str, number: usize) -> Option<usize> {
        let by_name = self.before(&name.to_ascii_lowercase(), number);
        by_name.or_else(|| name.parse().ok().filter(|index| *index < number))
    }
}
