//! The cases: HTTP requests in order, and what dockerd answers to each.
//!
//! A file of cases is text. `== NAME` begins a case, and lines of `#` say what it is about. `-- SECTION` begins a section. A
//! step of a case is one of the first five sections below, with the sections that follow it:
//!
//! ```text
//! request       the request line without `HTTP/1.1`, header lines, an empty line, the body. A body without a type is JSON,
//!               and a header without a value is not sent.
//!               `request background NAME`: only the head of the answer is awaited. `request delayed NAME`: not even that
//! setup         the same, but it only has to succeed, and is not recorded
//! raw           the bytes of a request, for those that no client sends; \r \n \xNN are escapes
//! finish NAME   the rest of the answer to a background or delayed request. `abandon NAME`: its connection is closed
//! shell         a script that is run in the sandbox's directory
//! body tar      a shell script. The body is a tar of the directory in which it ran; `body file NAME`: a file of the
//!               sandbox's directory; `body zeros N`: as many bytes; `body repeat N TEXT`
//! send          what is written to a hijacked connection, one escaped piece a line, before its writing side is closed.
//!               `send open`: the writing side stays open. `send after N`: once N lines have arrived
//! take N        the connection is closed after as many lines of the body
//! until         the request is repeated until the answer has this line
//! capture       `NAME PATH`, one a line: later requests have the value at this path as {NAME}, its beginning as {NAME:12}
//! only          the answer is recorded only where a path begins with one of these. `without`: except where it does
//! answer        what dockerd 20.10 answers. `any answer`: nothing is compared
//! current       what dockerd 28.5 answers differently. hull may answer either
//! hull          what hull answers differently on purpose. Lines of `#` say why
//! ```
//!
//! `-- current only` before the first step: the case is about a version of the API that dockerd 20.10 does not have, and
//! `answer` is what 28.5 answers. `-- dockerd only`: hull is not asked; the notes say why.
//!
//! The variables {dir} (the sandbox's directory), {now} (the time in seconds) and {image} (the id of `base`) are always there.
//! `describe.rs` explains the lines of an answer.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hull_test_support::program;

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    notes: String,
    /// What is before the first step.
    pub whole: Vec<Section>,
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub struct Section {
    pub name: String,
    pub text: String,
}

/// A section of the kinds in [`FIRST`], and those that belong to it.
#[derive(Debug, Clone)]
pub struct Step {
    sections: Vec<Section>,
}

const FIRST: [&str; 6] = ["request", "setup", "raw", "finish", "abandon", "shell"];

impl Case {
    pub fn is(&self, mark: &str) -> bool {
        self.whole.iter().any(|section| section.name == mark)
    }
}

impl Step {
    /// The kind, and the words after it.
    pub fn kind(&self) -> (&str, Vec<&str>) {
        let mut words = self.sections[0].name.split(' ');
        (words.next().unwrap_or_default(), words.collect())
    }

    /// The text of the section that begins the step.
    pub fn text(&self) -> &str {
        &self.sections[0].text
    }

    /// The words after a section's name, and its text.
    pub fn section(&self, name: &str) -> Option<(&str, &str)> {
        self.sections[1..].iter().find_map(|section| {
            let words = section.name.strip_prefix(name)?;
            (words.is_empty() || words.starts_with(' ')).then_some((words.trim(), section.text.as_str()))
        })
    }

    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = self.section(name).map(|(_, text)| text).unwrap_or_default();
        text.lines().filter(|line| !line.starts_with("# ")).map(str::to_owned).collect()
    }

    /// Whether a section has a line that gives a reason.
    pub fn gives_reason(&self, name: &str) -> bool {
        self.section(name).is_some_and(|(_, text)| text.lines().any(|line| line.starts_with("# ")))
    }

    /// Replaces the lines of a section, but not its reasons. Without lines it is removed.
    pub fn set(&mut self, name: &str, lines: &[String]) {
        let old = self.section(name).map(|(_, text)| text).unwrap_or_default();
        let mut text: String =
            old.lines().filter(|line| line.starts_with("# ")).map(|line| format!("{line}\n")).collect();
        lines.iter().for_each(|line| {
            let _ = writeln!(text, "{line}");
        });
        match self.sections.iter_mut().find(|section| section.name == name) {
            Some(section) => section.text = text,
            None => {
                // In the order of the documentation.
                let rank = |name: &str| ["answer", "current", "hull"].iter().position(|known| *known == name);
                let at = self.sections.iter().position(|other| rank(&other.name) > rank(name));
                let at = at.unwrap_or(self.sections.len());
                self.sections.insert(at, Section { name: name.to_owned(), text });
            }
        }
        if lines.is_empty() {
            self.sections.retain(|section| section.name != name);
        }
    }
}

/// A file of cases.
pub struct File {
    pub path: PathBuf,
    pub cases: Vec<Case>,
}

/// The files, in the order of their names.
pub fn files() -> Vec<File> {
    let directory = program::workspace().join("tests/suite/tests/api_recorded/cases");
    let entries = std::fs::read_dir(&directory).expect("a directory of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| File { path: path.clone(), cases: parse(path) }).collect()
}

impl File {
    /// Writes the cases back, with new answers.
    pub fn write(&self) {
        let mut text = String::new();
        for (index, case) in self.cases.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            let _ = write!(text, "{gap}== {}\n{}", case.name, case.notes);
            let sections = case.whole.iter().chain(case.steps.iter().flat_map(|step| &step.sections));
            for section in sections {
                let _ = write!(text, "-- {}\n{}", section.name, section.text);
            }
        }
        std::fs::write(&self.path, text).expect("the repository can be written");
    }
}

fn parse(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("a text of the repository");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Case { name: name.to_owned(), notes: String::new(), whole: vec![], steps: vec![] });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{} begins with a case", path.display()));
        if let Some(name) = line.strip_prefix("-- ") {
            case.begin(Section { name: name.to_owned(), text: String::new() });
            continue;
        }
        let text = case.last_text();
        text.push_str(line);
        text.push('\n');
    }
    // The empty line before the next case belongs to the layout.
    for case in &mut cases {
        let text = case.last_text();
        if text.ends_with("\n\n") || text == "\n" {
            text.pop();
        }
    }
    cases
}

impl Case {
    fn begin(&mut self, section: Section) {
        let kind = section.name.split(' ').next().unwrap_or_default();
        match self.steps.last_mut() {
            _ if FIRST.contains(&kind) => self.steps.push(Step { sections: vec![section] }),
            Some(step) => step.sections.push(section),
            None => self.whole.push(section),
        }
    }

    fn last_text(&mut self) -> &mut String {
        let section = match self.steps.last_mut() {
            Some(step) => step.sections.last_mut(),
            None => self.whole.last_mut(),
        };
        section.map_or(&mut self.notes, |section| &mut section.text)
    }
}
