//! The containers that a verb is for, looked up when they are not named.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use hull_engine::{Engine, Status};

use super::ps;
use crate::cli::selection::{Names, One, Selection};

/// A full id has 64 characters; what else is in the file is not read.
const ID_FILE_BYTES: u64 = 4096;

pub fn names(engine: &Engine, given: &Names) -> Result<Vec<String>> {
    if given.latest { Ok(vec![latest(engine)?]) } else { Ok(given.names.clone()) }
}

pub fn one(engine: &Engine, given: &One) -> Result<String> {
    match &given.name {
        Some(name) if !given.latest => Ok(name.clone()),
        _ => latest(engine),
    }
}

/// `fits` tells of which states `--all` and `--filter` mean containers. With `ignore`, an id file that does not exist names
/// none.
pub fn chosen(
    engine: &Engine,
    given: &Selection,
    ignore: bool,
    fits: impl Fn(Status) -> bool,
) -> Result<Vec<String>> {
    if given.latest {
        return Ok(vec![latest(engine)?]);
    }
    if given.all || !given.filter.is_empty() {
        let all = engine.list()?;
        let wanted = ps::select(engine, &given.filter, &all)?;
        let fitting = all.iter().filter(|one| fits(one.status) && wanted.fits(one));
        return Ok(fitting.map(|one| one.id.clone()).collect());
    }
    let mut names = given.names.clone();
    for file in &given.cidfile {
        match id_in(file) {
            Err(error) if ignore && is_absent(&error) => {}
            id => names.push(id?),
        }
    }
    Ok(names)
}

/// The id of the container that was created last.
pub fn latest(engine: &Engine) -> Result<String> {
    let all = engine.list()?;
    let latest = all.into_iter().next();
    Ok(latest.context("--latest names no container: there are none")?.id)
}

fn id_in(file: &Path) -> Result<String> {
    let what = || format!("cannot read a container's id from {}", file.display());
    let mut text = String::new();
    let opened = std::fs::File::open(file).with_context(what)?;
    opened.take(ID_FILE_BYTES).read_to_string(&mut text).with_context(what)?;
    match text.lines().next().map(str::trim) {
        Some(id) if !id.is_empty() => Ok(id.to_owned()),
        _ => bail!("{} holds no container's id", file.display()),
    }
}

fn is_absent(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    cause.is_some_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}
