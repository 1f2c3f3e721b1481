//! `profile`: settings that containers share.

use std::io::IsTerminal;

use anyhow::Result;
use hull_engine::{Engine, Error};
use hull_lxd::{Devices, document, yaml};
use serde::Serialize;

use super::each;
use super::settings::{each_pair, edit, pairs, put, read_stdin, say_what_needs_restart};
use crate::cli::profile::{Assign, Device, DeviceAdd, DeviceSet, OfContainer, Profile};
use crate::persona::Persona;
use crate::ui::list::{self, Columns};
use crate::ui::output;

const HELP: &str = "A profile. Lines that begin with # are ignored.
A change reaches all containers that use it. The name and used_by are shown, and not changed here.";

const COLUMNS: Columns = Columns {
    titles: &[("Name", "NAME"), ("Description", "DESCRIPTION"), ("UsedBy", "USED BY")],
    shown: &["Name", "Description", "UsedBy"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    description: String,
    used_by: usize,
}

pub fn run(engine: &Engine, verb: &Profile) -> Result<u8> {
    match verb {
        Profile::Add(args) => {
            of_container(engine, &args.container, |profiles| {
                profiles.push(args.profile.clone());
                Ok(())
            })?;
            output::lxds(format!("Profile {} added to {}", args.profile, args.container))?;
        }
        Profile::Assign(args) => assign(engine, args)?,
        Profile::Remove(args) => remove(engine, args)?,
        Profile::Copy(args) => engine.copy_profile(&args.name, &args.new)?,
        Profile::Rename(args) => {
            say_what_needs_restart(&engine.rename_profile(&args.name, &args.new)?);
            output::lxds(format!("Profile {} renamed to {}", args.name, args.new))?;
        }
        Profile::Create(args) => {
            // A document may come from a pipe.
            let text = if std::io::stdin().is_terminal() { String::new() } else { read_stdin()? };
            let mut profile = parse(&text)?;
            profile.description = args.description.clone().unwrap_or(profile.description);
            put(each_pair(&args.config)?, &mut profile.settings.config);
            engine.create_profile(&args.name, &profile)?;
            output::lxds(format!("Profile {} created", args.name))?;
        }
        Profile::Delete(args) => {
            return each(&args.names, |name| {
                engine.delete_profile(name)?;
                output::lxds(format!("Profile {name} deleted"))?;
                Ok(None)
            });
        }
        Profile::Device(verb) => device(engine, verb)?,
        Profile::Edit(args) => edit(&document(engine, &args.name)?.to_yaml(), HELP, |text| {
            let new = parse(text)?;
            change(engine, &args.name, |profile| {
                *profile = new;
                Ok(())
            })
        })?,
        Profile::Get(args) => {
            hull_lxd::keys::find(&args.key).map_err(Error::from)?;
            let profile = engine.profile(&args.name)?;
            output::line(profile.settings.config.get(&args.key).map_or("", String::as_str))?;
        }
        Profile::List(args) => list(engine, args.format.as_deref())?,
        Profile::Set(args) => {
            let pairs = pairs(&args.pairs)?;
            set(engine, &args.name, pairs)?;
        }
        Profile::Show(args) => output::text(&document(engine, &args.name)?.to_yaml())?,
        Profile::Unset(args) => {
            set(engine, &args.name, args.keys.iter().map(|key| (key.clone(), String::new())).collect())?;
        }
    }
    Ok(0)
}

fn parse(text: &str) -> Result<hull_engine::Profile> {
    let document::Profile { description, settings, .. } =
        document::Profile::parse(text).map_err(Error::from)?;
    Ok(hull_engine::Profile { description, settings })
}

fn document(engine: &Engine, name: &str) -> Result<document::Profile> {
    let hull_engine::Profile { description, settings } = engine.profile(name)?;
    let mut used_by = engine.profile_users(name)?;
    if Persona::own() == Persona::Lxc {
        used_by.iter_mut().for_each(|user| *user = format!("/1.0/instances/{user}"));
    }
    Ok(document::Profile { name: name.into(), description, settings, used_by })
}

fn list(engine: &Engine, format: Option<&str>) -> Result<()> {
    let mut rows = Vec::new();
    for (name, profile) in engine.profiles()? {
        let used_by = engine.profile_users(&name)?.len();
        rows.push(Row { description: profile.description, used_by, name });
    }
    list::print(COLUMNS, &rows, format)
}

fn assign(engine: &Engine, args: &Assign) -> Result<()> {
    let named: Vec<String> = args.profiles.iter().filter(|name| !name.is_empty()).cloned().collect();
    let shown = if named.is_empty() { "(none)".to_owned() } else { named.join(",") };
    of_container(engine, &args.container, |profiles| {
        *profiles = named;
        Ok(())
    })?;
    output::lxds(format!("Profiles {shown} applied to {}", args.container))
}

fn remove(engine: &Engine, args: &OfContainer) -> Result<()> {
    of_container(engine, &args.container, |profiles| {
        let before = profiles.len();
        profiles.retain(|name| *name != args.profile);
        match profiles.len() == before {
            true => Err(Error::NoSuchProfile(format!("{} of {}", args.profile, args.container))),
            false => Ok(()),
        }
    })?;
    output::lxds(format!("Profile {} removed from {}", args.profile, args.container))
}

fn of_container(
    engine: &Engine,
    container: &str,
    edit: impl FnOnce(&mut Vec<String>) -> hull_engine::Result<()>,
) -> Result<()> {
    let applied = engine.reconfigure(container, |instance| edit(&mut instance.profiles))?;
    say_what_needs_restart(&[applied]);
    Ok(())
}

fn change(
    engine: &Engine,
    name: &str,
    edit: impl FnOnce(&mut hull_engine::Profile) -> hull_engine::Result<()>,
) -> Result<()> {
    say_what_needs_restart(&engine.change_profile(name, edit)?);
    Ok(())
}

fn set(engine: &Engine, name: &str, pairs: Vec<(String, String)>) -> Result<()> {
    change(engine, name, |profile| {
        for (key, _) in pairs.iter().filter(|(_, value)| value.is_empty()) {
            hull_lxd::keys::find(key)?;
        }
        put(pairs, &mut profile.settings.config);
        Ok(())
    })
}

fn device(engine: &Engine, verb: &Device) -> Result<()> {
    match verb {
        Device::Add(args) => add_device(engine, args),
        Device::Get(args) => {
            let profile = engine.profile(&args.profile)?;
            let device = find(&profile.settings.devices, &args.device)?;
            output::line(device.get(&args.key).map_or("", String::as_str))
        }
        Device::List(args) => engine.profile(&args.name)?.settings.devices.keys().try_for_each(output::line),
        Device::Remove(args) => {
            change(engine, &args.profile, |profile| {
                for name in &args.devices {
                    find(&profile.settings.devices, name)?;
                    profile.settings.devices.remove(name);
                }
                Ok(())
            })?;
            output::lxds(format!("Device {} removed from {}", args.devices.join(", "), args.profile))
        }
        Device::Set(args) => set_device(engine, args),
        Device::Show(args) => {
            let devices = serde_json::to_value(engine.profile(&args.name)?.settings.devices)?;
            output::text(&yaml::write(&devices))
        }
        Device::Unset(args) => change(engine, &args.profile, |profile| {
            let mut device = find(&profile.settings.devices, &args.device)?.clone();
            device.remove(&args.key);
            profile.settings.devices.insert(args.device.clone(), device);
            Ok(())
        }),
    }
}

fn add_device(engine: &Engine, args: &DeviceAdd) -> Result<()> {
    let mut device = hull_lxd::Device::from([("type".to_owned(), args.kind.clone())]);
    put(each_pair(&args.pairs)?, &mut device);
    change(engine, &args.profile, |profile| {
        match profile.settings.devices.insert(args.device.clone(), device) {
            None => Ok(()),
            Some(_) => Err(Error::Invalid {
                what: format!("device {}", args.device),
                why: format!("the profile {} has one of this name", args.profile),
            }),
        }
    })?;
    output::lxds(format!("Device {} added to {}", args.device, args.profile))
}

fn set_device(engine: &Engine, args: &DeviceSet) -> Result<()> {
    let pairs = pairs(&args.pairs)?;
    change(engine, &args.profile, |profile| {
        let mut device = find(&profile.settings.devices, &args.device)?.clone();
        put(pairs, &mut device);
        profile.settings.devices.insert(args.device.clone(), device);
        Ok(())
    })
}

fn find<'a>(devices: &'a Devices, name: &str) -> hull_engine::Result<&'a hull_lxd::Device> {
    let missing = || hull_lxd::Error::unknown("device", name, devices.keys().map(String::as_str));
    Ok(devices.get(name).ok_or_else(missing)?)
}
