//! Verbs on images.

use std::io::IsTerminal;

use anyhow::{Result, bail};
use hull_docker::filters::image::refers;
use hull_docker::filters::prune::Pruned;
use hull_docker::size;
use hull_docker::time;
use hull_docker::wire::disk_usage::ImageSummary;
use hull_engine::{Engine, retain_names};
use hull_image::archive::{LoadSource, SaveCompression, SaveFormat};
use hull_image::platform::Platform;
use hull_image::reference::Reference;
use hull_image::remove::Removed;
use hull_image::store::ImageRecord;
use serde::Serialize;

use super::{each, filter, podman, prune, registry, remotes};
use crate::cli::image::{List, Load, Prune, Remove, Save, Tag, Untag};
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use crate::ui::{errors, human, output};

pub(super) const COLUMNS: Columns = Columns {
    titles: &[
        ("ID", "IMAGE ID"),
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
        ("VirtualSize", "SIZE"),
        ("Containers", "CONTAINERS"),
        ("SharedSize", "SHARED SIZE"),
        ("UniqueSize", "UNIQUE SIZE"),
    ],
    shown: &["Repository", "Tag", "ID", "CreatedSince", "Size"],
};

const WITH_DIGESTS: Columns =
    Columns { shown: &["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"], ..COLUMNS };

pub fn list(engine: &Engine, args: &List) -> Result<u8> {
    if let Some(name) = &args.name
        && remotes::list_images(engine, name, args.format.as_deref())?
    {
        return Ok(0);
    }
    let mut records = engine.list_images(&filter::images(&args.filter)?)?;
    warn_of_damaged(&records);
    if let Some(name) = &args.name {
        retain_names(&mut records, |own| refers(name, own));
    }
    if args.quiet {
        for record in &records {
            let id = record.id.to_string();
            output::line(if args.no_trunc { &id } else { human::short_id(&id) })?;
        }
        return Ok(0);
    }
    if Persona::is_podman() && args.format.as_deref() == Some("json") {
        let all = engine.list()?;
        podman::images::print(&records, |id| all.iter().filter(|one| one.image_id == id).count())?;
        return Ok(0);
    }
    let rows: Vec<Row> = records.iter().flat_map(|record| rows(record, args.no_trunc)).collect();
    let columns = if args.digests { WITH_DIGESTS } else { COLUMNS };
    list::print_as(columns, &rows, args.format.as_deref(), args.noheading)?;
    Ok(0)
}

/// Warns about damaged images, which are listed with the fields that are known.
fn warn_of_damaged(records: &[ImageRecord]) {
    for record in records {
        let Some(why) = &record.damaged else { continue };
        let id = record.id.to_string();
        let name = record.names.first().map_or(human::short_id(&id), String::as_str);
        errors::warn(
            &format!("image {name} is damaged: {why}"),
            &format!("hull system check --repair fetches it again; hull rmi -f {name} removes it"),
        );
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Row {
    #[serde(rename = "ID")]
    id: String,
    repository: String,
    tag: String,
    digest: String,
    created_since: String,
    created_at: String,
    size: String,
    virtual_size: String,
    containers: String,
    shared_size: String,
    unique_size: String,
}

impl Row {
    /// With what `system df` has counted.
    pub(super) fn with_usage(self, usage: &ImageSummary) -> Self {
        let bytes = |bytes: i64| size::summed(u64::try_from(bytes).unwrap_or(0));
        Self {
            containers: usage.containers.to_string(),
            shared_size: bytes(usage.shared_size),
            unique_size: bytes(usage.size - usage.shared_size),
            virtual_size: bytes(usage.size),
            ..self
        }
    }
}

/// docker's text for a value that was not counted.
const UNKNOWN: &str = "N/A";

/// One row for each name.
pub(super) fn rows(record: &ImageRecord, no_trunc: bool) -> Vec<Row> {
    let id = record.id.to_string();
    let created = record.created.as_deref().and_then(|time| humantime::parse_rfc3339(time).ok());
    let none = ["<none>:<none>".to_owned()];
    let names = if record.names.is_empty() { &none[..] } else { &record.names };
    let row = |name: &String| {
        let full = Persona::is_podman().then(|| podman::images::full_name(name));
        let (repository, tag) = split(full.as_ref().unwrap_or(name));
        Row {
            id: if no_trunc { id.clone() } else { human::short_id(&id).to_owned() },
            repository: repository.to_owned(),
            tag: tag.to_owned(),
            digest: record.manifest_digest.to_string(),
            created_since: match created {
                Some(at) => format!("{} ago", human::since(at)),
                None if record.damaged.is_some() => "damaged".into(),
                None => UNKNOWN.into(),
            },
            created_at: created.map_or(UNKNOWN.into(), time::go),
            size: size::human(record.size),
            virtual_size: size::human(record.size),
            containers: UNKNOWN.into(),
            shared_size: UNKNOWN.into(),
            unique_size: UNKNOWN.into(),
        }
    };
    names.iter().map(row).collect()
}

/// Repository and tag. A reference by digest has no tag.
pub fn split(name: &str) -> (&str, &str) {
    match name.split_once('@') {
        Some((repository, _)) => (repository, "<none>"),
        None => name.rsplit_once(':').unwrap_or((name, "<none>")),
    }
}

pub fn untag(engine: &Engine, args: &Untag) -> Result<u8> {
    let names =
        args.names.iter().map(|name| Reference::parse(name)).collect::<hull_image::Result<Vec<_>>>()?;
    for name in engine.untag_image(&args.name, &names)? {
        output::line(format!("Untagged: {name}"))?;
    }
    Ok(0)
}

pub fn tag(engine: &Engine, args: &Tag) -> Result<u8> {
    engine.tag_image(&args.source, &Reference::parse(&args.target)?)?;
    Ok(0)
}

pub fn remove(engine: &Engine, args: &Remove) -> Result<u8> {
    if args.remote {
        let access = registry::access(&args.access)?;
        return each(&args.names, |name| {
            let digest = hull_image::remote::delete(&access, &Reference::parse(name)?)?;
            Ok(Some(format!("Deleted: {digest}")))
        });
    }
    // All names at once: a change of the catalog costs the same for one name and for many.
    let names = match args.all {
        true => engine.images().list()?.into_iter().map(|record| record.id.to_string()).collect(),
        false => args.names.clone(),
    };
    let mut outcomes = engine.remove_images(&names, args.force)?.into_iter();
    each(&names, |_| {
        let removed = match outcomes.next().transpose() {
            Err(hull_image::Error::NoSuchImage { .. }) if args.ignore => return Ok(None),
            removed => removed?.unwrap_or_default(),
        };
        let lines = removed.iter().map(|what| match what {
            Removed::Untagged(name) => format!("Untagged: {name}"),
            Removed::Deleted(id) => format!("Deleted: {id}"),
        });
        Ok(Some(lines.collect::<Vec<_>>().join("\n")))
    })
}

pub fn prune_images(engine: &Engine, args: &Prune) -> Result<u8> {
    let filters = prune::filters(&args.filter, Pruned::Images)?;
    let what = match args.all || filters.ask_for_all() {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    };
    if !args.force && !output::confirm(&format!("WARNING! This will remove {what}."))? {
        return Ok(0);
    }
    let pruned = engine.prune_fitting_images(args.all, &filters)?;
    let lines: Vec<String> = pruned.lines().collect();
    prune::print("Deleted Images:", &lines)?;
    prune::print_total(pruned.bytes)?;
    Ok(0)
}

pub fn load(engine: &Engine, args: &Load) -> Result<u8> {
    let source = match &args.input {
        Some(path) => LoadSource::Path(path.clone()),
        None if std::io::stdin().is_terminal() => {
            bail!(
                "requested load from stdin, but stdin is a terminal: give the archive with -i, or by a pipe"
            )
        }
        None => LoadSource::Stream(Box::new(std::io::stdin().lock())),
    };
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    for image in engine.load_images(source, platform.as_ref())? {
        if image.names.is_empty() {
            output::line(format!("Loaded image ID: {}", image.id))?;
        } else {
            image.names.iter().try_for_each(|name| output::line(format!("Loaded image: {name}")))?;
        }
    }
    Ok(0)
}

pub fn save(engine: &Engine, args: &Save) -> Result<u8> {
    let format = match args.format.as_str() {
        "oci-archive" => SaveFormat::OciArchive,
        _ => SaveFormat::DockerArchive,
    };
    let compression = match args.compress.as_deref() {
        Some("gzip") => SaveCompression::Gzip,
        Some(_) => SaveCompression::Zstd,
        None => SaveCompression::None,
    };
    match &args.output {
        None => engine.save_images(&args.names, output::binary("-o")?, format, compression)?,
        Some(path) => {
            output::file(path, |file| Ok(engine.save_images(&args.names, file, format, compression)?))?;
        }
    }
    Ok(0)
}
