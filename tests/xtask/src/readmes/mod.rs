//! The commands of the READMEs, typed as they stand: in a fresh clone, on a terminal, one after the other.
//!
//! ```text
//! commands    which lines of a README are typed, and at whose prompt
//! paths       a test: the files that these pages name exist
//! exceptions  the lines that are not just typed and succeed, each with its reason
//! sandbox     the clone and its surroundings: a registry, a LAN, directories that are removed with it
//! session     a shell on a terminal: types a line, waits for the next prompt, asks how it ended
//! ```

mod commands;
mod exceptions;
#[cfg(test)]
mod paths;
mod sandbox;
mod session;

use anyhow::{Context, Result, bail};

use crate::workspace::root;
use commands::Line;
use exceptions::How;
use sandbox::Sandbox;
use session::Session;

/// The pages with commands to type.
fn all() -> Result<Vec<String>> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    let steps = std::fs::read_dir(root().join("steps")).context("reading steps")?;
    for step in steps {
        names.push(format!("steps/{}/README.md", step?.file_name().to_string_lossy()));
    }
    names.sort_unstable();
    Ok(names)
}

pub fn type_all(only: Option<&str>) -> Result<()> {
    let sandbox = Sandbox::prepare()?;
    let mut wrong = Vec::new();
    let mut used = Vec::new();
    for readme in all()?.into_iter().filter(|name| only.is_none_or(|only| name.contains(only))) {
        let text = std::fs::read_to_string(root().join(&readme)).with_context(|| readme.clone())?;
        let lines = commands::of(&text).with_context(|| readme.clone())?;
        eprintln!("{readme}: {} commands", lines.len());
        used.extend(lines.iter().filter_map(|line| exceptions::row(&readme, &line.text)));
        if let Err(error) = type_lines(&sandbox, &readme, &lines) {
            wrong.push(format!("{readme}:{error:#}"));
        }
    }
    if only.is_none() {
        wrong.extend(exceptions::stale(&used));
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

/// Each README has one terminal, so a line can use files, variables and containers of an earlier line.
fn type_lines(sandbox: &Sandbox, readme: &str, lines: &[Line]) -> Result<()> {
    let mut session = Session::start(sandbox)?;
    for line in lines {
        let how = exceptions::row(readme, &line.text).map_or(How::Succeeds, |row| row.how);
        if let How::NotTyped = how {
            continue;
        }
        if !line.inside {
            session.leave()?;
        }
        let code = session
            .enter(&line.text, matches!(how, How::Interrupted))
            .with_context(|| line.number.to_string())?;
        let wanted = match how {
            How::Fails(code) => code,
            How::Interrupted => 130,
            _ => 0,
        };
        if code != wanted {
            bail!("{}: `{}` ended with {code}, not {wanted}:\n{}", line.number, line.text, session.screen());
        }
    }
    session.leave()
}
