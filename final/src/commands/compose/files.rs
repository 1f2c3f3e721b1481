//! `compose cp`, `export` and `commit`: the files of a service's containers.

use std::path::Path;

use anyhow::{Result, bail};
use hull_compose::progress::Event;
use hull_docker::path::CopyPath;
use hull_engine::{CommitOptions, CopyOptions, CopySource, CopyTarget, Engine};
use hull_image::reference::Reference;

use super::Session;
use super::containers::{Member, OneOff, of_project, of_service, running};
use crate::cli::compose::image::{Commit, Cp, Export};
use crate::commands::copy::duplicate;
use crate::ui::output;

pub fn commit(session: &Session<'_>, args: &Commit) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let member = running(&engine, &name, &args.service, args.index)?;
    let options = CommitOptions {
        name: args.name.as_deref().map(Reference::parse).transpose()?,
        author: args.author.clone(),
        message: args.message.clone(),
        changes: args.change.clone(),
        pause: args.pause,
        ..CommitOptions::default()
    };
    session.show("Committing", |progress| {
        let step =
            |word: &str, done: bool| step(&member, &format!("Commit {}", member.summary.name), word, done);
        progress.event(step("Committing", false));
        if session.args.dry_run {
            progress.event(step("Committed", true));
            return Ok(());
        }
        let id = engine.commit(&member.summary.id, &options)?;
        progress.event(step(&format!("Committed as {id}"), true));
        Ok(())
    })
}

pub fn export(session: &Session<'_>, args: &Export) -> Result<u8> {
    let name = session.project_name()?;
    let engine = session.engine()?;
    let member = running(&engine, &name, &args.service, args.index)?;
    let Some(path) = &args.output else {
        let stdout = output::binary("-o")?;
        if !session.args.dry_run {
            engine.export(&member.summary.id, stdout)?;
        }
        return Ok(0);
    };
    let text = format!("export {} to {}", member.summary.name, path.display());
    session.show("Exporting", |progress| {
        progress.event(step(&member, &text, "Exporting", false));
        if !session.args.dry_run {
            output::file(path, |file| Ok(engine.export(&member.summary.id, file)?))?;
        }
        progress.event(step(&member, &text, "Exported", true));
        Ok(())
    })
}

pub fn copy(session: &Session<'_>, args: &Cp) -> Result<u8> {
    let (service, is_out) = match (CopyPath::parse(&args.source), CopyPath::parse(&args.target)) {
        (CopyPath::Container { .. }, CopyPath::Container { .. }) => {
            bail!("copying between services is not supported")
        }
        (CopyPath::Container { name, .. }, _) => (name, true),
        (_, CopyPath::Container { name, .. }) => (name, false),
        _ => bail!("unknown copy direction: one of the two has to be SERVICE:PATH"),
    };
    let name = session.project_name()?;
    let engine = session.engine()?;
    let members = targets(&engine, &name, &service, args, is_out)?;
    if members.len() > 1 && CopyPath::parse(&args.source) == CopyPath::Stream {
        bail!("a tar on stdin can be read only once, and {service} has several containers: use --index");
    }
    session.show("Copying", |progress| {
        for member in &members {
            let name = &member.summary.name;
            let (from, to) = (path_of(&args.source), path_of(&args.target));
            let text = match is_out {
                true => format!("copy {name}:{from} to {to}"),
                false => format!("copy {from} to {name}:{to}"),
            };
            progress.event(step(member, &text, "Copying", false));
            if !session.args.dry_run {
                copy_one(&engine, member, args)?;
            }
            progress.event(step(member, &text, "Copied", true));
        }
        Ok(())
    })
}

/// The containers that are copied to, or the one that is copied from.
fn targets(engine: &Engine, project: &str, service: &str, args: &Cp, is_out: bool) -> Result<Vec<Member>> {
    if args.index.is_some_and(|index| index > 0) {
        let wanted = |member: &Member| !member.container.one_off;
        return Ok(vec![of_service(engine, project, service, args.index, wanted)?]);
    }
    let one_off = if args.all { OneOff::Include } else { OneOff::Exclude };
    let mut members = of_project(engine, project, one_off)?;
    members.retain(|member| member.container.service == service);
    members.sort_by_key(|member| (member.container.one_off, member.container.number));
    if is_out {
        members.truncate(1);
    }
    match members.is_empty() {
        true => bail!("no container found for service {service:?}"),
        false => Ok(members),
    }
}

fn copy_one(engine: &Engine, member: &Member, args: &Cp) -> Result<()> {
    let id = &member.summary.id;
    let options = CopyOptions { archive: args.archive, follow_link: args.follow_link };
    match (CopyPath::parse(&args.source), CopyPath::parse(&args.target)) {
        (CopyPath::Container { path, .. }, CopyPath::Host(to)) => {
            engine.copy_out(id, &path, CopyTarget::Host(&to), options)?;
        }
        (CopyPath::Container { path, .. }, CopyPath::Stream) => {
            let mut stdout = duplicate(std::io::stdout(), "stdout")?;
            engine.copy_out(id, &path, CopyTarget::Tar(&mut stdout), options)?;
        }
        (CopyPath::Host(from), CopyPath::Container { path, .. }) => {
            engine.copy_in(CopySource::Host(&from), id, &path, options)?;
        }
        (CopyPath::Stream, CopyPath::Container { path, .. }) => {
            let mut stdin = duplicate(std::io::stdin(), "stdin")?;
            engine.copy_in(CopySource::Tar(&mut stdin), id, &path, options)?;
        }
        // `copy` has refused the others.
        _ => {}
    }
    Ok(())
}

/// The path of an argument, as it is shown.
fn path_of(argument: &str) -> String {
    match CopyPath::parse(argument) {
        CopyPath::Container { path, .. } | CopyPath::Host(path) => Path::new(&path).display().to_string(),
        CopyPath::Stream => "-".to_owned(),
    }
}

fn step(member: &Member, text: &str, word: &str, is_done: bool) -> Event {
    let id = member.summary.name.clone();
    let event = if is_done { Event::done(id, word) } else { Event::working(id, word) };
    Event { text: text.to_owned(), ..event }
}
