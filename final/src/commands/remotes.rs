//! `remote`, and images of remotes: `image copy`, `image ls REMOTE:`, `launch REMOTE:IMAGE`.

use anyhow::{Result, bail};
use hull_docker::size;
use hull_engine::{Engine, LOCAL, Remote, Remotes};
use hull_image::lxd::{Described, Metadata};
use hull_image::reference::Reference;
use hull_image::registry::Access;
use hull_image::simplestreams::{Offered, Server};
use serde::Serialize;

use super::{daemon, registry};
use crate::cli::image_system::Copy;
use crate::cli::remote;
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use crate::ui::{human, output};

pub fn run(engine: &Engine, verb: &remote::Remote) -> Result<u8> {
    match verb {
        remote::Remote::Add(args) => {
            let remote = checked(&args.url)?;
            engine.change_remotes(|remotes| remotes.add(&args.name, remote))?;
        }
        remote::Remote::GetDefault(_) => output::line(engine.remotes()?.default)?,
        remote::Remote::List(args) => list_remotes(engine, args)?,
        remote::Remote::Remove(args) => {
            engine.change_remotes(|remotes| remotes.remove(&args.name).map(drop))?
        }
        remote::Remote::Rename(args) => {
            engine.change_remotes(|remotes| remotes.rename(&args.name, &args.new))?
        }
        remote::Remote::SetUrl(args) => {
            let remote = checked(&args.url)?;
            engine.change_remotes(|remotes| remotes.set(&args.name, remote))?;
        }
        remote::Remote::Switch(args) => engine.change_remotes(|remotes| remotes.switch(&args.name))?,
    }
    Ok(0)
}

/// Refuses an address from which no images can be fetched.
fn checked(url: &str) -> Result<Remote> {
    Server::new(&access()?, url)?;
    Ok(Remote { url: url.to_owned() })
}

fn access() -> Result<Access> {
    Ok(Access::new(registry::default_options(daemon::read()?))?)
}

const REMOTES: Columns = Columns {
    titles: &[("Name", "NAME"), ("URL", "URL"), ("Protocol", "PROTOCOL"), ("Default", "DEFAULT")],
    shown: &["Name", "URL", "Protocol", "Default"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RemoteRow {
    name: String,
    #[serde(rename = "URL")]
    url: String,
    protocol: String,
    default: String,
}

fn list_remotes(engine: &Engine, args: &remote::List) -> Result<()> {
    let Remotes { default, remotes } = engine.remotes()?;
    let row = |name: &str, url: &str, protocol: &str| RemoteRow {
        name: name.into(),
        url: url.into(),
        protocol: protocol.into(),
        default: if name == default { "yes" } else { "no" }.into(),
    };
    let local = row(LOCAL, "", "hull");
    let others = remotes.iter().map(|(name, remote)| row(name, &remote.url, "simplestreams"));
    let rows: Vec<_> = [local].into_iter().chain(others).collect();
    list::print(REMOTES, &rows, args.format.as_deref())
}

/// `image copy REMOTE:IMAGE [local:]`.
pub fn copy(engine: &Engine, args: &Copy) -> Result<u8> {
    if args.target.as_deref().is_some_and(|target| target != "local:") {
        bail!(
            "hull copies images to this machine, which is local: and need not be said; hull push sends them to a registry"
        );
    }
    let remotes = engine.remotes()?;
    let Some((remote, image)) = remotes.split_or_default(&args.source) else {
        bail!(
            "{:?} names no remote: expected REMOTE:IMAGE, and hull remote list shows the remotes",
            args.source
        );
    };
    let access = access()?;
    let offered = engine.offered_image(&access, remote, image)?;
    let copied = if args.copy_aliases { &offered.aliases[..] } else { &[] };
    let names = args.alias.iter().chain(copied).map(|name| Reference::parse(name));
    let names = names.collect::<Result<Vec<_>, _>>()?;
    output::own(engine.copy_image(&access, (remote, image), &offered, &names)?)?;
    output::lxds("Image copied successfully!")?;
    Ok(0)
}

/// `image refresh IMAGE…`.
pub fn refresh(engine: &Engine, names: &[String]) -> Result<u8> {
    let access = access()?;
    super::each(names, |name| {
        let new = engine.refresh_image(&access, name)?;
        Ok(match (Persona::own(), new) {
            (Persona::Lxc, None) => Some("Image already up to date.".into()),
            (Persona::Lxc, Some(_)) => Some("Image refreshed successfully!".into()),
            (_, new) => Some(new.map_or_else(|| format!("{name}: up to date"), |id| id.to_string())),
        })
    })
}

/// An image of a server, named with its remote, in LXD's words. `None` if the word names an image of this machine, or no
/// remote.
pub fn described(engine: &Engine, word: &str) -> Result<Option<Described>> {
    let remotes = engine.remotes()?;
    let Some((remote, image)) = remotes.split(word) else { return Ok(None) };
    if engine.images().identity(word).is_ok() {
        return Ok(None);
    }
    let offered = engine.offered_image(&access()?, remote, image)?;
    let metadata = Metadata {
        architecture: offered.architecture,
        creation_date: day(&offered.serial).unwrap_or_default(),
        properties: offered.properties,
        ..Metadata::default()
    };
    Ok(Some(Described {
        id: offered.fingerprint,
        aliases: offered.aliases,
        metadata,
        fingerprint: None,
        source: None,
        size: offered.size,
    }))
}

/// The day with which the name of a version begins, `20231114…`, in seconds since the epoch.
fn day(serial: &str) -> Option<i64> {
    let (year, month, day) = (serial.get(..4)?, serial.get(4..6)?, serial.get(6..8)?);
    let time = humantime::parse_rfc3339(&format!("{year}-{month}-{day}T00:00:00Z")).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// Fetches an image that is named with its remote, unless it is here already, and returns its id. `None` if the word names
/// an image of this machine, or no remote.
pub fn fetched(engine: &Engine, word: &str) -> Result<Option<String>> {
    let remotes = engine.remotes()?;
    let Some((remote, image)) = remotes.split_or_default(word) else { return Ok(None) };
    if engine.images().identity(word).is_ok() {
        return Ok(None);
    }
    let access = access()?;
    let offered = engine.offered_image(&access, remote, image)?;
    Ok(Some(engine.copy_image(&access, (remote, image), &offered, &[])?.to_string()))
}

const IMAGES: Columns = Columns {
    titles: &[
        ("Alias", "ALIAS"),
        ("Fingerprint", "FINGERPRINT"),
        ("Description", "DESCRIPTION"),
        ("Architecture", "ARCHITECTURE"),
        ("Size", "SIZE"),
    ],
    shown: &["Alias", "Fingerprint", "Description", "Architecture", "Size"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageRow {
    alias: String,
    fingerprint: String,
    description: String,
    architecture: String,
    size: String,
}

/// The images of a server that have names. `None` if the word names no remote.
pub fn named_images(engine: &Engine, word: &str) -> Result<Option<Vec<Offered>>> {
    let remotes = engine.remotes()?;
    // `ubuntu:22.04` is docker's name of an image, so a word names a remote only if nothing follows the colon.
    let found = remotes.split(word);
    if let (None, Some(name)) = (&found, word.strip_suffix(':').filter(|name| *name != hull_engine::LOCAL)) {
        remotes.find(name)?;
    }
    let Some((remote, "")) = found else { return Ok(None) };
    let images = Server::new(&access()?, &remote.url)?.images()?;
    Ok(Some(images.into_iter().filter(|image| !image.aliases.is_empty()).collect()))
}

/// `image ls REMOTE:`: lists the images of a server. False if the word names no remote.
pub fn list_images(engine: &Engine, word: &str, format: Option<&str>) -> Result<bool> {
    let Some(images) = named_images(engine, word)? else { return Ok(false) };
    let rows: Vec<_> = images
        .iter()
        .map(|image| ImageRow {
            alias: image.aliases[0].clone(),
            fingerprint: human::short_id(&image.fingerprint.to_string()).to_owned(),
            description: image.properties.get("description").cloned().unwrap_or_default(),
            architecture: image.architecture.clone(),
            size: size::human(image.size),
        })
        .collect();
    list::print(IMAGES, &rows, format)?;
    Ok(true)
}
