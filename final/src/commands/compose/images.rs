//! `compose images`: the images that the project's containers were made from.

use std::time::SystemTime;

use anyhow::Result;
use hull_docker::{size, time};
use hull_engine::Engine;
use hull_image::reference::Reference;
use serde::Serialize;

use super::Session;
use super::containers::{Member, OneOff, of_project};
use super::table;
use crate::cli::compose::list::Images;
use crate::ui::{human, output};

/// In the order of Compose's JSON.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    #[serde(rename = "ID")]
    id: String,
    container_name: String,
    repository: String,
    tag: String,
    platform: String,
    size: u64,
    last_tag_time: String,
    #[serde(skip)]
    created: Option<SystemTime>,
}

pub fn images(session: &Session<'_>, args: &Images) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let mut members = of_project(&engine, &name, OneOff::Include)?;
    members.retain(|member| member.is_of(&args.services));
    members.sort_by(|one, other| one.summary.name.cmp(&other.summary.name));
    let rows = members.iter().map(|member| Row::of(&engine, member)).collect::<Result<Vec<Row>>>()?;
    if args.quiet {
        let mut ids: Vec<&str> = Vec::new();
        for row in &rows {
            let id = row.id.split_once(':').map_or(&*row.id, |(_, id)| id);
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.iter().try_for_each(output::line)?;
        return Ok(0);
    }
    let titles = ["CONTAINER", "REPOSITORY", "TAG", "PLATFORM", "IMAGE ID", "SIZE", "CREATED"];
    table::print(&rows, &args.format, &titles, rows.iter().map(Row::cells).collect())?;
    Ok(0)
}

impl Row {
    fn of(engine: &Engine, member: &Member) -> Result<Self> {
        let one = &member.summary;
        let image = engine.inspect_image(&one.image_id)?;
        let (repository, tag) = match Reference::parse(&one.image) {
            Ok(reference) => {
                (reference.familiar_repository(), reference.tag().unwrap_or_default().to_owned())
            }
            Err(_) => Default::default(),
        };
        Ok(Self {
            id: image.id,
            container_name: one.name.clone(),
            repository,
            tag,
            platform: match image.variant.as_deref().unwrap_or_default() {
                "" => format!("{}/{}", image.os, image.architecture),
                variant => format!("{}/{}/{variant}", image.os, image.architecture),
            },
            size: image.size,
            created: time::parse(&image.created, SystemTime::now()).ok(),
            // hull does not record when an image got its name, and the time of its making stands for it, as in Compose.
            last_tag_time: image.created,
        })
    }

    fn cells(&self) -> Vec<String> {
        let or_none = |text: &str| if text.is_empty() { "<none>".to_owned() } else { text.to_owned() };
        vec![
            self.container_name.clone(),
            or_none(&self.repository),
            or_none(&self.tag),
            self.platform.clone(),
            human::short_id(&self.id).to_owned(),
            size::human(self.size),
            self.created.map_or(String::new(), |at| format!("{} ago", human::since(at))),
        ]
    }
}
