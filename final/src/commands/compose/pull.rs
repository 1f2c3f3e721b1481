//! `compose pull`, and the pulls before containers are made.

use anyhow::{Result, bail};
use hull_compose::images::Pull;
use hull_compose::progress::{Event, Progress};
use hull_composefile::model::Project;
use hull_composefile::{Dependencies, LoadOptions, ServiceEnvironment};
use hull_engine::Engine;
use hull_image::platform::Platform;
use hull_image::pull::PullOptions;
use hull_image::reference::Reference;

use super::Session;
use super::jobs::{self, Job};
use super::layers::LayerEvents;
use crate::cli::compose::image;
use crate::commands::registry;

pub fn pull(session: &Session<'_>, args: &image::Pull) -> Result<u8> {
    let dependencies = if args.include_deps { Dependencies::Include } else { Dependencies::Ignore };
    let options = LoadOptions {
        dependencies,
        service_environment: ServiceEnvironment::Unresolved,
        ..session.options(&args.services)?
    };
    let mut project = session.open(&options)?.project;
    if let Some(policy) = args.policy.as_ref().filter(|policy| !policy.is_empty()) {
        let named = project.services.values_mut().filter(|service| !service.image.is_empty());
        named.for_each(|service| service.pull_policy.clone_from(policy));
    }
    let engine = session.engine()?;
    session.show("Pulling", |progress| {
        let wanted = select(&engine, &project, args.ignore_buildable, progress);
        if session.args.dry_run {
            wanted.iter().for_each(|one| progress.event(event(&one.service, "Pulled", true)));
            return Ok(());
        }
        let errors = pull_all(session, &engine, &wanted, args.quiet, args.ignore_pull_failures, progress)?;
        let failed = wanted.iter().zip(&errors).filter_map(|(one, error)| Some((one, error.as_ref()?)));
        let failed: Vec<_> = failed.collect();
        let to_build: Vec<&str> =
            failed.iter().filter(|(one, _)| one.may_fail).map(|(one, _)| &*one.service).collect();
        if !to_build.is_empty() {
            progress.note(&format!(
                "WARNING: Some service image(s) must be built from source by running:\n    hull compose build {}",
                to_build.join(" ")
            ));
        }
        match failed.first() {
            Some((one, error)) if !args.ignore_pull_failures => bail!("{}: {error}", one.image),
            _ => Ok(()),
        }
    })
}

/// The images to pull. An event says why the image of another service is not pulled.
fn select(
    engine: &Engine,
    project: &Project,
    ignore_buildable: bool,
    progress: &mut dyn Progress,
) -> Vec<Pull> {
    let mut wanted: Vec<Pull> = Vec::new();
    for (name, service) in &project.services {
        let is_present = || engine.images().identity(&service.image).is_ok();
        let skipped = match service.pull_policy.as_str() {
            _ if service.image.is_empty() => Some("Skipped - No image to be pulled".to_owned()),
            "never" | "build" => Some("Skipped".to_owned()),
            "missing" | "if_not_present" if !is_latest(&service.image) && is_present() => {
                Some("Skipped - Image is already present locally".to_owned())
            }
            _ if service.build.is_some() && ignore_buildable => {
                Some("Skipped - Image can be built".to_owned())
            }
            _ => wanted
                .iter()
                .find(|one| one.image == service.image)
                .map(|one| format!("Skipped - Image is already being pulled by {}", one.service)),
        };
        match skipped {
            Some(why) => progress.event(event(name, &why, true)),
            None => wanted.push(Pull::of(project, service)),
        }
    }
    wanted
}

fn is_latest(image: &str) -> bool {
    Reference::parse(image).is_ok_and(|name| name.digest().is_none() && name.tag() == Some("latest"))
}

/// Pulls images at the same time. Returns the error of each that could not be pulled; after one that must not fail, the
/// others are given up.
pub fn pull_all(
    session: &Session<'_>,
    engine: &Engine,
    wanted: &[Pull],
    quiet: bool,
    ignore_failures: bool,
    progress: &mut dyn Progress,
) -> Result<Vec<Option<String>>> {
    let jobs = wanted.iter().map(|one| Job {
        id: one.service.clone(),
        work: Box::new(move |progress: &mut dyn Progress| pull_one(engine, one, quiet, progress)),
    });
    let goes_on = |index: usize| ignore_failures || wanted[index].may_fail;
    let errors = jobs::run(jobs.collect(), session.parallel()?, &goes_on, progress)?;
    for (one, error) in wanted.iter().zip(&errors) {
        let Some(error) = error else { continue };
        progress.event(match one.may_fail {
            true => Event { text: "Warning".into(), ..Event::warning(&*one.service, error) },
            false => Event { text: "Error".into(), ..Event::error(&*one.service, error) },
        });
    }
    Ok(errors)
}

fn pull_one(engine: &Engine, wanted: &Pull, quiet: bool, progress: &mut dyn Progress) -> Result<()> {
    progress.event(event(&wanted.service, "Pulling", false));
    let access = registry::access(&Default::default())?;
    let candidates = access.settings().candidates(&wanted.image)?;
    let platform = wanted.platform.as_deref().map(Platform::parse).transpose()?;
    let layers = LayerEvents::of_pull(&wanted.service, quiet, progress);
    engine.pull_image(&access, &candidates, &PullOptions { platform, progress: &layers })?;
    drop(layers);
    progress.event(event(&wanted.service, "Pulled", true));
    Ok(())
}

pub fn event(service: &str, text: &str, is_done: bool) -> Event {
    let event = if is_done { Event::done(service, "") } else { Event::working(service, "") };
    Event { text: text.to_owned(), ..event }
}
