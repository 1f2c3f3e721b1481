//! The lines of a README that are typed. A fenced block is one of three things: commands, one per line; a transcript, in
//! which commands follow a prompt; or output, which is recognized by its first words.

use anyhow::{Result, bail};

/// A line to type.
#[derive(Debug, PartialEq, Eq)]
pub struct Line {
    /// The line number in the README, from 1.
    pub number: usize,
    pub text: String,
    /// Whether the line is typed in a shell that the transcript has opened, instead of in the first one.
    pub inside: bool,
}

const PROMPTS: [&str; 3] = ["$ ", "# ", "/ # "];

/// The first words of the lines that the steps print with `-v`.
const PRINTED: [&str; 2] = ["outside |", "inside  |"];

/// The first words of a command without a prompt.
const PROGRAMS: [&str; 5] = ["cargo ", "hull ", "mkdir ", "docker ", "eval "];

pub fn of(text: &str) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    let mut block: Option<Vec<(usize, &str)>> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match (&mut block, line.starts_with("```")) {
            (None, true) => block = Some(Vec::new()),
            (None, false) => {}
            (Some(inside), false) => inside.push((number, line)),
            (Some(inside), true) => {
                lines.extend(of_block(inside)?);
                block = None;
            }
        }
    }
    Ok(lines)
}

fn of_block(block: &[(usize, &str)]) -> Result<Vec<Line>> {
    let Some((_, first)) = block.first() else { return Ok(vec![]) };
    if PRINTED.iter().any(|word| first.starts_with(word)) {
        return Ok(vec![]);
    }
    let prompt_of = |line: &str| PROMPTS.into_iter().find(|prompt| line.starts_with(prompt));
    if let Some(own) = prompt_of(first) {
        let typed = block.iter().filter_map(|(number, line)| {
            let prompt = prompt_of(line)?;
            Some(Line { number: *number, text: line[prompt.len()..].to_owned(), inside: prompt != own })
        });
        return Ok(typed.collect());
    }
    let commands = block.iter().filter(|(_, line)| !line.is_empty());
    if let Some((number, line)) =
        commands.clone().find(|(_, line)| !PROGRAMS.iter().any(|p| line.starts_with(p)))
    {
        bail!("{number}: neither a command nor a transcript nor what a program prints: {line}");
    }
    Ok(commands
        .map(|(number, line)| Line { number: *number, text: (*line).to_owned(), inside: false })
        .collect())
}

#[test]
fn blocks_are_commands_transcripts_or_output() {
    let text = "Text\n```\n$ step run sh\n# hostname\nweb\n# exit\n$ hostname\n```\n\n```\ncargo x   # why\n\nhull ps\n```\n```\noutside | call\n```\n";
    let lines = of(text).unwrap();
    let short: Vec<_> = lines.iter().map(|line| (line.number, line.text.as_str(), line.inside)).collect();
    assert_eq!(
        short,
        [
            (3, "step run sh", false),
            (4, "hostname", true),
            (6, "exit", true),
            (7, "hostname", false),
            (11, "cargo x   # why", false),
            (13, "hull ps", false)
        ]
    );
    assert!(of("```\nwhat is this\n```\n").is_err());
}
