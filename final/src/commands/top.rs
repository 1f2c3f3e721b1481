//! `top`: a container's processes.

use anyhow::Result;
use hull_engine::Engine;

use crate::cli::container::Top;
use crate::ui::{list, output};

pub fn top(engine: &Engine, args: &Top) -> Result<u8> {
    let top = engine.top(&args.container, &args.ps_options)?;
    let lines: Vec<Vec<String>> = std::iter::once(top.titles).chain(top.rows).collect();
    output::text(&list::align(&lines))?;
    Ok(0)
}
