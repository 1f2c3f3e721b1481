//! A text that the user changes with an editor.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::environment;
use crate::ui::errors::Hint;

/// The editor where neither VISUAL nor EDITOR is set. POSIX requires it on every system.
const USUAL: &str = "vi";

/// The file that is being edited, in a directory that only this user sees. Both are removed when this value is dropped,
/// unless the text is kept.
#[derive(Debug)]
pub struct Draft {
    directory: PathBuf,
    path: PathBuf,
    pub file: File,
    is_kept: bool,
}

impl Draft {
    /// Makes an empty draft. Editors recognize the format of a file by the end of its name.
    pub fn new(name: &OsStr) -> Result<Self> {
        let template = environment::temporary().join("hull-edit-XXXXXX");
        let directory = nix::unistd::mkdtemp(&template).map_err(std::io::Error::from);
        let directory = directory.with_context(|| format!("cannot create {}", template.display()))?;
        let path = directory.join(if name.is_empty() { OsStr::new("text") } else { name });
        match File::create_new(&path) {
            Ok(file) => Ok(Self { directory, path, file, is_kept: false }),
            Err(error) => {
                let _ = std::fs::remove_dir(&directory);
                Err(error).with_context(|| format!("cannot create {}", path.display()))
            }
        }
    }

    /// Lets the user change the draft. Returns the changed file, or `None` if nothing has changed.
    pub fn edit(&self) -> Result<Option<File>> {
        let before = self.content()?;
        let editor = ["VISUAL", "EDITOR"].into_iter().find_map(environment::variable);
        let editor = editor.filter(|text| !text.trim().is_empty()).unwrap_or_else(|| USUAL.into());
        // The editor is run by a shell, because the variable may hold arguments, too.
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&self.path);
        let ended = command.status().with_context(|| format!("cannot run the editor {editor}"))?;
        if !ended.success() {
            let error = anyhow::anyhow!("the editor {editor} failed ({ended}), and nothing was changed");
            return Err(error.context(Hint("EDITOR names the editor to use".into())));
        }
        match self.content()? == before {
            true => Ok(None),
            false => Ok(Some(self.open()?)),
        }
    }

    /// Leaves the text to the user, because nothing else has it. Returns its path.
    pub fn keep(mut self) -> PathBuf {
        self.is_kept = true;
        self.path.clone()
    }

    /// Opens the file anew, because editors may replace it.
    fn open(&self) -> Result<File> {
        File::open(&self.path).with_context(|| format!("cannot open {}", self.path.display()))
    }

    fn content(&self) -> Result<Vec<u8>> {
        let mut content = Vec::new();
        let read = self.open()?.read_to_end(&mut content);
        read.with_context(|| format!("cannot read {}", self.path.display()))?;
        Ok(content)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_kept {
            // The editor may have left other files in the directory.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
