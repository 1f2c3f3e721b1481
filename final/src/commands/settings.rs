//! What the verbs on configurations share: pairs of keys and values, documents in an editor, and notes about changes that
//! take a restart.

use std::ffi::OsStr;
use std::io::{IsTerminal, Read, Write};

use anyhow::{Context, Result, bail};
use hull_engine::Applied;

use super::draft::Draft;
use crate::ui::errors::{self, Hint};

/// The most bytes of a value or a document.
const MOST: u64 = 1 << 20;

/// `KEY=VALUE …`, or one key and its value. An empty value takes the key back.
pub fn pairs(words: &[String]) -> Result<Vec<(String, String)>> {
    if let [key, value] = words
        && !key.contains('=')
    {
        return Ok(vec![(key.clone(), value_of(value)?)]);
    }
    each_pair(words)
}

/// `KEY=VALUE …`, the values of a flag. Two of them are no key and its value.
pub fn each_pair(words: &[String]) -> Result<Vec<(String, String)>> {
    words.iter().map(|word| pair(word)).collect()
}

fn pair(word: &str) -> Result<(String, String)> {
    match word.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value_of(value)?)),
        _ => {
            let error = anyhow::anyhow!("invalid setting {word:?}");
            Err(error
                .context(Hint("it is KEY=VALUE, or one KEY and its VALUE; unset takes a key back".into())))
        }
    }
}

/// `-` stands for standard input.
fn value_of(word: &str) -> Result<String> {
    match word {
        "-" => read_stdin(),
        word => Ok(word.to_owned()),
    }
}

/// Sets the keys, and removes those that have an empty value.
pub fn put(pairs: Vec<(String, String)>, config: &mut hull_lxd::Config) {
    for (key, value) in pairs {
        match value.is_empty() {
            true => config.remove(&key),
            false => config.insert(key, value),
        };
    }
}

pub fn read_stdin() -> Result<String> {
    read(std::io::stdin().lock(), "standard input")
}

/// A whole document of at most [`MOST`] bytes.
fn read(from: impl Read, name: &str) -> Result<String> {
    let mut text = String::new();
    from.take(MOST + 1).read_to_string(&mut text).with_context(|| format!("cannot read {name}"))?;
    match text.len() as u64 > MOST {
        true => bail!("{name} is longer than {MOST} bytes"),
        false => Ok(text),
    }
}

/// Lets the user change a document until `apply` accepts it or the user gives up. A document that comes from a pipe is applied
/// as it is.
pub fn edit(document: &str, help: &str, mut apply: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let mut apply = |text: String| check_not_empty(&text).and_then(|()| apply(&text));
    if !std::io::stdin().is_terminal() {
        return apply(read_stdin()?);
    }
    let mut draft = Draft::new(OsStr::new("hull.yaml"))?;
    let text: String = help.lines().map(|line| format!("# {line}\n")).collect();
    let written = draft.file.write_all((text + document).as_bytes());
    written.context("cannot write the document for the editor")?;
    let mut is_refused = false;
    loop {
        let Some(file) = draft.edit()? else {
            // The text is still the one that was refused.
            return if is_refused { Err(nothing_changed()) } else { Ok(()) };
        };
        let Err(error) = read(file, "the document").and_then(&mut apply) else { return Ok(()) };
        is_refused = true;
        errors::report(&error, crate::ui::hints::Code::Plain);
        let question = b"Press enter to edit it again, or Ctrl+C to leave everything as it is: ";
        let _ = std::io::stderr().write_all(question);
        if std::io::stdin().read_line(&mut String::new()).unwrap_or(0) == 0 {
            return Err(nothing_changed());
        }
    }
}

fn nothing_changed() -> anyhow::Error {
    anyhow::anyhow!("nothing was changed")
}

/// An empty document would take back everything. It is more likely an editor or a pipe that failed.
fn check_not_empty(text: &str) -> Result<()> {
    match hull_lxd::document::is_empty(text) {
        true => {
            let error = anyhow::anyhow!("the document is empty, and nothing was changed");
            Err(error.context(Hint("config: {} and devices: {} take everything back".into())))
        }
        false => Ok(()),
    }
}

/// Says which keys a running container gets at its next start, and which containers a change has left out.
pub fn say_what_needs_restart(all: &[Applied]) {
    for Applied { container, left_out, .. } in all {
        if let Some(why) = left_out {
            errors::warn(&format!("{container} was left out: {why}"), &format!("hull rm -f {container}"));
        }
    }
    for Applied { container, need_restart, .. } in all.iter().filter(|one| !one.need_restart.is_empty()) {
        errors::note(
            &format!("{container} runs, and gets this at its next start: {}", need_restart.join(", ")),
            &format!("hull restart {container}"),
        );
    }
}
