//! The help of each command: `generated/commands/hull-run.txt` is the output of `hull run --help`.

use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use crate::transcripts::lab::binary;

/// The text of an include below `generated/commands/`.
pub fn help(path: &Path) -> Result<String> {
    let name = path.file_stem().and_then(|name| name.to_str()).context("a command has a name")?;
    let (program, verbs) = match name.strip_prefix("hull-oci") {
        Some(verbs) => ("hull-oci", verbs),
        None if name.starts_with("step-") => (name, ""),
        None => ("hull", name.strip_prefix("hull").unwrap_or_default()),
    };
    let mut verbs: Vec<String> =
        verbs.split('-').filter(|verb| !verb.is_empty()).map(str::to_owned).collect();
    let mut output = ask(program, &verbs)?;
    // The last verb may have a hyphen itself: `hull image get-property`.
    if !output.status.success()
        && let [first @ .., before, last] = &*verbs
    {
        verbs = first.iter().cloned().chain([format!("{before}-{last}")]).collect();
        output = ask(program, &verbs)?;
    }
    ensure!(output.status.success(), "{program} --help: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().map(|line| format!("{}\n", line.trim_end())).collect())
}

fn ask(program: &str, verbs: &[String]) -> Result<Output> {
    let mut command = Command::new(binary(program)?);
    command
        .args(verbs)
        .arg("--help")
        .env("COLUMNS", "100")
        .env_remove("HULL_ROOT")
        .env_remove("HULL_RUNROOT");
    command.output().with_context(|| format!("running {program}"))
}

/// Flags of these commands that the chapter about flags does not explain.
pub fn unexplained_flags() -> Result<Vec<String>> {
    let page = std::fs::read_to_string(crate::book().join("src/reference/flags.md"))?;
    let mut unexplained = Vec::new();
    for command in ["hull-run", "hull-network-create", "hull-build", "hull-compose", "hull-compose-up"] {
        let missing = flags_missing(command, &page)?;
        unexplained.extend(missing.into_iter().map(|flag| format!("{command}: --{flag}")));
    }
    Ok(unexplained)
}

/// Flags in a command's help that a page does not name.
fn flags_missing(command: &str, page: &str) -> Result<Vec<String>> {
    let named: Vec<_> = page.split(|c: char| !c.is_alphanumeric() && c != '-').collect();
    let help = help(&Path::new(command).with_extension("txt"))?;
    let flags = help.lines().filter_map(|line| {
        let (before, rest) = line.split_once("--")?;
        let is_flag = before.trim().is_empty() || before.trim_start().starts_with('-');
        is_flag.then(|| rest.split(|c: char| !c.is_alphanumeric() && c != '-').next())?
    });
    let missing = flags
        .filter(|flag| !["help", "version"].contains(flag) && !named.contains(&format!("--{flag}").as_str()));
    Ok(missing.map(str::to_owned).collect())
}

/// Groups with commands that exist without the name of the group, too: `hull image pull` is `hull pull`.
const SHORT: [&str; 3] = ["builder", "container", "image"];

/// A group with another name for each command of another group.
const OTHER_NAME: &str = "buildx";

/// Commands of hull, and verbs and flags of `hull-oci`, that the chapter about commands does not show.
pub fn hidden_commands() -> Result<Vec<String>> {
    let page = std::fs::read_to_string(crate::book().join("src/reference/commands.md"))?;
    let is_shown = |name: &str| page.contains(&format!("generated/commands/{name}.txt"));
    let mut hidden = Vec::new();
    for command in subcommands("hull")? {
        let name = format!("hull-{command}");
        if !is_shown(&name) {
            hidden.push(name.clone());
        }
        for verb in subcommands(&name)? {
            let (own, alone) = (format!("{name}-{verb}"), format!("hull-{verb}"));
            let is_short = SHORT.contains(&command.as_str()) && is_shown(&alone);
            if !is_shown(&own) && !is_short && command != OTHER_NAME {
                hidden.push(own);
            }
        }
    }
    // The help of a verb lists its own flags only, and not the flags that come before the verb.
    for verb in subcommands("hull-oci")? {
        let name = format!("hull-oci-{verb}");
        if !is_shown(&name) {
            hidden.push(name);
        }
    }
    hidden.extend(flags_missing("hull-oci", &page)?.into_iter().map(|flag| format!("hull-oci --{flag}")));
    Ok(hidden)
}

/// The names below `Commands:` in a help. Empty if the help has no such list.
fn subcommands(name: &str) -> Result<Vec<String>> {
    let help = help(&Path::new(name).with_extension("txt"))?;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty()).filter_map(|line| line.strip_prefix("  "));
    // A line that continues the line before is indented further.
    let named = listed.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next());
    Ok(named.filter(|name| *name != "help").map(str::to_owned).collect())
}
