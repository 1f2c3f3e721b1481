//! What each command says of itself: `generated/commands/hull-run.txt` is `hull run --help`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::transcripts::lab::binary;

/// What an include below `generated/commands/` stands for.
pub fn help(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str()).context("a command has a name")?;
    let (program, verbs) = match name.strip_prefix("hull-oci") {
        Some(verbs) => ("hull-oci", verbs),
        None if name.starts_with("step-") => (name, ""),
        None => ("hull", name.strip_prefix("hull").unwrap_or_default()),
    };
    let verbs = verbs.split('-').filter(|verb| !verb.is_empty());
    let mut command = Command::new(binary(program)?);
    command
        .args(verbs)
        .arg("--help")
        .env("COLUMNS", "100")
        .env_remove("HULL_ROOT")
        .env_remove("HULL_RUNROOT");
    let output = command.output().with_context(|| format!("running {program}"))?;
    ensure!(output.status.success(), "{program} --help: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

/// Flags of these commands that the chapter about flags does not speak of.
pub fn unexplained_flags() -> Result<Vec<String>> {
    let page = std::fs::read_to_string(crate::book().join("src/reference/flags.md"))?;
    let explained: Vec<_> = page.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let mut unexplained = Vec::new();
    for command in ["hull-run", "hull-network-create"] {
        let help = help(&Path::new(command).with_extension("txt"))?;
        let flags = help.lines().filter_map(|line| {
            let (before, rest) = line.split_once("--")?;
            let is_flag = before.trim().is_empty() || before.trim_start().starts_with('-');
            is_flag.then(|| rest.split(|c: char| !c.is_alphanumeric() && c != '-').next())?
        });
        let missing =
            flags.filter(|flag| *flag != "help" && !explained.contains(&format!("--{flag}").as_str()));
        unexplained.extend(missing.map(|flag| format!("{command}: --{flag}")));
    }
    Ok(unexplained)
}
