//! Paths of the workspace, and running programs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("tests/xtask lies two levels down")
}

/// `target/<triple>`: this program is `target/<triple>/debug/xtask`.
pub fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("finding the target directory")?;
    Ok(own.ancestors().nth(2).context("xtask is not in a target directory")?.to_owned())
}

/// The cargo that runs this program.
pub fn cargo<S: AsRef<OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    // The variables that cargo sets for this program would bind the inner cargo to this package.
    for (name, _) in std::env::vars_os().filter(|(n, _)| n.to_string_lossy().starts_with("CARGO_PKG_")) {
        command.env_remove(name);
    }
    command.env_remove("CARGO_MANIFEST_DIR");
    command
}

/// Runs a command to its end and shows its output. Fails if the command fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("starting {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs a command and returns its output.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("starting {}", shown(command)))?;
    if !output.status.success() {
        bail!("{} ended with {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading what {} printed", shown(command)))
}

fn shown(command: &Command) -> String {
    let args = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = args.map(|a| a.to_string_lossy()).collect();
    format!("`{}`", words.join(" "))
}
