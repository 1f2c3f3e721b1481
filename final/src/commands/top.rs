//! `top`: a container's processes, or what all containers use.

use anyhow::Result;
use hull_engine::Engine;

use super::{selection, usage};
use crate::cli::container::Top;
use crate::cli::options::Rest;
use crate::ui::{errors, list, output};

pub fn top(engine: &Engine, args: &Top) -> Result<u8> {
    if args.rest.is_none() && !args.latest {
        let watch =
            usage::Watch { sort: &args.sort, reverse: false, delay: args.delay.into(), once: args.no_stream };
        return usage::show(engine, &watch);
    }
    let usage = "hull top [OPTIONS] [CONTAINER [PS OPTIONS]...]";
    let (container, options) = match (args.latest, &args.rest) {
        // All words are options of ps.
        (true, Some(Rest::Words(options))) => (selection::latest(engine)?, &options[..]),
        (true, None) => (selection::latest(engine)?, &[][..]),
        (false, _) => {
            let (container, options) =
                Rest::split(args.rest.as_ref()).ok_or_else(|| errors::missing("CONTAINER", usage))?;
            (container.to_owned(), options)
        }
    };
    let top = engine.top(&container, options)?;
    let lines: Vec<Vec<String>> = std::iter::once(top.titles).chain(top.rows).collect();
    output::text(&list::align_in(&lines, 20, 3))?;
    Ok(0)
}
