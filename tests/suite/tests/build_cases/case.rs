//! The cases: Dockerfiles with their contexts, and what BuildKit makes of them.
//!
//! A file of cases is text. `== NAME` begins a case, lines of `#` say why it is there, and `-- SECTION` begins a section:
//!
//! ```text
//! Dockerfile    the Dockerfile
//! context       a shell script that makes the context, in a directory with the Dockerfile; its times become 2020-01-01
//! served        the same for files that a server has at http://127.0.0.1:8000/NAME/, where NAME is the case's
//! flags         arguments of `build`, one a line
//! image NAME    an image of busybox with this configuration, present in the store
//! result        the image that Debian's BuildKit builds, or `fails`
//! legacy        what the legacy builder makes differently; `legacy none`: the builder is not asked
//! podman        the same of podman; `podman none`: its result is not the same every time
//! current       the same of a current BuildKit, asked by hand: hull follows it
//! reference     Debian's BuildKit is too old for this case. The notes cite the Dockerfile reference
//! expected      the image by that reference, which a current BuildKit, asked by hand, builds too
//! hull          what hull makes differently from all this on purpose. The notes say why
//! error         what hull's error must contain
//! ```

use std::fmt::Write;
use std::path::{Path, PathBuf};

use hull_test_support::program;

#[derive(Debug, Clone)]
pub struct Case {
    pub name: String,
    notes: String,
    sections: Vec<(String, String)>,
}

impl Case {
    pub fn section(&self, name: &str) -> Option<&str> {
        self.sections.iter().find(|(section, _)| section == name).map(|(_, text)| text.as_str())
    }

    pub fn lines(&self, section: &str) -> Vec<String> {
        self.section(section).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// What a current BuildKit makes.
    pub fn expected(&self) -> Vec<String> {
        let mut lines = self.lines("result");
        lines.extend(self.lines("expected"));
        // A text of the history takes the place of another one.
        let mut places = Vec::new();
        for change in self.lines("current") {
            match change.split_once(' ') {
                Some(("-", line)) => {
                    let at = lines.iter().position(|other| other == line);
                    let at = at.unwrap_or_else(|| panic!("{}: {line} is not in the result", self.name));
                    lines[at].clear();
                    if line.starts_with("history") {
                        places.push(at);
                    }
                }
                Some(("+", line)) if line.starts_with("history") && !places.is_empty() => {
                    lines[places.remove(0)] = line.to_owned();
                }
                Some(("+", line)) => lines.push(line.to_owned()),
                _ => panic!("{}: {change:?} is no change", self.name),
            }
        }
        lines.retain(|line| !line.is_empty());
        lines
    }

    /// Names and configurations of images that the case needs.
    pub fn images(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections.iter().filter_map(|(name, text)| Some((name.strip_prefix("image ")?, text.as_str())))
    }

    /// Replaces a section. Without lines it is removed.
    pub fn set(&mut self, section: &str, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        match self.sections.iter_mut().find(|(name, _)| name == section) {
            Some((_, old)) => *old = text,
            None => self.sections.push((section.to_owned(), text)),
        }
        if lines.is_empty() {
            self.sections.retain(|(name, _)| name != section);
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
    let directory = program::workspace().join("tests/suite/tests/build_cases/cases");
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
            for (name, body) in &case.sections {
                let _ = write!(text, "-- {name}\n{body}");
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
            cases.push(Case { name: name.to_owned(), notes: String::new(), sections: vec![] });
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("{} begins with a case", path.display()));
        if let Some(section) = line.strip_prefix("-- ") {
            case.sections.push((section.to_owned(), String::new()));
            continue;
        }
        let body = case.sections.last_mut().map_or(&mut case.notes, |(_, text)| text);
        body.push_str(line);
        body.push('\n');
    }
    // The empty line before the next case belongs to the layout.
    for case in &mut cases {
        let last = case.sections.last_mut().map_or(&mut case.notes, |(_, text)| text);
        if last.ends_with("\n\n") {
            last.pop();
        }
    }
    cases
}
