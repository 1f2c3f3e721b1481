//! The flags that `create`, `scale`, `up` and `watch` have in common: which containers are made again, and how.

use anyhow::{Context, Result, bail};
use hull_compose::plan::{PlanOptions, Recreate};
use hull_composefile::model::Project;

use super::Session;
use super::work::Ensure;
use crate::cli::compose::lifecycle::RecreateArgs;
use crate::ui::output;

/// What the flags of `create` and `up` say about existing containers.
pub fn plan_options(session: &Session<'_>, args: &RecreateArgs, services: &[String]) -> PlanOptions {
    let recreate = match (args.no_recreate, args.force_recreate) {
        (true, _) => Recreate::Never,
        (_, true) => Recreate::Always,
        _ => Recreate::Diverged,
    };
    let recreate_dependencies = if args.no_recreate { Recreate::Never } else { Recreate::Diverged };
    PlanOptions {
        services: services.to_vec(),
        recreate,
        recreate_dependencies,
        remove_orphans: session.remove_orphans(args.remove_orphans),
        recreate_volumes: vec![],
    }
}

/// Asks before data are lost. Without a terminal the answer is no.
pub fn confirm(yes: bool) -> impl FnMut(&str) -> hull_compose::Result<bool> {
    move |question| match yes {
        true => Ok(true),
        false => {
            output::confirm(question).map_err(|error| hull_compose::Error::Invalid(format!("{error:#}")))
        }
    }
}

/// How the flags say that images are got.
pub fn ensure(args: &RecreateArgs) -> Ensure {
    Ensure { no_build: args.no_build, quiet_pull: args.quiet_pull, quiet_build: false }
}

/// What flags change of the files.
pub fn set_up(project: &mut Project, args: &RecreateArgs, scale: &[String]) -> Result<()> {
    if let Some(policy) = &args.pull {
        if !["always", "never", "build", "missing", "if_not_present"].contains(&policy.as_str()) {
            bail!("invalid --pull option {policy:?}");
        }
        project.services.values_mut().for_each(|service| service.pull_policy.clone_from(policy));
    }
    if args.build {
        let built = project.services.values_mut().filter(|service| service.build.is_some());
        built.for_each(|service| service.pull_policy = "build".into());
    }
    set_scale(project, scale)
}

/// `SERVICE=NUM`
pub fn set_scale(project: &mut Project, scale: &[String]) -> Result<()> {
    for one in scale {
        let parts: Vec<&str> = one.split('=').collect();
        let [name, number] = parts[..] else {
            bail!("invalid --scale option {one:?}. Should be SERVICE=NUM");
        };
        let number = number.parse::<i64>().with_context(|| format!("invalid --scale option {one:?}"))?;
        let service = project.services.get_mut(name).with_context(|| format!("no such service: {name}"))?;
        service.set_scale(number);
    }
    Ok(())
}
