//! `compose version`: the version of Docker Compose whose words and files hull follows. Programs compare it with what they
//! need.

use anyhow::Result;

use crate::cli::compose::config::Version;
use crate::persona::COMPOSE_VERSION;
use crate::ui::output;

pub fn version(args: &Version) -> Result<u8> {
    output::line(match (args.short, &*args.format) {
        (true, _) => COMPOSE_VERSION.to_owned(),
        (false, "json") => format!("{{\"version\":\"v{COMPOSE_VERSION}\"}}"),
        (false, _) => format!("Docker Compose version v{COMPOSE_VERSION}"),
    })?;
    Ok(0)
}
