//! `file`: pushes, pulls, edits, deletes and mounts files of a container.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use hull_engine::{DeleteOptions, Engine, PullOptions, PullTarget, PushOptions, PushSource};
use hull_sys::wait::until_any_readable;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::copy::duplicate;
use super::draft::Draft;
use crate::cli::file::{Delete, Edit, FileVerb, Mount, Pull, Push};
use crate::ui::errors::Hint;
use crate::ui::output;

/// The word that stands for stdin or stdout.
const STREAM: &str = "-";

pub fn run(engine: &Engine, verb: &FileVerb) -> Result<u8> {
    match verb {
        FileVerb::Push(args) => push(engine, args),
        FileVerb::Pull(args) => pull(engine, args),
        FileVerb::Edit(args) => edit(engine, args),
        FileVerb::Delete(args) => delete(engine, args),
        FileVerb::Mount(args) => mount(engine, args),
    }
}

/// A file of a container: `NAME/path`, where the path begins at the container's root.
fn remote(word: &str) -> Result<(&str, PathBuf)> {
    match word.split_once('/') {
        Some((name, path)) if !name.is_empty() => Ok((name, Path::new("/").join(path_of(path)))),
        _ => {
            let error = anyhow::anyhow!("invalid path {word:?}");
            Err(error.context(Hint("it is CONTAINER/PATH, as in web/etc/hosts".into())))
        }
    }
}

/// The path without slashes at its beginning. A slash at its end is kept, because it has a meaning.
fn path_of(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn push(engine: &Engine, args: &Push) -> Result<u8> {
    let Some((target, sources)) = args.words.split_last() else { return Ok(0) };
    let (name, path) = remote(target)?;
    let stdin = sources.iter().any(|word| word == STREAM).then(|| duplicate(io::stdin(), "stdin"));
    let stdin = stdin.transpose()?;
    if stdin.is_some() && args.recursive {
        bail!("standard input is no directory: leave out -r");
    }
    let sources = sources.iter().map(|word| match (&stdin, word.as_str()) {
        (Some(stdin), STREAM) => PushSource::Stream(stdin),
        _ => PushSource::Host(Path::new(word)),
    });
    let sources: Vec<PushSource<'_>> = sources.collect();
    let options = PushOptions {
        recursive: args.recursive,
        create_parents: args.create_dirs,
        mode: args.mode,
        uid: args.uid,
        gid: args.gid,
        content_only: false,
    };
    engine.push_files(&sources, name, &path, options)?;
    Ok(0)
}

fn pull(engine: &Engine, args: &Pull) -> Result<u8> {
    let Some((target, sources)) = args.words.split_last() else { return Ok(0) };
    let options = PullOptions { recursive: args.recursive, create_parents: args.create_dirs };
    if target == STREAM && args.recursive {
        bail!("standard output takes no directory: hull cp NAME:/PATH - writes a tar");
    }
    // Several files go into a directory, also if each is of another container.
    let target = match sources.len() > 1 && target != STREAM && !target.ends_with('/') {
        true => format!("{target}/"),
        false => target.clone(),
    };
    for (name, paths) in by_container(sources)? {
        let mut stdout;
        let to = match target.as_str() {
            STREAM => {
                stdout = duplicate(io::stdout(), "stdout")?;
                PullTarget::Stream(&mut stdout)
            }
            _ => PullTarget::Host(Path::new(&target)),
        };
        engine.pull_files(name, &paths, to, options)?;
    }
    Ok(0)
}

fn delete(engine: &Engine, args: &Delete) -> Result<u8> {
    let options = DeleteOptions { recursive: args.recursive, force: args.force };
    for (name, paths) in by_container(&args.files)? {
        engine.delete_files(name, &paths, options)?;
    }
    Ok(0)
}

/// Groups files by their containers, so that a stopped container is mounted once for all of its files.
fn by_container(words: &[String]) -> Result<Vec<(&str, Vec<PathBuf>)>> {
    let mut groups: Vec<(&str, Vec<PathBuf>)> = Vec::new();
    for word in words {
        let (name, path) = remote(word)?;
        match groups.iter_mut().find(|(last, _)| *last == name) {
            Some((_, paths)) => paths.push(path),
            None => groups.push((name, vec![path])),
        }
    }
    Ok(groups)
}

fn edit(engine: &Engine, args: &Edit) -> Result<u8> {
    let (name, path) = remote(&args.file)?;
    let options = PushOptions { content_only: true, ..PushOptions::default() };
    // As in LXD, what comes from a pipe is the new content.
    if !io::stdin().is_terminal() {
        let stdin = duplicate(io::stdin(), "stdin")?;
        engine.push_files(&[PushSource::Stream(&stdin)], name, &path, options)?;
        return Ok(0);
    }
    let draft = Draft::new(path.file_name().unwrap_or_default())?;
    let mut copy = draft.file.try_clone().context("cannot duplicate a descriptor")?;
    // A child reads the file, and the mounts of a stopped container go with the child. So the user can start the container
    // before the editor ends.
    hull_engine::in_child("read the file", || {
        let paths = std::slice::from_ref(&path);
        engine.pull_files(name, paths, PullTarget::Stream(&mut copy), PullOptions::default())?;
        Ok(String::new())
    })?
    .map_err(hull_engine::Error::from)?;
    let Some(changed) = draft.edit()? else { return Ok(0) };
    match engine.push_files(&[PushSource::Stream(&changed)], name, &path, options) {
        Ok(_) => Ok(0),
        Err(error) => {
            let hint = format!("the changed text is in {}", draft.keep().display());
            Err(anyhow::Error::from(error).context(Hint(hint)))
        }
    }
}

/// Mounts a directory, and stays in the foreground until the mount is no longer needed.
fn mount(engine: &Engine, args: &Mount) -> Result<u8> {
    let (name, path) = match args.source.contains('/') {
        true => remote(&args.source)?,
        false => (args.source.as_str(), PathBuf::from("/")),
    };
    let mut set = SigSet::empty();
    set.extend([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
    let signals = set.thread_block().and_then(|()| SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC));
    let signals = signals.map_err(io::Error::from).context("cannot take over the signals")?;
    let mounted = engine.mount_files(name, &path, &args.target)?;
    output::line(format!("{} is mounted on {}: Ctrl-C unmounts it", args.source, args.target.display()))?;
    until_any_readable(&[signals.as_fd(), mounted.ended()], None)
        .map_err(io::Error::from)
        .context("cannot wait for a signal")?;
    mounted.end()?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_a_container_is_its_name_and_a_path_from_its_root() {
        let path = |word| remote(word).map(|(name, path)| (name.to_owned(), path)).ok();
        assert_eq!(path("web/etc/hosts"), Some(("web".into(), "/etc/hosts".into())));
        assert_eq!(path("web//etc"), Some(("web".into(), "/etc".into())));
        assert_eq!(path("web/"), Some(("web".into(), "/".into())));
        assert_eq!(path("web"), None);
        assert_eq!(path("/etc/hosts"), None);
    }
}
