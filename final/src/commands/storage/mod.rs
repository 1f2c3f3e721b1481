//! `storage`: pools, with LXD's words.
//!
//! ```text
//! document  pools as YAML      settings  KEY=VALUE on the command line
//! volume    storage volume
//! ```

mod document;
mod settings;
mod volume;

use std::collections::BTreeMap;

use anyhow::Result;
use hull_docker::size;
use hull_engine::Engine;
use serde::Serialize;

use super::each;
use crate::cli::storage::{PoolCreate, PoolInfo, PoolKey, PoolList, PoolName, PoolSet, Storage};
use crate::ui::list::{self, Columns};
use crate::ui::{errors, output};

const HELP: &str = "The settings of a storage pool. Lines that begin with # are ignored.";

pub fn run(engine: &Engine, verb: &Storage) -> Result<u8> {
    match verb {
        Storage::Create(args) => create(engine, args),
        Storage::Delete(args) => each(&args.names, |name| {
            engine.delete_pool(name)?;
            Ok(Some(format!("Storage pool {name} deleted")))
        }),
        Storage::Edit(args) => edit(engine, args),
        Storage::Get(args) => get(engine, args),
        Storage::Info(args) => info(engine, args),
        Storage::List(args) => list(engine, args),
        Storage::Set(args) => set(engine, args),
        Storage::Show(args) => show(engine, args),
        Storage::Unset(args) => {
            engine.set_pool(&args.name, &BTreeMap::from([(args.key.clone(), String::new())]))?;
            Ok(0)
        }
        Storage::Volume(verb) => volume::run(engine, verb),
    }
}

fn create(engine: &Engine, args: &PoolCreate) -> Result<u8> {
    let config = settings::pairs(&args.config)?;
    engine.create_pool(&args.name, &args.driver, &config, &args.description)?;
    output::line(format!("Storage pool {} created", args.name))?;
    Ok(0)
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Source", "SOURCE"),
        ("Description", "DESCRIPTION"),
        ("UsedBy", "USED BY"),
        ("State", "STATE"),
    ],
    shown: &["Name", "Driver", "Source", "Description", "UsedBy", "State"],
};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    name: String,
    driver: &'static str,
    source: String,
    description: String,
    used_by: String,
    state: &'static str,
}

fn list(engine: &Engine, args: &PoolList) -> Result<u8> {
    let mut rows = Vec::new();
    let mut code = 0;
    for (name, pool) in engine.pools()? {
        match pool {
            Ok(pool) => rows.push(Row {
                driver: pool.driver.name(),
                source: pool.source.display().to_string(),
                description: pool.description.clone(),
                // Not all users of a pool that is missing can be counted.
                used_by: engine.pool_users(&name).map_or("?".into(), |users| users.len().to_string()),
                state: pool.status(),
                name,
            }),
            Err(error) => code = errors::report(&error.into(), crate::ui::hints::Code::Plain),
        }
    }
    list::print(COLUMNS, &rows, args.format.as_deref())?;
    Ok(code)
}

fn show(engine: &Engine, args: &PoolName) -> Result<u8> {
    let pool = engine.pool(&args.name)?;
    output::text(&document::shown(&pool, &engine.pool_users(&args.name)?))?;
    Ok(0)
}

fn info(engine: &Engine, args: &PoolInfo) -> Result<u8> {
    let info = engine.pool_info(&args.name)?;
    let amount = |bytes: u64| if args.bytes { bytes.to_string() } else { size::human(bytes) };
    output::text(&document::info(&info, &amount))?;
    Ok(0)
}

fn get(engine: &Engine, args: &PoolKey) -> Result<u8> {
    // A key that is not set is empty, as in LXD.
    output::line(engine.pool(&args.name)?.config.get(&args.key).cloned().unwrap_or_default())?;
    Ok(0)
}

fn set(engine: &Engine, args: &PoolSet) -> Result<u8> {
    engine.set_pool(&args.name, &settings::pairs_or_one(&args.config)?)?;
    Ok(0)
}

/// Changes a pool's keys with an editor, or takes them from a pipe.
fn edit(engine: &Engine, args: &PoolName) -> Result<u8> {
    let pool = engine.pool(&args.name)?;
    super::settings::edit(&document::editable(&pool), HELP, |text| {
        let (config, description) = document::parse(text)?;
        Ok(engine.replace_pool(&args.name, config, Some(&description))?)
    })?;
    Ok(0)
}
