//! `logs`: what a container wrote, on the streams it wrote it to.

use anyhow::Result;
use hull_engine::Engine;
use hull_engine::options::LogsOptions;

use crate::cli::container::Logs;

pub fn logs(engine: &Engine, args: &Logs) -> Result<u8> {
    let options = LogsOptions {
        follow: args.follow,
        since: args.since,
        until: args.until,
        tail: args.tail.0,
        timestamps: args.timestamps,
    };
    let (mut out, mut err) = (std::io::stdout().lock(), std::io::stderr().lock());
    engine.logs(&args.container, &options, &mut out, &mut err)?;
    Ok(0)
}
