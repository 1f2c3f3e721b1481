//! `develop.watch`: files of the host that change, and what is done in the containers of their services.
//!
//! ```text
//! rules    which file concerns which service, and where it goes in its containers
//! tree     inotify(7) on directories and all below them
//! batch    the changes that come together
//! sync     copying files into containers, and removing them there
//! ```

mod batch;
mod rules;
mod sync;
mod tree;

use std::time::SystemTime;

use hull_composefile::model::{Hook, Project};
use hull_engine::Engine;

use crate::error::{Error, Result};
use crate::hooks::Hooks;
use crate::observe;
use crate::progress::Progress;
pub use batch::{Actions, Batch};
pub use rules::{Action, Mapping, Rules};
pub use sync::sync;
pub use tree::Tree;

/// The files that `initial_sync` copies when the watch begins: those that have changed since the image was made.
pub fn initial_files(engine: &Engine, project: &Project, rules: &Rules) -> Result<Actions> {
    let mut actions = Actions::default();
    for (index, rule) in rules.initial() {
        let created = image_created(engine, project, &rule.service)?;
        for path in Tree::files_below(&rule.path, rules) {
            let modified = std::fs::symlink_metadata(&path).and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified > created)
                && let Some(mapping) = rules.mapping(index, &path)
            {
                actions.sync.entry(rule.service.clone()).or_default().insert(mapping);
            }
        }
    }
    Ok(actions)
}

fn image_created(engine: &Engine, project: &Project, service: &str) -> Result<SystemTime> {
    let containers = observe::containers(engine, &project.name)?;
    let image = containers.iter().find(|one| one.service == service).map(|one| one.image_id.clone());
    let created = image.and_then(|image| engine.images().inspect(&image).ok()?.config.created);
    let time = created.as_deref().and_then(|text| hull_docker::time::parse(text, SystemTime::now()).ok());
    let missing = || format!("could not get created time for the image of service {service}");
    time.ok_or_else(|| Error::Invalid(missing()))
}

/// Runs the command of `sync+exec` in each running container of a service, and waits for it.
pub fn exec(
    engine: &Engine,
    project: &Project,
    service: &str,
    hook: &Hook,
    progress: &mut dyn Progress,
) -> Result<()> {
    let Some(definition) = project.services.get(service) else { return Ok(()) };
    let containers = observe::containers(engine, &project.name)?;
    let running = containers.iter().filter(|one| one.service == service && !one.one_off && one.is_running());
    for one in running {
        let hooks = std::slice::from_ref(hook);
        let begun = Hooks::begin(engine, &project.name, definition, hooks, (&one.id, &one.name))?;
        if let Some(mut hooks) = begun {
            while !hooks.turn(engine, progress)? {
                hooks.wait();
            }
        }
    }
    Ok(())
}
