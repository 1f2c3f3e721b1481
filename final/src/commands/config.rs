//! `container config`: a container's keys, devices and profiles.

use anyhow::Result;
use hull_engine::Engine;
use hull_lxd::document::Instance;

use super::settings::{edit, pairs, put, say_what_needs_restart};
use crate::cli::config::Config;
use crate::persona::Persona;
use crate::ui::output;

const HELP: &str = "The configuration of a container. Lines that begin with # are ignored.
config holds its own keys, devices its own devices, and profiles those that it uses, in their order.";

pub fn run(engine: &Engine, verb: &Config) -> Result<u8> {
    match verb {
        Config::Edit(args) => edit_all(engine, &args.name),
        Config::Get(args) => get(engine, &args.name, &args.key, args.expanded),
        Config::Set(args) => set(engine, &args.name, pairs(&args.pairs)?),
        Config::Show(args) => {
            output::text(&engine.instance(&args.name, args.expanded)?.to_yaml())?;
            Ok(0)
        }
        Config::Unset(args) => {
            let keys = args.keys.iter().map(|key| (key.clone(), String::new()));
            set(engine, &args.name, keys.collect())
        }
    }
}

fn get(engine: &Engine, name: &str, key: &str, expanded: bool) -> Result<u8> {
    // LXD's client prints nothing for a key that does not exist, and programs ask it for LXD's volatile keys.
    if Persona::own() != Persona::Lxc {
        hull_lxd::keys::find(key).map_err(hull_engine::Error::from)?;
    }
    let instance = engine.instance(name, expanded)?;
    output::line(instance.settings.config.get(key).map_or("", String::as_str))?;
    Ok(0)
}

fn set(engine: &Engine, name: &str, pairs: Vec<(String, String)>) -> Result<u8> {
    let applied = engine.reconfigure(name, |instance| {
        for (key, _) in pairs.iter().filter(|(_, value)| value.is_empty()) {
            hull_lxd::keys::find(key)?;
        }
        put(pairs, &mut instance.config);
        Ok(())
    })?;
    say_what_needs_restart(&[applied]);
    Ok(0)
}

fn edit_all(engine: &Engine, name: &str) -> Result<u8> {
    let document = engine.instance(name, false)?.to_yaml();
    edit(&document, HELP, |text| {
        let new = Instance::parse(text).map_err(hull_engine::Error::from)?;
        say_what_needs_restart(&[engine.replace_instance(name, new)?]);
        Ok(())
    })?;
    Ok(0)
}
