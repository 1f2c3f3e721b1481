//! `image info`, `show` and the properties of images, in LXD's words.

use std::fmt::Write;

use anyhow::{Result, bail};
use hull_docker::size;
use hull_engine::{Engine, Timestamp};
use hull_image::lxd::Described;
use hull_lxd::document::{mapping, texts};
use hull_printable::cell as shown;

use super::image_aliases::lxd_alias;
use super::{remotes, settings};
use crate::cli::image_system::{GetProperty, SetProperty};
use crate::persona::Persona;
use crate::ui::output;

/// LXD's text for no time.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// An image of this machine, or of a server if it is named with its remote.
fn described(engine: &Engine, name: &str) -> Result<Described> {
    match remotes::described(engine, name)? {
        Some(described) => Ok(described),
        None => Ok(engine.described_image(name)?),
    }
}

pub fn info(engine: &Engine, name: &str) -> Result<u8> {
    let described = described(engine, name)?;
    let mut text = String::new();
    let _ = writeln!(text, "Fingerprint: {}", described.id.hex());
    if let Some(fingerprint) = &described.fingerprint {
        let _ = writeln!(text, "LXD's fingerprint: {}", shown(fingerprint));
    }
    let _ = writeln!(text, "Size: {}", size::human(described.size));
    let _ = writeln!(text, "Architecture: {}", shown(&described.metadata.architecture));
    let _ = writeln!(text, "Type: container\nTimestamps:");
    let _ = writeln!(text, "    Created: {}", time(described.metadata.creation_date));
    let expires = match described.metadata.expiry_date {
        0 => "never".to_owned(),
        at if Timestamp::at(at).is_none() => "never".to_owned(),
        at => time(at),
    };
    let _ = writeln!(text, "    Expires: {expires}\nProperties:");
    for (key, value) in &described.metadata.properties {
        let _ = writeln!(text, "    {}: {}", shown(key), shown(value));
    }
    let _ = writeln!(text, "Aliases:");
    for alias in &described.aliases {
        let _ = writeln!(text, "    - {}", if Persona::is_lxc() { lxd_alias(alias) } else { alias });
    }
    output::text(&text)?;
    Ok(0)
}

/// A time in RFC 3339.
fn time(seconds: i64) -> String {
    let time = Timestamp::at(seconds.max(0));
    time.map_or(NEVER.to_owned(), |time| humantime::format_rfc3339_seconds(time.0).to_string())
}

pub fn show(engine: &Engine, name: &str) -> Result<u8> {
    let described = described(engine, name)?;
    if Persona::is_lxc() {
        // What LXD has in addition to the properties. It is the same for each of hull's images.
        output::text(&hull_lxd::yaml::write(&serde_json::json!({
            "auto_update": false,
            "properties": described.metadata.properties,
            "public": false,
            "expires_at": "0001-01-01T00:00:00Z",
            "profiles": ["default"],
        })))?;
        return Ok(0);
    }
    output::text(&yaml(&described))?;
    Ok(0)
}

/// What `show` prints.
pub fn yaml(described: &Described) -> String {
    hull_lxd::yaml::write(&serde_json::json!({ "properties": described.metadata.properties }))
}

pub fn get(engine: &Engine, args: &GetProperty) -> Result<u8> {
    let described = engine.described_image(&args.name)?;
    match described.metadata.properties.get(&args.key) {
        Some(value) => output::line(value)?,
        None => {
            bail!("the image {} has no property {:?}: hull image show {0} lists them", args.name, args.key)
        }
    }
    Ok(0)
}

pub fn set(engine: &Engine, args: &SetProperty) -> Result<u8> {
    if args.key.is_empty() {
        bail!("a property has a name");
    }
    engine.change_image_properties(&args.name, |properties| {
        properties.insert(args.key.clone(), args.value.clone());
        Ok(())
    })?;
    Ok(0)
}

/// The entries that an edited document may have, including those that only LXD's `show` prints.
const KNOWN: [&str; 5] = ["properties", "auto_update", "public", "expires_at", "profiles"];

const HELP: &str = "The properties of an image. Lines that begin with # are ignored.";

pub fn edit(engine: &Engine, name: &str) -> Result<u8> {
    let document = yaml(&engine.described_image(name)?);
    settings::edit(&document, HELP, |text| {
        let document = mapping(text, &KNOWN).map_err(hull_engine::Error::from)?;
        for key in ["auto_update", "public"] {
            if document.get(key).and_then(serde_json::Value::as_bool) == Some(true) {
                bail!(
                    "{key} cannot be true: hull serves no images, and fetches newer ones only when it is told to"
                );
            }
        }
        let wanted = texts(document.get("properties"), "properties").map_err(hull_engine::Error::from)?;
        engine.change_image_properties(name, |properties| {
            *properties = wanted;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(0)
}

pub fn unset(engine: &Engine, args: &GetProperty) -> Result<u8> {
    let mut was_there = false;
    engine.change_image_properties(&args.name, |properties| {
        was_there = properties.remove(&args.key).is_some();
        Ok(())
    })?;
    if !was_there {
        bail!("the image {} has no property {:?}: hull image show {0} lists them", args.name, args.key);
    }
    Ok(0)
}
