//! `book/src/look/states.js`: a script, because a page that is opened as a file may load data only as a script.
//!
//! Most answers are the same in many states. So the file has each once, and a state names them by their positions:
//!
//! ```text
//! lookStates.names      the switches, by their bits
//! lookStates.kinds      the kinds of namespaces
//! lookStates.texts      commands, labels and lines
//! lookStates.asked      a command, and the lines that it printed
//! lookStates.states     one on a line: root, bits, command, labels host and inside, refused, first, host, inside
//! ```

use std::collections::HashMap;
use std::fs;
use std::hash::Hash;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{Asked, KINDS, Label, SWITCHES, Setting, State};
use crate::book;

const START: &str = "// Written by `cargo xtask book --capture`. Do not edit.\nwindow.lookStates = ";
const END: &str = ";\n";

/// What stands for no text.
const NONE: i32 = -1;

#[derive(Serialize, Deserialize)]
struct File {
    names: Vec<String>,
    kinds: Vec<String>,
    texts: Vec<String>,
    asked: Vec<Vec<i32>>,
    states: Vec<Row>,
}

/// Root, bits, command, labels of the host, labels inside, refused, first, host, inside.
#[derive(Serialize, Deserialize)]
struct Row(bool, u16, i32, Vec<i32>, Vec<i32>, i32, Vec<i32>, Vec<i32>, Vec<i32>);

/// A list to which each thing is added once.
#[derive(Default)]
struct Pool<T> {
    positions: HashMap<T, i32>,
    list: Vec<T>,
}

impl<T: Clone + Eq + Hash> Pool<T> {
    /// The position of the thing.
    fn add(&mut self, thing: T) -> i32 {
        *self.positions.entry(thing).or_insert_with_key(|thing| {
            self.list.push(thing.clone());
            self.list.len() as i32 - 1
        })
    }
}

fn path() -> PathBuf {
    book().join("src/look/states.js")
}

/// What `states` are made of, each piece once.
#[derive(Default)]
struct Pools {
    texts: Pool<String>,
    asked: Pool<Vec<i32>>,
}

impl Pools {
    fn text(&mut self, text: Option<&String>) -> i32 {
        text.map_or(NONE, |text| self.texts.add(text.clone()))
    }

    fn asked(&mut self, all: &[Asked]) -> Vec<i32> {
        let mut positions = Vec::new();
        for Asked { command, answer } in all {
            let texts = std::iter::once(command).chain(answer).map(|text| self.text(Some(text))).collect();
            positions.push(self.asked.add(texts));
        }
        positions
    }

    fn row(&mut self, state: &State) -> Row {
        let names: Vec<_> = state.on.iter().map(String::as_str).collect();
        Row(
            state.root,
            Setting::of(state.root, &names).on,
            self.text(Some(&state.command)),
            state.labels.iter().map(|label| self.text(Some(&label.host))).collect(),
            state.labels.iter().map(|label| self.text(label.inside.as_ref())).collect(),
            self.text(state.refused.as_ref()),
            self.asked(&state.first),
            self.asked(&state.host),
            self.asked(&state.inside),
        )
    }
}

/// One state on a line, so that a difference can be read.
pub fn write(states: &[State]) -> Result<()> {
    let mut pools = Pools::default();
    let rows: Vec<_> = states.iter().map(|state| serde_json::to_string(&pools.row(state))).collect();
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?.join(",\n");
    let names: Vec<_> = SWITCHES.iter().map(|(name, _)| name).collect();
    let text = format!(
        "{START}{{\n\"names\":{},\n\"kinds\":{},\n\"texts\":{},\n\"asked\":{},\n\"states\":[\n{rows}\n]}}{END}",
        serde_json::to_string(&names)?,
        serde_json::to_string(&KINDS)?,
        serde_json::to_string(&pools.texts.list)?,
        serde_json::to_string(&pools.asked.list)?,
    );
    let path = path();
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// What was written last.
pub fn read() -> Result<Vec<State>> {
    let path = path();
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let json = text.strip_prefix(START).and_then(|rest| rest.strip_suffix(END));
    let json = json.context("it is not as `cargo xtask book --capture` writes it")?;
    let file: File = serde_json::from_str(json).with_context(|| format!("reading {}", path.display()))?;
    let states = file.states.iter().map(|row| file.state(row)).collect::<Option<_>>();
    states.with_context(|| format!("{}: a position leads nowhere", path.display()))
}

impl File {
    fn text(&self, position: i32) -> Option<String> {
        self.texts.get(usize::try_from(position).ok()?).cloned()
    }

    fn asked(&self, positions: &[i32]) -> Option<Vec<Asked>> {
        let one = |position: &i32| {
            let texts = self.asked.get(usize::try_from(*position).ok()?)?;
            let mut texts = texts.iter().map(|text| self.text(*text));
            Some(Asked { command: texts.next()??, answer: texts.collect::<Option<_>>()? })
        };
        positions.iter().map(one).collect()
    }

    fn state(&self, row: &Row) -> Option<State> {
        let Row(root, on, command, hosts, insides, refused, first, host, inside) = row;
        let label = |((kind, host), inside): ((&String, &i32), &i32)| {
            Some(Label { kind: kind.clone(), host: self.text(*host)?, inside: self.text(*inside) })
        };
        Some(State {
            root: *root,
            on: Setting { root: *root, on: *on }.names(),
            command: self.text(*command)?,
            labels: self.kinds.iter().zip(hosts).zip(insides).map(label).collect::<Option<_>>()?,
            refused: self.text(*refused),
            first: self.asked(first)?,
            host: self.asked(host)?,
            inside: self.asked(inside)?,
        })
    }
}
