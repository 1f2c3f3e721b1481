//! A step's files with the bodies of its blanks replaced.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use lesson_tasks::source;
use lesson_tasks::table::{Blank, Step};

use super::place::{File, Files};
use super::support;
use crate::workspace::root;

/// Gives a blank another body: from the step, the blank and the solution's body.
pub type NewBody = fn(&Step, &Blank, &str) -> String;

/// The step's directory in the repository.
pub fn solution_directory(step: &Step) -> PathBuf {
    root().join("steps").join(step.name)
}

/// A source file of the step in the repository.
pub fn solution(step: &Step, file: &str) -> Result<String> {
    let path = solution_directory(step).join("src").join(file);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// All files of a step, as the reader gets them.
pub fn step_files(step: &Step, body: NewBody) -> Result<Files> {
    if step.blanks.is_empty() {
        bail!("{} has no tasks yet", step.name);
    }
    let directory = solution_directory(step);
    let mut files = Files::new();
    collect(&directory, Path::new(""), &mut files)?;
    let manifest = files.get_mut(Path::new("Cargo.toml")).context("the step has a manifest")?;
    manifest.bytes = support::step_manifest(step, &String::from_utf8_lossy(&manifest.bytes)).into_bytes();
    for blank in step.blanks {
        let file = files.get_mut(&Path::new("src").join(blank.file));
        let file = file.with_context(|| format!("{} has no src/{}", step.name, blank.file))?;
        let text = String::from_utf8(file.bytes.clone()).context("a source file is text")?;
        file.bytes = with_blank(step, blank, &text, body)?.into_bytes();
    }
    Ok(files)
}

/// The text of a file with another body for one blank.
pub fn with_blank(step: &Step, blank: &Blank, text: &str, body: NewBody) -> Result<String> {
    let function = source::find(text, blank.item)
        .map_err(|why| anyhow!("{}/src/{}: {why}, which the table of blanks names", step.name, blank.file))?;
    let new = body(step, blank, &text[function.body.clone()]);
    let end = " ".repeat(function.indent);
    let indented: String = new
        .lines()
        .map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{end}    {line}\n") })
        .collect();
    Ok(source::with_body(text, &function, &format!("\n{indented}{end}")))
}

/// Everything below a directory but what a build leaves.
fn collect(directory: &Path, below: &Path, files: &mut Files) -> Result<()> {
    let at = directory.join(below);
    for entry in fs::read_dir(&at).with_context(|| at.display().to_string())? {
        let entry = entry?;
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            if entry.file_name() != "target" {
                collect(directory, &path, files)?;
            }
            continue;
        }
        let bytes = fs::read(entry.path()).with_context(|| path.display().to_string())?;
        // The reader writes these files, also if those of the repository are read-only.
        let mut permissions = entry.metadata()?.permissions();
        permissions.set_mode(permissions.mode() | 0o600);
        files.insert(path, File { bytes, permissions });
    }
    Ok(())
}

/// The body that the reader finds.
pub fn body_to_write(step: &Step, blank: &Blank, solution: &str) -> String {
    let Blank { task, minutes, hint: [first, second], .. } = blank;
    let chapter = step.chapter(blank);
    let printed: String = printed(solution).iter().map(|text| format!("//   {text}\n")).collect();
    let printed = match printed.as_str() {
        "" => printed,
        _ => {
            format!("// The test `lesson` looks for what -v and the errors of this function say:\n{printed}")
        }
    };
    format!(
        "// Task {task}, about {minutes} minutes. Read {chapter}\n// {first}\n// {second}\n{printed}{}",
        to_do(blank)
    )
}

/// The calls of the module `report` in a body, and the texts of its errors. No reader can guess them, and the
/// regression test of the step reads some of them.
fn printed(solution: &str) -> Vec<String> {
    let markers = ["report::", "context(", "bail!(", "anyhow!(", "let call = "];
    let mut at: Vec<_> = markers.iter().flat_map(|marker| solution.match_indices(marker)).collect();
    at.sort_unstable();
    let mut found: Vec<String> = Vec::new();
    for (at, marker) in at {
        let call = first_call(&solution[at..]);
        let text = match marker {
            "report::" if call == "report::is_verbose()" => {
                "`-v` is passed on if report::is_verbose()".to_owned()
            }
            "report::" => on_one_line(call),
            _ => match first_literal(if marker == "let call = " { &solution[at..] } else { call }) {
                Some(text) => format!("error: {}", on_one_line(&text.replace("\\\n", "\n"))),
                None => continue,
            },
        };
        // A part of the text can be chosen in a line before: `let whose = if … { "" } else { "   an orphan" };`
        let chosen = solution.lines().map(str::trim).filter(|line| {
            let name = line.strip_prefix("let ").and_then(|line| line.split_once(" = if "));
            name.is_some_and(|(name, _)| text.contains(&format!("{{{name}}}"))) && line.contains('"')
        });
        for text in chosen.map(str::to_owned).chain([text.clone()]) {
            if !found.contains(&text) {
                found.push(text);
            }
        }
    }
    found
}

fn on_one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// From the beginning of `text` to the bracket that closes its first bracket.
fn first_call(text: &str) -> &str {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_text,
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text && depth == 1 => return &text[..=at],
            ')' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text
}

/// What stands between the first two quotes.
fn first_literal(text: &str) -> Option<&str> {
    text.split('"').nth(1)
}

fn to_do(blank: &Blank) -> String {
    format!("todo!(\"task {}: write `{}` in src/{}\")", blank.task, blank.item, blank.file)
}

/// A body that is whole, empty or a `todo!()`, as the environment says when it runs. So the proof compiles once.
pub fn body_to_choose(_step: &Step, blank: &Blank, solution: &str) -> String {
    let Blank { task, empty, .. } = blank;
    format!(
        "{{\n    \
             let blanks = ::std::env::var({ENVIRONMENT:?}).unwrap_or_default();\n    \
             let mut blanks = blanks.split(' ').map(|word| word.parse::<usize>().unwrap_or(usize::MAX));\n    \
             let (filled, empty) = (blanks.next().unwrap_or(usize::MAX), blanks.next().unwrap_or(0));\n    \
             if empty == {task} {{ return {{ {empty} }}; }}\n    \
             if filled < {task} {{ {}; }}\n\
         }}\n{}",
        to_do(blank),
        dedented(solution)
    )
}

/// Says for [`body_to_choose`] up to which task the blanks are filled, and which one is empty.
pub const ENVIRONMENT: &str = "LESSON_BLANKS";

/// The solution's body.
pub fn body_of_solution(_step: &Step, _blank: &Blank, solution: &str) -> String {
    dedented(solution)
}

/// The lines of a body without its first and last line end, and without the indentation of its first line.
pub fn dedented(body: &str) -> String {
    let body = body.trim_start_matches('\n').trim_end();
    let indent = body.len() - body.trim_start_matches(' ').len();
    let lines = body.lines().map(|line| line.get(indent..).unwrap_or(line.trim_start()));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_learns_what_the_regression_test_looks_for() {
        let body = r#"
    report::inside();
    let call = || format!("mount({})", path);
    mount(path).with_context(call)?;
    read().context("read(sync pipe)").context(LEAVES)?;
    if none { bail!("nobody (here)") }
    report::trace(format!("a ) in a text = {pid}", names(flags)));
    report::trace(call());
    let whose = if is_child { "" } else { "   an orphan" };
    report::trace(format!("{pid}{whose}"));
"#;
        let expected = [
            "report::inside()",
            "error: mount({})",
            "error: read(sync pipe)",
            "error: nobody (here)",
            "report::trace(format!(\"a ) in a text = {pid}\", names(flags)))",
            "report::trace(call())",
            "let whose = if is_child { \"\" } else { \"   an orphan\" };",
            "report::trace(format!(\"{pid}{whose}\"))",
        ];
        assert_eq!(printed(body), expected);
    }

    #[test]
    fn a_call_of_report_is_never_a_secret() {
        for step in &lesson_tasks::table::STEPS {
            for blank in step.blanks {
                let text = solution(step, blank.file).unwrap();
                let function = source::find(&text, blank.item).unwrap();
                let body = &text[function.body];
                let shown = body_to_write(step, blank, body);
                for call in ["report::trace(", "report::inside(", "report::is_verbose("] {
                    assert_eq!(body.contains(call), shown.contains(call), "{}: {shown}", blank.item);
                }
            }
        }
    }
}
