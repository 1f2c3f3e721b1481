//! The reader's directory. What is in it and was not made here, or was changed since, is the reader's and stays.
//!
//! ```text
//! learn/
//!   .learn.json    this file says that the directory is ours, and what we wrote into the files below
//!   Cargo.toml     a workspace of its own; `default-members` is the step that is worked on
//!   Cargo.lock     the repository's, so that nothing is resolved or downloaded anew
//!   .cargo/        where cargo builds: the intermediate files go to the repository's target directory
//!   README.md
//!   01-uts/        the reader's; made once, by a rename, so it is whole or not there
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use lesson_tasks::table::{STEPS, Step};
use serde_json::{Value, json};

use super::support;
use crate::workspace::root;

/// Marks a directory as one of ours.
pub const MARK: &str = ".learn.json";

/// The texts of a step's files, by their paths in the step's directory.
pub type Files = BTreeMap<PathBuf, File>;

/// The text and the mode of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub permissions: fs::Permissions,
}

/// A reader's directory, which may not have been made yet.
#[derive(Debug)]
pub struct Place {
    directory: PathBuf,
}

impl Place {
    /// The directory that was named; else the one around the working directory; else `learn/` in the repository.
    pub fn find(named: Option<&Path>) -> Result<Self> {
        let here = std::env::current_dir().context("the working directory")?;
        let around = || here.ancestors().find(|directory| directory.join(MARK).is_file()).map(Path::to_owned);
        let directory = match named {
            Some(named) => std::path::absolute(named).context("the name of the directory")?,
            None => around().unwrap_or_else(|| root().join("learn")),
        };
        let place = Self { directory };
        if !place.exists() {
            place.check_is_free()?;
        }
        Ok(place)
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// The path for a message: relative to the working directory, if it is below it.
    pub fn shown(&self) -> String {
        let here = std::env::current_dir().unwrap_or_default();
        let relative = self.directory.strip_prefix(&here).unwrap_or(&self.directory);
        if relative.as_os_str().is_empty() { ".".to_owned() } else { relative.display().to_string() }
    }

    pub fn directory_of(&self, step: &Step) -> PathBuf {
        self.directory.join(step.name)
    }

    pub fn has(&self, step: &Step) -> bool {
        self.directory_of(step).is_dir()
    }

    fn exists(&self) -> bool {
        self.directory.join(MARK).is_file()
    }

    /// A directory that is not ours is used only if it is empty.
    fn check_is_free(&self) -> Result<()> {
        let shown = self.directory.display();
        if self.directory.starts_with(root()) && !self.directory.starts_with(root().join("learn")) {
            bail!("{shown} is part of the repository: choose learn/ or a directory outside of it");
        }
        match fs::read_dir(&self.directory) {
            Ok(mut entries) => match entries.next() {
                Some(_) => {
                    bail!("{shown} has other files in it, so it was left alone: choose another directory")
                }
                None => Ok(()),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error).with_context(|| format!("{shown} cannot be used")),
        }
    }

    /// The step that is worked on: the default member of the workspace.
    pub fn current(&self) -> Result<&'static Step> {
        if !self.exists() {
            bail!(
                "there is no workspace in {}: begin with `cargo xtask learn 01-uts`",
                self.directory.display()
            );
        }
        let manifest = self.directory.join("Cargo.toml");
        let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
        let line = text.lines().find(|line| line.starts_with(support::CURRENT)).unwrap_or_default();
        let name = line.split('"').nth(1).unwrap_or_default();
        let step = Step::find(name).with_context(|| {
            let shown = manifest.display();
            format!("{shown} does not name a step in `default-members`: name one, for example `cargo xtask learn 01-uts`")
        })?;
        if !self.has(step) {
            bail!("{}/{} is gone: `cargo xtask learn {}` makes it again", self.shown(), step.name, step.name);
        }
        Ok(step)
    }

    /// Makes the directory of a step. It is written under another name and renamed, so that an interruption leaves
    /// nothing half done.
    pub fn add(&self, step: &Step, files: &Files) -> Result<()> {
        fs::create_dir_all(&self.directory).with_context(|| self.directory.display().to_string())?;
        // The mark comes first: whatever happens after it, the directory is known to be ours.
        if !self.exists() {
            self.write_mark(&BTreeMap::new())?;
        }
        let temporary = self.directory.join(format!(".new-{}", step.name));
        let _ = fs::remove_dir_all(&temporary);
        for (path, file) in files {
            let path = temporary.join(path);
            let directory = path.parent().expect("it is below the temporary directory");
            let written = fs::create_dir_all(directory).and_then(|()| fs::write(&path, &file.bytes));
            written
                .and_then(|()| fs::set_permissions(&path, file.permissions.clone()))
                .with_context(|| format!("writing {}", path.display()))?;
        }
        // A rename replaces an empty directory and nothing else.
        let to = self.directory_of(step);
        fs::rename(&temporary, &to).with_context(|| format!("{} cannot be made", to.display()))
    }

    /// Makes `step` the one that `cargo test` tests, and brings our own files up to date.
    pub fn make_current(&self, step: &'static Step) -> Result<()> {
        let known = self.known();
        let mut written = BTreeMap::new();
        for (name, text) in support::files(self, step)? {
            let path = self.directory.join(&name);
            let present = fs::read_to_string(&path).ok();
            let is_ours = |present: &String| known.get(&name) == Some(present);
            if present.as_ref().is_none_or(is_ours) {
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
                }
                fs::write(&path, &text).with_context(|| format!("writing {}", path.display()))?;
                written.insert(name, text);
            } else if name == "Cargo.toml" {
                self.name_current(&path, &present.unwrap_or_default(), step)?;
            }
        }
        let lock = self.directory.join("Cargo.lock");
        if !lock.exists() {
            fs::copy(root().join("Cargo.lock"), &lock).context("copying Cargo.lock")?;
        }
        self.write_mark(&written)
    }

    /// Changes the one line of a manifest that the reader has edited.
    fn name_current(&self, path: &Path, text: &str, step: &Step) -> Result<()> {
        let line = support::current(step);
        if !text.lines().any(|line| line.starts_with(support::CURRENT)) {
            bail!(
                "{} has no line `{}…`. Add this line to [workspace]: {line}",
                path.display(),
                support::CURRENT
            );
        }
        let lines = text.lines().map(|old| if old.starts_with(support::CURRENT) { &line } else { old });
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// What we wrote into our files, to see whether they have been changed since.
    fn known(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.directory.join(MARK)).unwrap_or_default();
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        let files = value["files"].as_object().into_iter().flatten();
        files.filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned()))).collect()
    }

    fn write_mark(&self, files: &BTreeMap<String, String>) -> Result<()> {
        let path = self.directory.join(MARK);
        let about = "Made by cargo xtask learn. It holds what the generated files were, so that edited ones are kept.";
        let text = json!({ "about": about, "version": 1, "files": files });
        fs::write(&path, format!("{text:#}\n")).with_context(|| format!("writing {}", path.display()))
    }

    /// The steps that have a directory here.
    pub fn steps(&self) -> Vec<&'static Step> {
        STEPS.iter().filter(|step| self.has(step)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::blanks::{body_to_write, step_files};
    use super::*;

    fn begin(directory: &Path, name: &str) -> Result<Place> {
        let (place, step) = (Place::find(Some(directory))?, Step::find(name).unwrap());
        if !place.has(step) {
            place.add(step, &step_files(step, body_to_write)?)?;
        }
        place.make_current(step)?;
        Ok(place)
    }

    #[test]
    fn nothing_of_the_readers_is_ever_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let place = begin(directory.path(), "01-uts").unwrap();
        assert_eq!(place.current().unwrap().name, "01-uts");
        let mine = [
            "01-uts/src/namespaces.rs",
            "01-uts/tests/tasks.rs",
            "README.md",
            ".cargo/config.toml",
            "Cargo.lock",
        ];
        for name in mine {
            fs::write(at(name), "mine").unwrap();
        }
        let manifest = fs::read_to_string(at("Cargo.toml")).unwrap();
        fs::write(at("Cargo.toml"), format!("{manifest}# mine\n")).unwrap();
        // What an interruption left, and what is not ours at all.
        fs::create_dir(at(".new-01-uts")).unwrap();
        fs::write(at("notes.txt"), "mine").unwrap();
        begin(directory.path(), "01-uts").unwrap();
        for name in mine.iter().chain(&["notes.txt"]) {
            assert_eq!(fs::read_to_string(at(name)).unwrap(), "mine", "{name}");
        }
        assert!(fs::read_to_string(at("Cargo.toml")).unwrap().ends_with("# mine\n"));
    }

    #[test]
    fn one_can_go_on_to_another_step_and_back() {
        let directory = tempfile::tempdir().unwrap();
        let place = begin(directory.path(), "01-uts").unwrap();
        let mine = directory.path().join("01-uts/src/main.rs");
        fs::write(&mine, "mine").unwrap();
        for name in ["03-cgroups", "01-uts"] {
            begin(directory.path(), name).unwrap();
            assert_eq!(place.current().unwrap().name, name);
        }
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
        assert_eq!(place.steps().iter().map(|step| step.name).collect::<Vec<_>>(), ["01-uts", "03-cgroups"]);
        // A step's directory is never replaced, whatever is in it.
        let step = Step::find("01-uts").unwrap();
        assert!(place.add(step, &step_files(step, body_to_write).unwrap()).is_err());
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    }

    #[test]
    fn every_blank_of_the_readers_copy_is_to_be_written_and_nothing_else_is_changed() {
        for step in STEPS.iter().filter(|step| !step.blanks.is_empty()) {
            let files = step_files(step, body_to_write).unwrap();
            for blank in step.blanks {
                let text =
                    String::from_utf8(files[&Path::new("src").join(blank.file)].bytes.clone()).unwrap();
                let function = lesson_tasks::source::find(&text, blank.item).unwrap();
                let body = &text[function.body];
                let said = [blank.hint[0], blank.hint[1], &step.chapter(blank), "todo!(\"task "];
                assert!(said.iter().all(|part| body.contains(part)), "{}: {body}", blank.item);
            }
            for (path, file) in &files {
                let is_blank = step.blanks.iter().any(|blank| path == &Path::new("src").join(blank.file));
                if !is_blank && path != Path::new("Cargo.toml") {
                    let own = fs::read(root().join("steps").join(step.name).join(path)).unwrap();
                    assert!(own == file.bytes, "{}", path.display());
                }
            }
        }
    }

    #[test]
    fn a_directory_that_is_not_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("thesis.txt"), "years").unwrap();
        let refused = Place::find(Some(directory.path())).unwrap_err().to_string();
        assert!(refused.contains("has other files in it"), "{refused}");
        assert!(Place::find(Some(&directory.path().join("thesis.txt"))).is_err());
        let refused = Place::find(Some(&root().join("steps"))).unwrap_err().to_string();
        assert!(refused.contains("part of the repository"), "{refused}");
        let free = Place::find(Some(&directory.path().join("new"))).unwrap();
        assert!(free.current().unwrap_err().to_string().contains("begin with"));
    }
}
