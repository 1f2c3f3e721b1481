//! Which images have to be pulled or built before containers are made.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use hull_composefile::model::{Project, PullPolicy, Service};
use hull_engine::Engine;
use hull_image::reference::Reference;

use crate::convert;
use crate::error::{Error, Result};

/// An image that is pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pull {
    /// The service whose name the events have.
    pub service: String,
    pub image: String,
    pub platform: Option<String>,
    /// The image can be built instead.
    pub may_fail: bool,
}

impl Pull {
    /// The pull of a service's own image.
    pub fn of(project: &Project, service: &Service) -> Self {
        Self {
            service: service.name.clone(),
            image: service.image.clone(),
            platform: convert_platform(project, service),
            may_fail: service.build.is_some(),
        }
    }
}

/// What is to be done to get the images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Needed {
    pub pull: Vec<Pull>,
    pub build: Vec<String>,
}

/// `created` tells of an image that the engine has when it was created.
pub fn needed(
    project: &Project,
    no_build: bool,
    created: &dyn Fn(&str) -> Option<SystemTime>,
    now: SystemTime,
) -> Result<Needed> {
    let mut needed = Needed::default();
    let own: Vec<&Service> = project.services.values().filter(|one| one.provider.is_none()).collect();
    for service in &own {
        if service.image.is_empty() && service.build.is_none() {
            let name = &service.name;
            return Err(Error::Invalid(format!(
                "invalid service {name:?}. Must specify either image or build"
            )));
        }
        let may_fail = own.iter().any(|one| one.build.is_some() && one.image == service.image);
        if must_pull(service, created(&service.image), now)? {
            needed.pull.push(Pull { may_fail, ..Pull::of(project, service) });
        }
        let images = service.volumes.iter().enumerate().filter(|(_, volume)| volume.kind == "image");
        for (index, volume) in images.filter(|(_, volume)| created(&volume.source).is_none()) {
            let (service, image) = (format!("{}:volume {index}", service.name), volume.source.clone());
            needed.pull.push(Pull { service, image, platform: None, may_fail: false });
        }
    }
    for service in own.iter().filter(|service| service.build.is_some() && !no_build) {
        let is_there = created(&convert::image(project, service)).is_some();
        let is_pulled = needed.pull.iter().any(|one| one.image == service.image);
        if service.pull_policy() == Some(PullPolicy::Build) || !is_there && !is_pulled {
            needed.build.push(service.name.clone());
        }
    }
    Ok(needed)
}

fn convert_platform(project: &Project, service: &Service) -> Option<String> {
    let own = Some(&service.platform).filter(|platform| !platform.is_empty());
    own.or_else(|| project.environment.get("DOCKER_DEFAULT_PLATFORM")).cloned()
}

fn must_pull(service: &Service, created: Option<SystemTime>, now: SystemTime) -> Result<bool> {
    if service.image.is_empty() {
        return Ok(false);
    }
    let unknown =
        || Error::Invalid(format!("service {}: invalid pull_policy {:?}", service.name, service.pull_policy));
    Ok(match service.pull_policy().ok_or_else(unknown)? {
        PullPolicy::Always => true,
        PullPolicy::Never | PullPolicy::Build => false,
        PullPolicy::Missing => created.is_none(),
        PullPolicy::Refresh(every) => created.is_none_or(|created| {
            let age = now.duration_since(created).unwrap_or(Duration::ZERO);
            every.to_std().is_none_or(|every| age > every)
        }),
    })
}

/// What the engine is missing. The caller gets it, because it knows the registries, the credentials and the builder.
pub fn missing(engine: &Engine, project: &Project, no_build: bool) -> Result<Needed> {
    let found = std::cell::RefCell::new(BTreeMap::<String, Option<SystemTime>>::new());
    let created =
        |name: &str| *found.borrow_mut().entry(name.to_owned()).or_insert_with(|| pulled(engine, name));
    needed(project, no_build, &created, SystemTime::now())
}

impl Needed {
    /// An image could not be pulled that can be built: it is built, unless the engine has it.
    pub fn build_instead(&mut self, engine: &Engine, project: &Project, image: &str) {
        if pulled(engine, image).is_none() {
            let services = project.services.values().filter(|one| one.build.is_some() && one.image == image);
            self.build.extend(services.map(|one| one.name.clone()));
            self.build.sort();
            self.build.dedup();
        }
    }
}

/// When an image came to the engine. `None` if it has no such image.
fn pulled(engine: &Engine, name: &str) -> Option<SystemTime> {
    match name {
        // The machine's own root is always there.
        "host" => Some(SystemTime::UNIX_EPOCH),
        _ => {
            engine.images().identity(name).ok()?;
            let since = Reference::parse(name).ok().and_then(|name| engine.images().named_since(&name));
            Some(since.unwrap_or(SystemTime::UNIX_EPOCH))
        }
    }
}
