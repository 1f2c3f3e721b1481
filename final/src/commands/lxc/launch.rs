//! `launch` and `init`, which print what LXD's print.

use anyhow::Result;
use hull_engine::Engine;

use crate::cli::launch::Launch;
use crate::commands::launch;
use crate::ui::output;

pub fn launch(engine: &Engine, args: &Launch, quiet: bool) -> Result<u8> {
    let record = create(engine, args, quiet)?;
    if !quiet {
        output::line(format!("Starting {}", record.name))?;
    }
    launch::start(engine, &record)?;
    Ok(0)
}

pub fn init(engine: &Engine, args: &Launch, quiet: bool) -> Result<u8> {
    create(engine, args, quiet).map(|_| 0)
}

fn create(engine: &Engine, args: &Launch, quiet: bool) -> Result<hull_engine::Record> {
    match &args.name {
        _ if quiet => launch::create(engine, args),
        Some(name) => {
            output::line(format!("Creating {name}"))?;
            launch::create(engine, args)
        }
        None => {
            output::line("Creating the instance")?;
            let record = launch::create(engine, args)?;
            output::line(format!("Instance name is: {}", record.name))?;
            Ok(record)
        }
    }
}
