//! `inspect`: containers, images, volumes and networks, found by name.

use anyhow::{Result, bail};
use hull_docker::wire::container::Container;
use hull_docker::wire::image::Image;
use hull_docker::wire::network::Network;
use hull_docker::wire::volume::Volume;
use hull_engine::Engine;
use hull_image::platform::Platform;
use hull_sys::Kind;
use serde::Serialize;

use super::registry;
use super::remote_image::RemoteImage;
use super::selection;
use crate::cli::container::Inspect;
use crate::cli::image;
use crate::ui::errors;
use crate::ui::hints::Code;
use crate::ui::output;

const KINDS: [&str; 4] = ["container", "image", "volume", "network"];

/// `kind` is what is looked for unless `--type` says otherwise.
pub fn inspect(engine: &Engine, args: &Inspect, kind: Option<&str>) -> Result<u8> {
    let kind = args.kind.as_deref().or(kind);
    if let Some(kind) = kind.filter(|kind| !KINDS.contains(kind)) {
        bail!("unknown type {kind:?}: it is one of {}", KINDS.join(", "));
    }
    let look = |name: &str, kind: Option<&str>| {
        let object = any(engine, name, kind, args.size)?;
        if let (true, Some(what)) = (args.size, object.without_size()) {
            errors::warn(&format!("--size ignored for {what}"), "it is for containers");
        }
        Ok(object)
    };
    if args.latest {
        let latest = selection::latest(engine)?;
        return show(&[latest], args.format.as_deref(), |name| look(name, Some("container")));
    }
    show(&args.names, args.format.as_deref(), |name| look(name, kind))
}

pub fn images(engine: &Engine, args: &image::Inspect) -> Result<u8> {
    let format = args.format.as_deref();
    if !args.remote {
        return show(&args.names, format, |name| Ok(engine.inspect_image(name)?));
    }
    let access = registry::access(&args.access)?;
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    show(&args.names, format, |name| {
        let candidates = access.settings().candidates(name)?;
        RemoteImage::of(hull_image::remote::inspect(&access, &candidates, platform.as_ref())?)
    })
}

/// Prints the objects that were found, and then an error for each name that was not.
pub fn show<T: Serialize>(
    names: &[String],
    format: Option<&str>,
    look: impl Fn(&str) -> Result<T>,
) -> Result<u8> {
    let (mut found, mut missing) = (vec![], vec![]);
    for name in names {
        match look(name) {
            Ok(object) => found.push(serde_json::to_value(object)?),
            Err(error) => missing.push(error),
        }
    }
    output::inspected(&found, format)?;
    Ok(missing.iter().map(|error| errors::report(error, Code::Plain)).max().unwrap_or(0))
}

/// An object's JSON, in docker's layout for its kind.
#[derive(Serialize)]
#[serde(untagged)]
enum Object {
    Container(Box<Container>),
    Image(Box<Image>),
    Volume(Volume),
    Network(Network),
}

impl Object {
    /// docker's name for an object that has no size of its own.
    fn without_size(&self) -> Option<&'static str> {
        match self {
            Self::Container(_) => None,
            Self::Image(_) => Some("images"),
            Self::Volume(_) => Some("volume"),
            Self::Network(_) => Some("network"),
        }
    }
}

fn any(engine: &Engine, name: &str, kind: Option<&str>, with_size: bool) -> Result<Object> {
    let inspected = || if with_size { engine.inspect_with_size(name) } else { engine.inspect(name) };
    let container = || inspected().map(|container| Object::Container(Box::new(container)));
    match kind {
        Some("container") => return Ok(container()?),
        Some("image") => return Ok(Object::Image(Box::new(engine.inspect_image(name)?))),
        Some("network") => return Ok(Object::Network(engine.inspect_network(name)?)),
        Some(_) => return Ok(Object::Volume(engine.inspect_volume(name)?)),
        None => {}
    }
    match container() {
        Err(error) if error.is_no_such_container() => {}
        other => return Ok(other?),
    }
    match engine.inspect_image(name) {
        Err(error) if is_absent(error.kind()) => {}
        other => return Ok(Object::Image(Box::new(other?))),
    }
    match engine.inspect_volume(name) {
        Err(error) if is_absent(error.kind()) => {}
        other => return Ok(Object::Volume(other?)),
    }
    match engine.inspect_network(name) {
        Err(hull_engine::Error::NoSuchNetwork(_)) => {
            bail!("No such object: {name}: neither a container nor an image nor a volume nor a network")
        }
        other => Ok(Object::Network(other?)),
    }
}

/// Whether an error means that no object has this name. A name may also be one that no object of this sort can have. Any
/// other error is about an object that exists, and is reported as it is.
fn is_absent(kind: Kind) -> bool {
    matches!(kind, Kind::NotFound | Kind::Invalid)
}
