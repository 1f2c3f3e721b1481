//! `pull`, and what `run` and `create` do about an image that is not here.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use hull_engine::Engine;
use hull_image::platform::Platform;
use hull_image::progress::{Progress, Silent};
use hull_image::pull::{PullOptions, Pulled, pull as fetch};
use hull_image::reference::Reference;
use hull_image::registry::Access;
use hull_sys::process::{Fork, exit_now, fork};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use super::{each, registry};
use crate::cli::registry::Pull;
use crate::ui::errors::{self, Reported};
use crate::ui::hints::Code;
use crate::ui::output;
use crate::ui::progress::{Layers, PULL};

pub fn pull(engine: &Engine, args: &Pull) -> Result<u8> {
    let access = registry::access(&args.access)?;
    let platform = args.platform.as_deref().map(Platform::parse).transpose()?;
    each(&args.names, |name| {
        let candidates = access.settings().candidates(name)?;
        if !args.all_tags {
            return one(engine, &access, &candidates, platform.clone(), args.quiet).map(Some);
        }
        if Reference::names_tag(name) {
            bail!("--all-tags takes a repository, and {name} names one image");
        }
        let (repository, tags) = hull_image::remote::tags(&access, &candidates)?;
        if tags.is_empty() {
            bail!("{} has no tags", repository.familiar_repository());
        }
        for tag in tags {
            let reference = repository.with_tag(&tag)?;
            output::line(one(engine, &access, &[reference], platform.clone(), args.quiet)?)?;
        }
        Ok(None)
    })
}

/// What is printed of one.
fn one(
    engine: &Engine,
    access: &Access,
    candidates: &[Reference],
    platform: Option<Platform>,
    quiet: bool,
) -> Result<String> {
    if quiet {
        let options = PullOptions { platform, progress: &Silent };
        return Ok(fetch(engine.images(), access, candidates, &options)?.reference.canonical());
    }
    let progress = Layers::new(PULL);
    let pulled = fetch(engine.images(), access, candidates, &PullOptions { platform, progress: &progress })?;
    let Pulled { reference, digest, new, .. } = pulled;
    let status = match new {
        true => "Downloaded newer image for",
        false => "Image is up to date for",
    };
    let familiar = reference.familiar();
    Ok(format!("Digest: {digest}\nStatus: {status} {familiar}\n{}", reference.canonical()))
}

/// Whether a registry is asked for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    Always,
    Missing,
    Never,
}

/// What the image that `run` and `create` ask for is called here, once it is here.
pub fn ensure(
    engine: &Engine,
    name: &str,
    when: When,
    platform: Option<&str>,
    quiet: bool,
) -> Result<String> {
    let access = registry::access(&Default::default())?;
    let candidates = access.settings().candidates(name)?;
    // By the settings a short name may be that of an image which is here.
    let here = candidates.iter().find(|candidate| engine.images().has(candidate));
    match (when, here) {
        (When::Missing | When::Never, Some(here)) => Ok(here.canonical()),
        (When::Never, None) => Err(engine.images().missing(name).into()),
        (_, here) => {
            let options = ForContainer { platform, quiet, is_here: here.is_some() };
            pull_aside(|| for_container(engine, name, &access, &candidates, options))
        }
    }
}

/// Pulls in a process of its own: this one is going to clone a container, and a process that does has never had a
/// thread; nor has the monitor, which is forked from it, any use for what a pull leaves in its memory.
fn pull_aside(pull: impl FnOnce() -> Result<Reference>) -> Result<String> {
    let (mut reader, mut writer) = std::io::pipe().context("cannot make a pipe")?;
    let pid = match fork().context("cannot fork")? {
        Fork::Parent { pid } => pid,
        Fork::Child => {
            drop(reader);
            // Who waits for the image may be killed; then nobody does.
            let _ = hull_sys::process::set_parent_death_signal(nix::libc::SIGKILL);
            let outcome = pull().and_then(|name| Ok(writer.write_all(name.canonical().as_bytes())?));
            let code = outcome.map_or_else(|error| errors::report(&error, Code::Run), |()| 0);
            exit_now(code.into())
        }
    };
    drop(writer);
    // Nothing comes but the end where the pull fails, or is killed.
    let mut name = String::new();
    let read = reader.read_to_string(&mut name);
    match waitpid(Pid::from_raw(pid), None).context("cannot wait for the pull")? {
        WaitStatus::Exited(_, 0) => read.map(|_| name).context("cannot hear from the pull"),
        WaitStatus::Exited(_, code) => Err(Reported(code as u8).into()),
        status => bail!("the pull was cut short: {status:?}"),
    }
}

/// A name that no registry has is perhaps one with a slip, of an image that is here.
fn near(engine: &Engine, name: &str, error: hull_image::Error) -> anyhow::Error {
    match engine.images().missing(name) {
        missing @ hull_image::Error::NoSuchImage { nearest: Some(_), .. } => {
            anyhow::Error::new(error).context(missing)
        }
        _ => error.into(),
    }
}

/// How an image is pulled that a container is to be made of.
struct ForContainer<'a> {
    platform: Option<&'a str>,
    quiet: bool,
    /// It is asked for again although it is here.
    is_here: bool,
}

fn for_container(
    engine: &Engine,
    name: &str,
    access: &Access,
    candidates: &[Reference],
    options: ForContainer<'_>,
) -> Result<Reference> {
    let platform = options.platform.map(Platform::parse).transpose()?;
    let progress = Layers::new(PULL);
    let watch: &dyn Progress = if options.quiet { &Silent } else { &progress };
    if !options.is_here {
        watch.remark(&format!("Unable to find image '{}' locally", candidates[0].familiar()));
    }
    let pulled = fetch(engine.images(), access, candidates, &PullOptions { platform, progress: watch });
    let pulled = pulled.map_err(|error| match options.is_here {
        true => error.into(),
        false => near(engine, name, error),
    })?;
    watch.remark(&format!("Digest: {}", pulled.digest));
    Ok(pulled.reference)
}
