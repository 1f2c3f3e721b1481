//! `build`: makes an image from a Dockerfile.

use anyhow::Result;
use hull_build::output::{Caller, Outputs};
use hull_engine::Engine;

use super::registry;
use crate::cli::build::Build;

pub fn build(engine: &Engine, args: &Build) -> Result<u8> {
    let mut request = args.request()?;
    request.registry = registry::options(&args.access, None)?;
    let outputs = Outputs::new(&request)?;
    let mut stdin = std::io::stdin();
    let built =
        hull_build::solve::build(engine, &request, &mut stdin, &mut |event: &_| eprintln!("{event:?}"))?;
    let mut stdout = std::io::stdout();
    let mut caller = Caller { stdout: &mut stdout, note: &mut |note| eprintln!("{note}") };
    let results = outputs.write(engine, &built, &mut caller)?;
    if let Some(id) = results.id.filter(|_| !outputs.use_stdout()) {
        crate::ui::output::line(id)?;
    }
    Ok(0)
}
