//! `image export`: an image as LXD's archives.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hull_engine::Engine;
use hull_image::{PackedWith, Packing};

use crate::cli::image_system::Export;
use crate::ui::output;

pub fn export(engine: &Engine, args: &Export) -> Result<u8> {
    let packing = PackedWith::named(&args.compression);
    let id = engine.described_image(&args.name)?.id.to_string();
    if args.target.as_deref() == Some(Path::new("-")) {
        if args.split {
            bail!("--split writes two files: give the beginning of their names");
        }
        packed(output::binary("TARGET")?, packing, |to| Ok(engine.export_image(&id, true, to)?))?;
        return Ok(0);
    }
    let base = match &args.target {
        Some(directory) if directory.is_dir() => directory.join(id.trim_start_matches("sha256:")),
        Some(target) => target.clone(),
        None => PathBuf::from(id.trim_start_matches("sha256:")),
    };
    let named = |middle: &str| {
        let mut name = base.clone().into_os_string();
        name.push(format!("{middle}.tar{}", packing.suffix()));
        PathBuf::from(name)
    };
    match args.split {
        true => {
            file(&named(""), packing, |to| Ok(engine.export_image_metadata(&id, to)?))?;
            file(&named(".root"), packing, |to| Ok(engine.export_image(&id, false, to)?))?;
        }
        false => file(&named(""), packing, |to| Ok(engine.export_image(&id, true, to)?))?,
    }
    output::lxds("Image exported successfully!")?;
    Ok(0)
}

/// Writes a file, which appears only when it is complete.
fn file(path: &Path, packing: PackedWith, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    output::file(path, |file| packed(file, packing, write))?;
    output::own(path.display())
}

pub fn packed(
    to: impl Write,
    packing: PackedWith,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let mut to = Packing::new(to, packing).context("cannot compress the archive")?;
    write(&mut to)?;
    to.finish().context("cannot write the archive")
}
