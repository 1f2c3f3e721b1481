//! `lxc image`: LXD's words over the same images as `hull image`.

use anyhow::{Result, bail};
use hull_engine::Engine;
use hull_image::lxd::Described;
use hull_image::simplestreams::Offered;
use serde_json::json;

use super::tables::{self, Entry};
use crate::cli::lxc::image::{Image, List};
use crate::commands::image_aliases::lxd_alias;
use crate::commands::{image_aliases, image_export, image_import, image_properties, remotes};
use crate::ui::errors;
use crate::ui::hints::Code;
use crate::ui::human;

pub fn run(engine: &Engine, verb: &Image) -> Result<u8> {
    match verb {
        Image::Alias(verb) => image_aliases::run(engine, verb),
        Image::Copy(args) => remotes::copy(engine, args),
        Image::Delete(args) => delete(engine, &args.names),
        Image::Edit(args) => image_properties::edit(engine, &args.name),
        Image::Export(args) => image_export::export(engine, args),
        Image::GetProperty(args) => image_properties::get(engine, args),
        Image::Import(args) => image_import::import(engine, args),
        Image::Info(args) => image_properties::info(engine, &args.name),
        Image::List(args) => list(engine, args),
        Image::Refresh(args) => remotes::refresh(engine, &args.names),
        Image::SetProperty(args) => image_properties::set(engine, args),
        Image::Show(args) => image_properties::show(engine, &args.name),
        Image::UnsetProperty(args) => image_properties::unset(engine, args),
    }
}

/// Removes images with all their names. The files of an image that a container uses stay until the container is removed.
fn delete(engine: &Engine, names: &[String]) -> Result<u8> {
    let mut code = 0;
    for name in names {
        let removed = engine.described_image(name).and_then(|described| {
            if !described.aliases.is_empty() {
                engine.untag_image(&described.id.to_string(), &[])?;
            }
            engine.remove_unnamed_image(&described.id)
        });
        if let Err(error) = removed {
            code = errors::report(&error.into(), Code::Plain);
        }
    }
    Ok(code)
}

const COLUMNS: &[(char, &str)] = &[
    ('l', "ALIAS"),
    ('L', "ALIASES"),
    ('f', "FINGERPRINT"),
    ('F', "FINGERPRINT"),
    ('p', "PUBLIC"),
    ('d', "DESCRIPTION"),
    ('a', "ARCHITECTURE"),
    ('t', "TYPE"),
    ('s', "SIZE"),
    ('u', "UPLOAD DATE"),
];

fn list(engine: &Engine, args: &List) -> Result<u8> {
    let mut titles = Vec::new();
    for letter in letters(&args.columns) {
        let Some((_, title)) = COLUMNS.iter().find(|(known, _)| *known == letter) else {
            let known: Vec<String> =
                COLUMNS.iter().map(|(letter, title)| format!("{letter} {title}")).collect();
            bail!(
                "invalid columns {:?}: there is no column {letter:?}, but {}",
                args.columns,
                known.join(", ")
            );
        };
        titles.push(*title);
    }
    let filters = &args.words[..];
    if let [first, rest @ ..] = filters
        && first.ends_with(':')
    {
        if !rest.is_empty() {
            bail!("the images of a remote are listed without filters");
        }
        let Some(images) = remotes::named_images(engine, first)? else {
            bail!("there is no remote {first:?}: lxc remote list shows those that there are");
        };
        let entries = images.iter().map(|image| offered_entry(&args.columns, image)).collect();
        return tables::print(&args.format, &titles, sorted(entries));
    }
    let mut entries = Vec::new();
    for image in engine.images().list()?.into_iter().filter(|image| image.damaged.is_none()) {
        let described = engine.described_image(&image.id.to_string())?;
        if !filters.iter().all(|filter| fits(&described, filter)) {
            continue;
        }
        let created = image.created.as_deref().unwrap_or_default();
        entries.push(Entry {
            cells: letters(&args.columns).map(|letter| cell(letter, &described, created)).collect(),
            object: object(&described, created),
        });
    }
    tables::print(&args.format, &titles, sorted(entries))
}

fn letters(columns: &str) -> impl Iterator<Item = char> {
    columns.chars().filter(|letter| *letter != ',')
}

fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|one, other| one.cells.cmp(&other.cells));
    entries
}

/// An image that a remote has.
fn offered_entry(columns: &str, image: &Offered) -> Entry {
    let fingerprint = image.fingerprint.to_string();
    let hex = fingerprint.rsplit(':').next().unwrap_or_default();
    // A version is the day on which it was made, and perhaps the time.
    let day = image.serial.get(..8).filter(|day| day.bytes().all(|byte| byte.is_ascii_digit()));
    let created = day.map(|day| format!("{}-{}-{}T00:00:00Z", &day[..4], &day[4..6], &day[6..]));
    let created = created.unwrap_or_default();
    let mut aliases: Vec<&str> = image.aliases.iter().map(String::as_str).collect();
    aliases.sort_by_key(|alias| alias.len());
    let cell = |letter| match letter {
        'l' => shortest(&aliases),
        'L' => aliases.join("\n"),
        'f' => human::short_id(hex).to_owned(),
        'F' => hex.to_owned(),
        'p' => "yes".into(),
        'd' => image.properties.get("description").cloned().unwrap_or_default(),
        'a' => image.architecture.clone(),
        't' => "CONTAINER".into(),
        's' => size(image.size),
        'u' => date(&created),
        _ => String::new(),
    };
    let named = image.aliases.iter().map(|alias| json!({ "name": alias, "description": "" }));
    let object = json!({
        "aliases": named.collect::<Vec<_>>(),
        "architecture": image.architecture,
        "auto_update": false,
        "cached": false,
        "created_at": created,
        "fingerprint": hex,
        "properties": image.properties,
        "public": true,
        "size": image.size,
        "type": "container",
        "uploaded_at": created,
    });
    Entry { cells: letters(columns).map(cell).collect(), object }
}

/// The shortest name, and how many others there are.
fn shortest(aliases: &[&str]) -> String {
    match aliases {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [shortest, others @ ..] => format!("{shortest} ({} more)", others.len()),
    }
}

/// Whether an image fits a filter: a property, the beginning of a fingerprint, or a part of a name.
fn fits(image: &Described, filter: &str) -> bool {
    match filter.split_once('=') {
        Some((key, value)) => image.metadata.properties.get(key).is_some_and(|own| own == value),
        None => {
            image.id.hex().starts_with(filter) || image.aliases.iter().any(|alias| alias.contains(filter))
        }
    }
}

fn cell(letter: char, image: &Described, created: &str) -> String {
    let mut aliases: Vec<&str> = image.aliases.iter().map(|alias| lxd_alias(alias)).collect();
    aliases.sort_by_key(|alias| alias.len());
    match letter {
        'l' => shortest(&aliases),
        'L' => aliases.join("\n"),
        'f' => human::short_id(image.id.hex()).to_owned(),
        'F' => image.id.hex().to_owned(),
        'p' => "no".into(),
        'd' => image.metadata.properties.get("description").cloned().unwrap_or_default(),
        'a' => image.metadata.architecture.clone(),
        't' => "CONTAINER".into(),
        's' => size(image.size),
        'u' => date(created),
        _ => String::new(),
    }
}

/// Two digits after the point, and units of 1000.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if bytes < 1000 {
        return format!("{bytes}B");
    }
    let power = usize::try_from(bytes.ilog(1000)).unwrap_or(1).clamp(1, UNITS.len());
    let unit = 1000_u64.pow(u32::try_from(power).unwrap_or(1));
    format!("{:.2}{}", bytes as f64 / unit as f64, UNITS[power - 1])
}

/// A time in RFC 3339 as `Nov 30, 2026 at 2:05am (UTC)`. Empty if the text is no time.
fn date(text: &str) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let Ok(time) = humantime::parse_rfc3339(text) else { return String::new() };
    let text = humantime::format_rfc3339_seconds(time).to_string();
    let number = |range| text.get(range).and_then(|digits: &str| digits.parse::<usize>().ok()).unwrap_or(0);
    let (hour, half) = (number(11..13), if number(11..13) < 12 { "am" } else { "pm" });
    let month = MONTHS.get(number(5..7).wrapping_sub(1)).unwrap_or(&"");
    let hour = if hour % 12 == 0 { 12 } else { hour % 12 };
    format!("{month} {}, {} at {hour}:{:02}{half} (UTC)", number(8..10), number(0..4), number(14..16))
}

fn object(image: &Described, created: &str) -> serde_json::Value {
    let aliases = image.aliases.iter().map(|alias| json!({ "name": lxd_alias(alias), "description": "" }));
    json!({
        "aliases": aliases.collect::<Vec<_>>(),
        "architecture": image.metadata.architecture,
        "auto_update": false,
        "cached": false,
        "created_at": created,
        "fingerprint": image.id.hex(),
        "properties": image.metadata.properties,
        "public": false,
        "size": image.size,
        "type": "container",
        "uploaded_at": created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_lxd() {
        assert_eq!(date("2026-11-30T02:05:09.5Z"), "Nov 30, 2026 at 2:05am (UTC)");
        assert_eq!(date("2026-01-02T12:45:00Z"), "Jan 2, 2026 at 12:45pm (UTC)");
        assert_eq!(date("2026-01-02T00:45:00Z"), "Jan 2, 2026 at 12:45am (UTC)");
        assert_eq!(date(""), "");
        assert_eq!([size(999), size(1000), size(2_330_000)], ["999B", "1.00kB", "2.33MB"]);
    }
}
