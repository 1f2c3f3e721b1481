//! `DELETE /images/{name}`.

use hull_engine::Status;
use hull_image::reference::Reference;
use hull_image::remove::Removed;
use hull_image::store::ImageRecord;
use serde::Serialize;

use super::reference;
use crate::api::Api;
use crate::failure::{Failure, Result};
use crate::http::Exchange;

/// docker's `ImageDeleteResponseItem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Item {
    Untagged(String),
    Deleted(String),
}

impl From<Removed> for Item {
    fn from(removed: Removed) -> Self {
        match removed {
            Removed::Untagged(name) => Self::Untagged(name),
            Removed::Deleted(id) => Self::Deleted(id),
        }
    }
}

/// `noprune` is about docker's parents of images, which hull does not have.
pub fn delete(api: &Api, exchange: &mut Exchange<'_>) -> Result<()> {
    let name = exchange.parameter("name").to_owned();
    reference::check(&name)?;
    let force = exchange.query().flag("force");
    let is_name = Reference::parse(&name).is_ok_and(|name| api.engine.images().has(&name));
    let (id, _) = api.engine.images().identity(&name).map_err(|error| reference::failure(&name, error))?;
    let record = |api: &Api| -> Result<Option<ImageRecord>> {
        Ok(api.engine.images().list()?.into_iter().find(|record| record.id == id))
    };
    let before = record(api)?;
    if let Some(before) = before.as_ref().filter(|_| !is_name) {
        check_id(api, before, force)?;
    }
    let removed = api.engine.remove_images(std::slice::from_ref(&name), force)?;
    let mut items = Vec::new();
    for removed in removed {
        let removed = removed.map_err(|error| conflict(api, &name, id.short(), error))?;
        items.extend(removed.into_iter().map(Item::from));
    }
    // docker's digests of a repository go with its last tag.
    let after = record(api)?;
    let mut gone = before.map(|before| before.digests).unwrap_or_default();
    gone.retain(|digest| after.as_ref().is_none_or(|after| !after.digests.contains(digest)));
    gone.retain(|digest| !items.contains(&Item::Untagged(digest.clone())));
    let names = items.iter().take_while(|item| matches!(item, Item::Untagged(_))).count();
    items.splice(names..names, gone.into_iter().map(Item::Untagged));
    exchange.json(200, &items)
}

/// docker's rules for a removal by id, which takes all names.
fn check_id(api: &Api, image: &ImageRecord, force: bool) -> Result<()> {
    let short = image.id.short();
    let id = image.id.to_string();
    let refused = |why: String| Err(Failure::new(409, format!("conflict: unable to delete {short} {why}")));
    let users: Vec<_> = api.engine.list()?.into_iter().filter(|one| one.image_id == id).collect();
    let is_running = |status: Status| !matches!(status, Status::Created | Status::Exited);
    if let Some(user) = users.iter().find(|user| is_running(user.status)) {
        return refused(format!(
            "(cannot be forced) - image is being used by running container {}",
            short_id(&user.id)
        ));
    }
    if force {
        return Ok(());
    }
    if image.names.len() > 1 {
        return refused("(must be forced) - image is referenced in multiple repositories".into());
    }
    match users.first() {
        Some(user) => refused(format!(
            "(must be forced) - image is being used by stopped container {}",
            short_id(&user.id)
        )),
        None => Ok(()),
    }
}

fn conflict(api: &Api, name: &str, image: &str, error: hull_image::Error) -> Failure {
    let hull_image::Error::InUse { container, .. } = &error else { return reference::failure(name, error) };
    let users = api.engine.list().unwrap_or_default();
    let user = users.iter().find(|one| one.name == *container);
    let user = user.map_or(container.as_str(), |user| short_id(&user.id));
    Failure::new(
        409,
        format!(
            "conflict: unable to remove repository reference {name:?} (must force) - container {user} is using its \
             referenced image {image}"
        ),
    )
}

fn short_id(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
