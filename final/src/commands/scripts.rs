//! Help, completion scripts and man pages, made from the command line's definition.

use std::io::Write;

use anyhow::{Context, Result, anyhow};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::cli::system::{Completion, Help, Man};
use crate::ui::errors::{self, Hint};
use crate::ui::missing;
use crate::ui::output;

/// Prints the same as the command's `--help`.
pub fn help(args: &Help) -> Result<u8> {
    help_on(&args.words)
}

/// Prints the help of the command with these words.
pub fn help_on(words: &[String]) -> Result<u8> {
    help_of(Cli::command(), words)
}

/// The same for the command line `cli`.
pub fn help_of(cli: clap::Command, words: &[String]) -> Result<u8> {
    let mut root = cli.clone();
    root.build();
    let name = root.get_name().to_owned();
    let mut command = &root;
    for word in words {
        command = command.find_subcommand(word).ok_or_else(|| {
            let unknown = anyhow!("unknown help topic: {}", words.join(" "));
            let lists = format!("{name} --help lists the commands");
            unknown.context(Hint(missing::verb(&words.join(" ")).map_or(lists, str::to_owned)))
        })?;
    }
    let typed = words.iter().map(String::as_str);
    match cli.try_get_matches_from([&*name].into_iter().chain(typed).chain(["--help"])) {
        Err(help) => output::text(&errors::renamed(help.render().to_string()))?,
        Ok(_) => return Err(anyhow!("there is no help on {}", words.join(" "))),
    }
    Ok(0)
}

pub fn completion(args: &Completion) -> Result<u8> {
    // Written to memory first: the generator panics where stdout is a pipe that has closed.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hull", &mut script);
    crate::ui::reader_gone::Output(std::io::stdout()).write_all(&script)?;
    Ok(0)
}

pub fn man(args: &Man) -> Result<u8> {
    let directory = &args.directory;
    std::fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    clap_mangen::generate_to(Cli::command(), directory)
        .with_context(|| format!("cannot write to {}", directory.display()))?;
    Ok(0)
}
