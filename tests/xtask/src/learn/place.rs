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
        let shown = directory.display().to_string();
        let directory =
            resolved(&directory).with_context(|| format!("{shown} cannot be used as a directory"))?;
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
        let repository = resolved(root())?;
        if self.directory.starts_with(&repository) && !self.directory.starts_with(repository.join("learn")) {
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

    /// Makes the directory if it is missing, and keeps every other `learn` out of it until the file is closed: two at
    /// once would remove each other's half-written step.
    pub fn lock(&self) -> Result<fs::File> {
        fs::create_dir_all(&self.directory).with_context(|| self.directory.display().to_string())?;
        let directory =
            fs::File::open(&self.directory).with_context(|| self.directory.display().to_string())?;
        // Some network file systems have no locks on directories. There the reader has to wait for the other command.
        let _ = directory.lock();
        Ok(directory)
    }

    /// Makes the directory of a step, with the lock held. It is written under another name and renamed, so that an
    /// interruption leaves nothing half done.
    pub fn add(&self, step: &Step, files: &Files) -> Result<()> {
        // The mark comes first: whatever happens after it, the directory is known to be ours. An empty mark is enough.
        if !self.exists() {
            let mark = self.directory.join(MARK);
            fs::write(&mark, "").with_context(|| format!("writing {}", mark.display()))?;
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
            // What is there and cannot be read as text is the reader's, as a file in another encoding or a link.
            let is_present = path.symlink_metadata().is_ok();
            let present = fs::read_to_string(&path).unwrap_or_default();
            // After an interruption the file can be newer than the mark.
            let is_ours = known.get(&name) == Some(&present) || present == text;
            if !is_present || is_ours {
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
                }
                write_whole(&path, &text)?;
                written.insert(name, text);
            } else if name == "Cargo.toml" {
                self.name_current(&path, &present, step)?;
            }
        }
        let lock = self.directory.join("Cargo.lock");
        if !lock.exists() {
            let text =
                fs::read_to_string(root().join("Cargo.lock")).context("the repository's Cargo.lock")?;
            write_whole(&lock, &text)?;
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
        let lines = text.split_inclusive('\n').map(|old| match old.starts_with(support::CURRENT) {
            // The line's own end stays, which can be CR LF.
            true => format!("{line}{}", &old[old.trim_end_matches(['\r', '\n']).len()..]),
            false => old.to_owned(),
        });
        write_whole(path, &lines.collect::<String>())
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
        write_whole(&path, &format!("{text:#}\n"))
    }

    /// The steps that have a directory here.
    pub fn steps(&self) -> Vec<&'static Step> {
        STEPS.iter().filter(|step| self.has(step)).collect()
    }
}

/// The path without links and `..`. The end of it may not exist yet.
fn resolved(path: &Path) -> Result<PathBuf> {
    match path.canonicalize() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        found => return Ok(found?),
    }
    // A link that leads nowhere exists, and cannot be a directory. A path that ends in `..` has no name.
    let (Some(parent), Some(name), true) =
        (path.parent(), path.file_name(), path.symlink_metadata().is_err())
    else {
        bail!("{} leads nowhere", path.display());
    };
    Ok(resolved(parent)?.join(name))
}

/// Replaces a file at once, so that after an interruption or on a full disk it is the old one or the new one.
fn write_whole(path: &Path, text: &str) -> Result<()> {
    // A link stays a link.
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let temporary =
        path.with_file_name(format!(".new-{}", path.file_name().unwrap_or_default().to_string_lossy()));
    let written = fs::write(&temporary, text)
        .and_then(|()| match fs::metadata(&path) {
            Ok(old) => fs::set_permissions(&temporary, old.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::blanks::{body_to_write, step_files};
    use super::*;

    fn begin(directory: &Path, name: &str) -> Result<Place> {
        let (place, step) = (Place::find(Some(directory))?, Step::find(name).unwrap());
        let _lock = place.lock()?;
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
    fn what_is_no_text_stays_and_so_do_the_ends_of_lines() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        begin(directory.path(), "01-uts").unwrap();
        fs::write(at("README.md"), b"caf\xe9").unwrap();
        fs::remove_file(at(".gitignore")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at(".gitignore")).unwrap();
        let manifest = fs::read_to_string(at("Cargo.toml")).unwrap().replace('\n', "\r\n");
        fs::write(at("Cargo.toml"), &manifest).unwrap();
        let place = begin(directory.path(), "02-pid-mount").unwrap();
        assert_eq!(fs::read(at("README.md")).unwrap(), b"caf\xe9");
        assert!(!at("nowhere").exists());
        assert_eq!(place.current().unwrap().name, "02-pid-mount");
        assert_eq!(
            fs::read_to_string(at("Cargo.toml")).unwrap(),
            manifest.replace("[\"01-uts\"]", "[\"02-pid-mount\"]")
        );
        // As it is after an interruption: the mark is older than the files, or empty.
        fs::write(at("Cargo.toml"), "").unwrap();
        fs::write(at(MARK), "").unwrap();
        assert!(begin(directory.path(), "01-uts").unwrap_err().to_string().contains("has no line"));
        fs::remove_file(at("Cargo.toml")).unwrap();
        begin(directory.path(), "01-uts").unwrap();
        assert!(
            fs::read_dir(directory.path())
                .unwrap()
                .flatten()
                .all(|entry| { !entry.file_name().to_string_lossy().starts_with(".new-") })
        );
    }

    #[test]
    fn two_at_once_make_one_whole_step() {
        let directory = tempfile::tempdir().unwrap();
        let step = Step::find("01-uts").unwrap();
        let begun: Vec<_> = (0..8)
            .map(|_| {
                let path = directory.path().to_owned();
                std::thread::spawn(move || {
                    begin(&path, "01-uts").map(drop).map_err(|error| format!("{error:#}"))
                })
            })
            .collect();
        for thread in begun {
            thread.join().unwrap().unwrap();
        }
        for path in step_files(step, body_to_write).unwrap().keys() {
            assert!(directory.path().join("01-uts").join(path).is_file(), "{}", path.display());
        }
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
        // By links and `..` too, and where nothing is yet.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(root(), &link).unwrap();
        for name in [root().join("steps"), root().join("learn/../steps/new"), link.join("new/learn")] {
            let refused = Place::find(Some(&name)).unwrap_err().to_string();
            assert!(
                refused.contains("part of the repository") || refused.contains("cannot be used"),
                "{refused}"
            );
        }
        fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(Place::find(Some(&link)).is_err());
        let free = Place::find(Some(&directory.path().join("new"))).unwrap();
        assert!(free.current().unwrap_err().to_string().contains("begin with"));
    }
}
