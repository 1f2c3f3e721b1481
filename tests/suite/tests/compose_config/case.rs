//! The cases: projects, command lines, and what Docker Compose 2.40.3 answers.
//!
//! A file of cases is text. `== NAME` begins a case, lines of `#` say what it is about, and `-- SECTION` begins a section.
//! The first sections make the project, whose directory is always `/mnt/project`:
//!
//! ```text
//! file PATH     a file, below the project's directory
//! bytes PATH    the same, in which \r and \u{feff} stand for these characters
//! link PATH     a symlink; the text is its target
//! env           variables of the environment, NAME=VALUE, one a line. Only HOME, PATH and PWD are there without it
//! in PATH       the directory in which the commands run
//! ```
//!
//! The others are steps, each with the sections that follow it:
//!
//! ```text
//! $ WORDS       what follows `docker compose`, with quotes as in a shell. Words such as NAME=VALUE at the beginning set
//!               variables, `< FILE` at the end is its standard input, and `| sort` sorts the lines that it prints, where
//!               Compose prints them in the order of a Go map. The text is what it prints
//! warnings      the messages of its warnings, one a line
//! error         what it prints on the standard error in addition to them
//!               `error varies`: the text is not the same every time
//! exit N        the exit code, if it is not 0
//! wrote PATH    a file that it writes
//! hull          what hull prints instead, because Compose is wrong; `hull exit N` its exit code. Lines of `#` say why
//! hull says     what hull's standard error contains, one text a line. A step that fails has one, because hull's texts are
//!               its own: file, line and key. A step with warnings has one where hull's texts differ from Compose's
//! ```
//!
//! A text that does not end in a newline has the last line `\ no newline`.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hull_test_support::program;

#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub text: String,
}

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    notes: String,
    /// What makes the project.
    pub setup: Vec<Section>,
    pub steps: Vec<Step>,
}

/// A command and what belongs to it. The first section is `$ WORDS`.
#[derive(Debug, Clone)]
pub struct Step {
    sections: Vec<Section>,
}

impl Step {
    /// The words of the command line, unparsed.
    pub fn line(&self) -> &str {
        &self.sections[0].name[2..]
    }

    /// What the step prints.
    pub fn stdout(&self) -> &str {
        &self.sections[0].text
    }

    pub fn set_stdout(&mut self, text: String) {
        self.sections[0].text = text;
    }

    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|section| section.name == name).map(|section| section.text.as_str())
    }

    /// The word after a section's name, such as an exit code.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.sections.iter().find_map(|section| section.name.strip_prefix(name)?.strip_prefix(' '))
    }

    /// The lines of a section that are no reasons.
    pub fn lines(&self, name: &str) -> Vec<&str> {
        let text = self.section(name).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with("# ")).collect()
    }

    /// Replaces the sections that begin with `name`. Without a text they are removed.
    pub fn set(&mut self, name: &str, word: &str, text: Option<String>) {
        let whole = format!("{name} {word}").trim_end().to_owned();
        let is_meant = |section: &Section| {
            section.name == name || !word.is_empty() && section.name.starts_with(&format!("{name} "))
        };
        match text {
            None => self.sections.retain(|section| !is_meant(section)),
            Some(text) => match self.sections.iter_mut().find(|section| is_meant(section)) {
                Some(section) => *section = Section { name: whole, text },
                None => self.sections.push(Section { name: whole, text }),
            },
        }
    }
}

/// A file of cases.
pub struct File {
    path: PathBuf,
    pub cases: Vec<Case>,
}

/// The files, in the order of their names.
pub fn files() -> Vec<File> {
    let directory = program::workspace().join("tests/suite/tests/compose_config/cases");
    let entries = std::fs::read_dir(&directory).expect("a directory of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| File { path: path.clone(), cases: parse(path) }).collect()
}

impl File {
    /// Writes the cases back, with new results.
    pub fn write(&self) {
        let mut text = String::new();
        for (index, case) in self.cases.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            let _ = write!(text, "{gap}== {}\n{}", case.name, case.notes);
            let steps = case.steps.iter().flat_map(|step| &step.sections);
            for section in case.setup.iter().chain(steps) {
                let _ = write!(text, "-- {}\n{}", section.name, section.text);
            }
        }
        std::fs::write(&self.path, text).expect("the repository can be written");
    }

    pub fn is_named(&self, wanted: &str) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == wanted)
    }
}

fn parse(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("a text of the repository");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), notes: String::new(), setup: vec![], steps: vec![] });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{} begins with a case", path.display()));
        if let Some(name) = line.strip_prefix("-- ") {
            let section = Section { name: name.to_owned(), text: String::new() };
            match case.steps.last_mut() {
                _ if name.starts_with("$ ") => case.steps.push(Step { sections: vec![section] }),
                Some(step) => step.sections.push(section),
                None => case.setup.push(section),
            }
            continue;
        }
        let body = last_text(case);
        body.push_str(line);
        body.push('\n');
    }
    // The empty line before the next case belongs to the layout.
    let count = cases.len();
    for case in cases.iter_mut().take(count.saturating_sub(1)) {
        let last = last_text(case);
        if last == "\n" || last.ends_with("\n\n") {
            last.pop();
        }
    }
    cases
}

fn last_text(case: &mut Case) -> &mut String {
    let sections = match case.steps.last_mut() {
        Some(step) => &mut step.sections,
        None => &mut case.setup,
    };
    sections.last_mut().map_or(&mut case.notes, |section| &mut section.text)
}
