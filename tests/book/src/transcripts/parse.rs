//! Finds the commands in a page, and the output that the page expects.

use std::path::Path;

use anyhow::{Result, bail};

/// The user that types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prompt {
    /// `$`
    Ordinary,
    /// `#`
    Root,
}

impl Prompt {
    pub fn sign(self) -> char {
        match self {
            Self::Ordinary => '$',
            Self::Root => '#',
        }
    }
}

/// A command of a page and the lines below it.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// In the page, from 1.
    pub line: usize,
    pub prompt: Prompt,
    pub command: String,
    pub expected: Vec<String>,
}

/// All commands in the `console` blocks of a page. A block of `console,v1` or `console,v2` counts if the
/// machine has this version of cgroups.
pub fn parse(text: &str) -> Result<Vec<Typed>> {
    let version = if Path::new("/sys/fs/cgroup/cgroup.controllers").exists() { "v2" } else { "v1" };
    parse_blocks(text, &["console", &format!("console,{version}")])
}

/// The same for blocks of these kinds only.
pub fn parse_blocks(text: &str, kinds: &[&str]) -> Result<Vec<Typed>> {
    let mut all = Vec::new();
    let mut is_inside = false;
    for (number, line) in text.lines().enumerate() {
        if let Some(kind) = line.strip_prefix("```") {
            is_inside = !is_inside && kinds.contains(&kind);
            continue;
        }
        if is_inside {
            add(&mut all, number + 1, line)?;
        }
    }
    Ok(all)
}

fn add(all: &mut Vec<Typed>, line: usize, text: &str) -> Result<()> {
    let prompts = [("$ ", Prompt::Ordinary), ("# ", Prompt::Root)];
    let typed = prompts.iter().find_map(|(sign, prompt)| Some((*prompt, text.strip_prefix(sign)?)));
    match (typed, all.last_mut()) {
        // This is the shell's second prompt: the command continues.
        (None, Some(last)) if text.starts_with("> ") && last.expected.is_empty() => {
            last.command.push('\n');
            last.command.push_str(&text[2..]);
        }
        (None, Some(last)) => last.expected.push(text.to_owned()),
        (None, None) => bail!("line {line}: a transcript begins with a prompt"),
        (Some((prompt, command)), _) => {
            all.push(Typed { line, prompt, command: command.to_owned(), expected: Vec::new() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_their_output_are_told_apart() {
        let text = "Text.\n```console\n$ for a in 1 2\n> do echo $a; done\n1\n2\n# id -u\n0\n```\n```rust\n$ no\n```\n";
        let all = parse(text).unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].command, "for a in 1 2\ndo echo $a; done");
        assert_eq!(all[0].expected, ["1", "2"]);
        assert_eq!((all[1].prompt, all[1].line, all[1].command.as_str()), (Prompt::Root, 7, "id -u"));
        assert!(parse("```console\nno prompt\n```\n").is_err());
        let versions = "```console,v1\n# one\n```\n```console,v2\n# two\n```\n";
        assert_eq!(parse(versions).unwrap().len(), 1, "only the version that this machine has");
        assert_eq!(parse_blocks(versions, &["console,v2"]).unwrap()[0].command, "two");
    }
}
