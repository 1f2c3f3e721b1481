//! `create`, and what `run` shares with it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hull_docker::wire::container::CreateRequest;
use hull_engine::options::CreateOptions;
use hull_engine::{Engine, Pull, Record};
use hull_image::progress::Silent;

use super::{daemon, registry, remotes};
use crate::cli::container::Create;
use crate::cli::options::{CreateArgs, Rest};
use crate::ui::errors::{self, Exit, Hint};
use crate::ui::output;
use crate::ui::progress::{Layers, PULL};

pub fn create(engine: &Engine, args: &Create) -> Result<u8> {
    let request = request(&args.create, false)?;
    need_image("hull create", &args.create)?;
    let record = make(engine, &args.create, request)?;
    output::line(&record.id)?;
    Ok(0)
}

/// The request that the flags make. docker's exit code for wrong or conflicting flags is 125, for `create` too.
pub fn request(args: &CreateArgs, detach: bool) -> Result<CreateRequest> {
    args.request(detach).context(Exit(125))
}

/// Fails if there is no image. docker's exit code for that is 1, and for a wrong flag 125.
pub fn need_image(path: &str, args: &CreateArgs) -> Result<()> {
    match Rest::split(args.rest.as_ref()) {
        Some(_) => Ok(()),
        None => Err(errors::missing("IMAGE", &format!("{path} [OPTIONS] IMAGE [COMMAND] [ARG]..."))),
    }
}

/// Creates the container and writes its id where `--cidfile` says.
pub fn make(engine: &Engine, args: &CreateArgs, mut request: CreateRequest) -> Result<Record> {
    let daemon = daemon::read().context(Exit(125))?;
    daemon.apply(&mut request).context(Exit(125))?;
    let mut options = CreateOptions {
        name: args.name.clone(),
        requires: args.requires.clone(),
        system: args.system,
        platform: args.platform.clone(),
        create_command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
        health_on_failure: args.health.on_failure()?,
        process_extras: args.podman.options(),
        ..request.try_into().context(Exit(125))?
    };
    if args.system
        && let Some(image) = remotes::fetched(engine, &options.image)?
    {
        options.image = image;
    }
    let pull = Pull {
        policy: args.pull.parse()?,
        access: &|| registry::default_options(daemon),
        progress: &|| if args.quiet { Box::new(Silent) } else { Box::new(Layers::new(PULL)) },
    };
    if let Some(name) = args.name.as_deref().filter(|_| args.replace) {
        match engine.remove(name, true, false) {
            Err(error) if error.is_no_such_container() => {}
            removed => removed?,
        }
    }
    let id_file = args.cidfile.as_deref().map(IdFile::create).transpose()?;
    let record = engine.create_pulling(options, &pull).map_err(with_context)?;
    if let Some(file) = id_file
        && let Err(error) = file.write(&record.id)
    {
        engine.remove(&record.id, true, true)?;
        return Err(error);
    }
    Ok(record)
}

/// Adds the hint that a missing network can be created. If the image cannot be pulled, the exit code is 125 for
/// `create` too.
pub fn with_context(error: hull_engine::Error) -> anyhow::Error {
    match &error {
        hull_engine::Error::Pull(_) => anyhow::Error::new(error).context(Exit(125)),
        hull_engine::Error::NoSuchNetwork(name) => {
            let hint = format!("hull network create {name}; hull network ls lists all networks");
            anyhow::Error::new(error).context(Hint(hint))
        }
        _ => error.into(),
    }
}

/// The file that `--cidfile` names. It is created before the container, so that of two runs with one file only one
/// succeeds, and removed again if no container is created.
struct IdFile {
    path: PathBuf,
    file: Option<std::fs::File>,
}

impl IdFile {
    fn create(path: &Path) -> Result<Self> {
        let file = std::fs::File::create_new(path).with_context(|| {
            format!("cannot write the container's id to {} (--cidfile takes a new file)", path.display())
        })?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    fn write(mut self, id: &str) -> Result<()> {
        if let Some(file) = &mut self.file {
            file.write_all(id.as_bytes()).with_context(|| format!("cannot write {}", self.path.display()))?;
        }
        self.file = None;
        Ok(())
    }
}

impl Drop for IdFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
