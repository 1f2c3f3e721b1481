//! The stages that a target needs: as base, in `--from`, or for a mount.

use super::Stage;
use crate::dockerfile::Kind;

/// For each stage, whether it is needed. An unknown target needs all: the build reports it.
pub(super) fn stages(stages: &[Stage<'_>], target: Option<&str>) -> Vec<bool> {
    let mut needed = vec![false; stages.len()];
    let wanted = target.map_or(stages.len().checked_sub(1), |name| find(stages, name, stages.len()));
    let Some(target) = wanted else { return vec![true; stages.len()] };
    let mut open = vec![target];
    while let Some(number) = open.pop() {
        if std::mem::replace(&mut needed[number], true) {
            continue;
        }
        let stage = &stages[number];
        open.extend(base(stages, number));
        for step in stage.steps {
            match &step.kind {
                Kind::Copy(transfer) | Kind::Add(transfer) => {
                    open.extend(transfer.from.as_deref().and_then(|from| find(stages, from, number)));
                }
                Kind::Run(run) => {
                    let from = run.mounts.iter().flat_map(|mount| mount.split(','));
                    let from = from.filter_map(|option| option.strip_prefix("from="));
                    open.extend(from.filter_map(|from| find(stages, from, number)));
                }
                _ => {}
            }
        }
    }
    needed
}

/// The stage that a stage is built on, if it is not an image.
pub(super) fn base(stages: &[Stage<'_>], number: usize) -> Option<usize> {
    let image = &stages[number].from.image;
    let named = |stage: &Stage<'_>| stage.from.name.as_deref().is_some_and(|name| name == image);
    stages[..number].iter().rposition(named)
}

/// A stage before `number` by its name or its own number.
fn find(stages: &[Stage<'_>], name: &str, number: usize) -> Option<usize> {
    let named =
        |stage: &Stage<'_>| stage.from.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name));
    let by_name = stages[..number].iter().rposition(named);
    by_name.or_else(|| name.parse().ok().filter(|index| *index < number))
}
