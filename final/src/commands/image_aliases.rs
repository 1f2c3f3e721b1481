//! `image alias`: the names of images.

use anyhow::{Result, bail};
use hull_engine::Engine;
use hull_image::reference::Reference;
use serde::Serialize;

use crate::cli::image_system::{Alias, AliasList};
use crate::persona::Persona;
use crate::ui::human;
use crate::ui::list::{self, Columns};

pub fn run(engine: &Engine, verb: &Alias) -> Result<u8> {
    match verb {
        Alias::Create(args) => {
            let alias = free(engine, &args.alias)?;
            engine.tag_image(&args.image, &alias)?;
        }
        Alias::Delete(args) => {
            engine.untag_image(&args.alias, &[Reference::parse(&args.alias)?])?;
        }
        Alias::Rename(args) => {
            let alias = free(engine, &args.name)?;
            engine.tag_image(&args.alias, &alias)?;
            engine.untag_image(&args.alias, &[Reference::parse(&args.alias)?])?;
        }
        Alias::List(args) => list(engine, args)?,
    }
    Ok(0)
}

/// A name as LXD has it: without the tag that docker adds to a name without a tag.
pub fn lxd_alias(name: &str) -> &str {
    name.strip_suffix(":latest").unwrap_or(name)
}

/// Refuses a name that an image has already.
pub fn free(engine: &Engine, alias: &str) -> Result<Reference> {
    let reference = Reference::parse(alias)?;
    if engine.images().has(&reference) {
        bail!("the alias {alias} exists already: hull image alias delete {alias} takes it away");
    }
    Ok(reference)
}

const COLUMNS: Columns = Columns {
    titles: &[("Alias", "ALIAS"), ("Fingerprint", "FINGERPRINT"), ("Description", "DESCRIPTION")],
    shown: &["Alias", "Fingerprint", "Description"],
};

const LXDS: Columns = Columns {
    titles: &[
        ("Alias", "ALIAS"),
        ("Fingerprint", "FINGERPRINT"),
        ("Type", "TYPE"),
        ("Description", "DESCRIPTION"),
    ],
    shown: &["Alias", "Fingerprint", "Type", "Description"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    alias: String,
    fingerprint: String,
    r#type: &'static str,
    description: String,
}

fn list(engine: &Engine, args: &AliasList) -> Result<()> {
    let is_lxc = Persona::is_lxc();
    let mut rows = Vec::new();
    for image in engine.images().list()?.into_iter().filter(|image| image.damaged.is_none()) {
        let wanted = |name: &&String| args.text.as_ref().is_none_or(|text| name.contains(text.as_str()));
        let names: Vec<_> = image.names.iter().filter(|name| !name.contains('@')).filter(wanted).collect();
        if names.is_empty() {
            continue;
        }
        let id = image.id.to_string();
        let described = engine.described_image(&id)?;
        let description = described.metadata.properties.get("description").cloned().unwrap_or_default();
        rows.extend(names.into_iter().map(|name| Row {
            alias: if is_lxc { lxd_alias(name).to_owned() } else { name.clone() },
            fingerprint: human::short_id(&id).to_owned(),
            r#type: "CONTAINER",
            // In LXD, the description is that of the name. Names in hull have no descriptions.
            description: if is_lxc { String::new() } else { description.clone() },
        }));
    }
    rows.sort_by(|one, other| one.alias.cmp(&other.alias));
    list::print(if is_lxc { LXDS } else { COLUMNS }, &rows, args.format.as_deref())
}
