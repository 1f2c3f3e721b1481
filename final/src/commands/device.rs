//! `device`: LXD's devices of a container.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use hull_engine::{Applied, Engine};

use crate::cli::device::{Add, Device, Get, Set};
use crate::ui::{errors, output};

pub fn run(engine: &Engine, verb: &Device) -> Result<u8> {
    match verb {
        Device::Add(args) => add(engine, args),
        Device::Get(args) => get(engine, args),
        Device::List(args) => {
            engine.own_devices(&args.container)?.keys().try_for_each(output::line)?;
            Ok(0)
        }
        Device::Override(args) => {
            let applied = engine.override_device(&args.container, &args.device, &pairs(&args.keys)?)?;
            say(&format!("Device {} overridden for {}", args.device, args.container), &applied)
        }
        Device::Remove(args) => {
            let applied = engine.remove_devices(&args.container, &args.devices)?;
            let names = args.devices.join(", ");
            say(&format!("Device {names} removed from {}", args.container), &applied)
        }
        Device::Set(args) => set(engine, args),
        Device::Show(args) => show(engine, &args.container),
        Device::Unset(args) => {
            let keys = BTreeMap::from([(args.key.clone(), String::new())]);
            need_restart(&engine.set_device(&args.container, &args.device, &keys)?)
        }
    }
}

fn add(engine: &Engine, args: &Add) -> Result<u8> {
    let mut device = pairs(&args.keys)?;
    if device.insert("type".into(), args.kind.clone()).is_some() {
        bail!("the type of a device is a word of its own, and no key: hull device add NAME DEVICE TYPE");
    }
    let applied = engine.add_device(&args.container, &args.device, device)?;
    say(&format!("Device {} added to {}", args.device, args.container), &applied)
}

fn get(engine: &Engine, args: &Get) -> Result<u8> {
    let devices = engine.own_devices(&args.container)?;
    let Some(device) = devices.get(&args.device) else {
        bail!("container {} has no device {} of its own", args.container, args.device);
    };
    output::line(device.get(&args.key).map(String::as_str).unwrap_or_default())?;
    Ok(0)
}

fn set(engine: &Engine, args: &Set) -> Result<u8> {
    // As in LXD, the value may also be a word of its own.
    let keys = match args.keys.as_slice() {
        [key, value] if !key.contains('=') => BTreeMap::from([(key.clone(), value.clone())]),
        keys => pairs(keys)?,
    };
    if keys.is_empty() {
        bail!("no key is given: hull device set NAME DEVICE KEY=VALUE");
    }
    need_restart(&engine.set_device(&args.container, &args.device, &keys)?)
}

fn show(engine: &Engine, container: &str) -> Result<u8> {
    let devices = engine.own_devices(container)?;
    let document = serde_json::to_value(devices)?;
    output::text(&hull_lxd::yaml::write(&document))?;
    Ok(0)
}

pub(super) fn pairs(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for word in words {
        let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            bail!("{word:?} is no KEY=VALUE");
        };
        if pairs.insert(key.to_owned(), value.to_owned()).is_some() {
            bail!("{key} is given twice");
        }
    }
    Ok(pairs)
}

fn say(done: &str, applied: &Applied) -> Result<u8> {
    output::line(done)?;
    need_restart(applied)
}

/// Says which changes a running container gets only at its next start.
pub(super) fn need_restart(applied: &Applied) -> Result<u8> {
    if !applied.need_restart.is_empty() {
        let (what, container) = (applied.need_restart.join(", "), &applied.container);
        errors::note(
            &format!("{what}: in force when {container} is started again"),
            &format!("hull restart {container}"),
        );
    }
    Ok(0)
}
