//! What a program that executes itself again arrives with.
//!
//! A step's program executes `/proc/self/exe child CONFIG`. In a check that file is the test program, which then only
//! writes down what it was called with and ends. [`Reexec`] is the place where it writes.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// Names the file in which the executed program reports.
const VARIABLE: &str = "LESSON_REEXEC";

/// A report that an executed copy of this program will write.
#[derive(Debug)]
pub struct Reexec(PathBuf);

impl Reexec {
    /// Prepares for the report of one copy, started by this process or a child of it.
    pub fn expect(directory: &Path) -> Self {
        let path = directory.join("reexec");
        let _ = fs::remove_file(&path);
        // An unprivileged user's copy has to be able to write it.
        let _ = fs::write(&path, "");
        let _ = fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o666));
        // SAFETY: a check's process has one thread.
        #[allow(unsafe_code)]
        unsafe {
            std::env::set_var(VARIABLE, &path)
        };
        Self(path)
    }

    /// What it wrote: `config`, `pid`, `parent_death_signal`, `hostname`, whether `child` is its `argv_0`, and in
    /// `pipes` its open pipes; none if no copy was executed yet.
    pub fn report(&self) -> Option<Value> {
        serde_json::from_str(&fs::read_to_string(&self.0).ok()?).ok()
    }
}

/// The pipes that this process has open, except for stdin, stdout and stderr.
pub fn pipes() -> Vec<String> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let others = entries.filter(|entry| !matches!(entry.file_name().to_str(), Some("0" | "1" | "2")));
    let links = others.filter_map(|entry| fs::read_link(entry.path()).ok());
    links.map(|link| link.display().to_string()).filter(|link| link.starts_with("pipe:")).collect()
}

/// Reports and ends, if this process is such a copy.
pub(crate) fn report_and_exit() {
    let mut words: Vec<OsString> = std::env::args_os().filter(|word| word != "-v").collect();
    // The usual mistake: the name of the program, the first element of argv, was left out.
    let is_argv_0 = words.first().is_some_and(|word| word == "child");
    if !is_argv_0 && !words.is_empty() {
        words.remove(0);
    }
    let (Some(path), true) = (std::env::var_os(VARIABLE), words.first().is_some_and(|word| word == "child"))
    else {
        return;
    };
    let config = words.get(1).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    let signal = nix::sys::prctl::get_pdeathsig().ok().flatten();
    let report = json!({
        "config": serde_json::from_str::<Value>(&config).unwrap_or(Value::String(config)),
        "argv_0": is_argv_0,
        "pid": std::process::id(),
        "parent_death_signal": signal.map(|signal| signal.as_str()),
        "pipes": pipes(),
        "hostname": nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned()),
    });
    let _ = fs::write(path, report.to_string());
    std::process::exit(0);
}
