//! `compose push`: the images that the project builds, to their registries.

use anyhow::{Result, bail};
use hull_compose::progress::{Event, Progress};
use hull_composefile::{Dependencies, LoadOptions, ServiceEnvironment};
use hull_engine::Engine;
use hull_image::reference::Reference;

use super::Session;
use super::jobs::{self, Job};
use super::layers::LayerEvents;
use crate::cli::compose::image::Push;
use crate::commands::registry;

pub fn push(session: &Session<'_>, args: &Push) -> Result<u8> {
    let dependencies = if args.include_deps { Dependencies::Include } else { Dependencies::Ignore };
    let options = LoadOptions {
        dependencies,
        service_environment: ServiceEnvironment::Unresolved,
        ..session.options(&args.services)?
    };
    let project = session.open(&options)?.project;
    let engine = session.engine()?;
    session.show("Pushing", |progress| {
        let mut images: Vec<(&str, &str)> = Vec::new();
        for service in project.services.values() {
            match &service.build {
                Some(build) if !service.image.is_empty() => {
                    images.push((&service.name, &service.image));
                    images.extend(build.tags.0.iter().map(|tag| (&*service.name, tag.as_str())));
                }
                _ => progress.event(Event { text: "Skipped".into(), ..Event::done(&*service.name, "") }),
            }
        }
        if session.args.dry_run {
            return Ok(());
        }
        let jobs = images.iter().map(|(_, image)| Job {
            id: format!("Pushing {image}"),
            work: Box::new(|progress: &mut dyn Progress| push_one(&engine, image, args.quiet, progress)),
        });
        let goes_on = |_| args.ignore_push_failures;
        let errors = jobs::run(jobs.collect(), session.parallel()?, &goes_on, progress)?;
        for ((service, image), error) in images.iter().zip(errors) {
            match error {
                None => {}
                Some(error) if args.ignore_push_failures => {
                    progress.note(&format!("Pushing {service}: {error}"));
                }
                Some(error) => bail!("{image}: {error}"),
            }
        }
        Ok(())
    })
}

fn push_one(engine: &Engine, image: &str, quiet: bool, progress: &mut dyn Progress) -> Result<()> {
    let access = registry::access(&Default::default())?;
    let target = Reference::parse(image)?;
    let layers = LayerEvents::of_push(image, quiet, progress);
    engine.push_image(&access, image, &target, &layers)?;
    Ok(())
}
