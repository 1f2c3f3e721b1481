//! The next step, with the functions that the reader has written.
//!
//! A file that the next step leaves as it is comes whole from the reader. In any other file each function that the
//! reader has written replaces the solution's, unless the next step changes that function: then its own is used.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use lesson_tasks::source;
use lesson_tasks::table::{STEPS, Step};

use super::blanks::{self, body_to_write, solution, step_files};
use super::place::{Files, Place};
use super::tasks;

pub fn next(place: &Place) -> Result<()> {
    let step = place.current()?;
    let Some(following) = STEPS.get(step.number()) else {
        println!("{} was the last step. hull itself is next: final/ARCHITECTURE.md is its map.", step.name);
        return Ok(());
    };
    let name = following.name;
    if place.has(following) {
        let _lock = place.lock()?;
        place.make_current(following)?;
        println!(
            "{}/{name} is there already, and nothing in it was changed. `cargo test` now tests it.",
            place.shown()
        );
        return Ok(());
    }
    check_is_done(place, step, name)?;
    let mut files = step_files(following, body_to_write)?;
    let story = take_over(step, following, &place.directory_of(step).join("src"), &mut files)?;
    let lock = place.lock()?;
    place.add(following, &files)?;
    place.make_current(following)?;
    drop(lock);
    println!(
        "{}/{name} has {} tasks. What comes from your {}:\n",
        place.shown(),
        following.tasks(),
        step.name
    );
    story.iter().for_each(|line| println!("  {line}"));
    println!();
    if tasks::build(place, following).is_err() {
        bail!(
            "your functions do not fit into {name} as they are. Change them there until `cargo test` compiles; \
             the solutions are in {}",
            blanks::solution_directory(following).join("src").display()
        );
    }
    println!("Go on with `cargo test`.");
    Ok(())
}

/// A wrong function would be looked for in the next step, in vain.
fn check_is_done(place: &Place, step: &Step, next: &str) -> Result<()> {
    let program = tasks::build(place, step)?;
    let found = tasks::run(&program, &place.directory_of(step), &["--all"], &[])?;
    let open = found.iter().filter(|task| !matches!(&*task.state, "ok" | "not checked"));
    let open: Vec<String> = open.map(|task| task.number.to_string()).collect();
    if !open.is_empty() {
        bail!(
            "these tasks of {} are not done yet: {}. `cargo test` says more. To go on with the solutions instead of \
             your functions: cargo xtask learn {next}",
            step.name,
            open.join(", ")
        );
    }
    for task in found.iter().filter(|task| task.state == "not checked") {
        println!("Task {} of {} was NOT CHECKED: {}", task.number, step.name, task.seen);
    }
    Ok(())
}

/// Puts the reader's functions into the files of the next step, and tells of each what was done.
fn take_over(step: &Step, following: &Step, mine: &Path, files: &mut Files) -> Result<Vec<String>> {
    let mut story = Vec::new();
    for file in earlier_files(step) {
        let Some(target) = files.get_mut(&Path::new("src").join(file)) else {
            story.push(format!("{file}: the next step has no such file"));
            continue;
        };
        let own = match fs::read_to_string(mine.join(file)) {
            Ok(own) => own,
            Err(error) => {
                story.push(format!("{file}: the solution's, because yours cannot be read: {error}"));
                continue;
            }
        };
        let (before, after) = (solution(step, file)?, solution(following, file)?);
        let has_blanks = following.blanks.iter().any(|blank| blank.file == file);
        // A function that the reader has renamed is called by its old name in the next step.
        let has_all = items(step, following, file).iter().all(|item| source::find(&own, item).is_ok());
        if before == after && !has_blanks && has_all && !own.contains("todo!(") {
            target.bytes = own.into_bytes();
            story.push(format!("{file}: yours, the whole file"));
            continue;
        }
        let text = String::from_utf8(target.bytes.clone()).context("a source file is text")?;
        let merged = Merge { own: &own, before: &before, after: &after, file, story: &mut story };
        target.bytes = merged.into_text(&items(step, following, file), text)?.into_bytes();
    }
    Ok(story)
}

/// The files with a blank of this step or an earlier one, that this step still has.
fn earlier_files(step: &Step) -> Vec<&'static str> {
    let mut files: Vec<&str> = Vec::new();
    for blank in STEPS[..step.number()].iter().flat_map(|step| step.blanks) {
        if !files.contains(&blank.file) && solution(step, blank.file).is_ok() {
            files.push(blank.file);
        }
    }
    files
}

/// The functions of a file that this step or an earlier one has had written, and the next one has not written again.
fn items(step: &Step, following: &Step, file: &str) -> Vec<&'static str> {
    let mut items = Vec::new();
    for blank in STEPS[..step.number()].iter().flat_map(|step| step.blanks) {
        let again = following.blanks.iter().any(|other| (other.file, other.item) == (file, blank.item));
        if blank.file == file && !again && !items.contains(&blank.item) {
            items.push(blank.item);
        }
    }
    items
}

/// One file that is put together function by function.
struct Merge<'a> {
    /// The reader's file.
    own: &'a str,
    /// The solution in the reader's step.
    before: &'a str,
    /// The solution in the next step.
    after: &'a str,
    file: &'a str,
    story: &'a mut Vec<String>,
}

impl Merge<'_> {
    fn into_text(self, items: &[&str], mut text: String) -> Result<String> {
        let Self { own, before, after, file, story } = self;
        let (uses, helpers) = (added_uses(own, before), added_functions(own, before));
        let mut takes_any = false;
        for item in items {
            let whole =
                |text: &str| source::find(text, item).ok().map(|function| text[function.whole].to_owned());
            let (Some(old), Some(new)) = (whole(before), whole(after)) else {
                story.push(format!("{file}: the next step has no function `{item}`"));
                continue;
            };
            let mine = source::find(own, item);
            let why = match &mine {
                _ if code(&old) != code(&new) => Some("the next step changes it".to_owned()),
                Err(why) => Some(format!("in your file {why}")),
                Ok(mine) if own[mine.body.clone()].contains("todo!(") => {
                    Some("yours is still a todo!()".to_owned())
                }
                Ok(mine)
                    if signature(own, mine)
                        != source::find(before, item)
                            .map(|it| signature(before, &it))
                            .unwrap_or_default() =>
                {
                    Some("the signature of yours is another one".to_owned())
                }
                Ok(_) => None,
            };
            if let Some(why) = why {
                story.push(format!("{file}: `{item}` is the solution's, because {why}"));
                continue;
            }
            let mine = mine.map_err(|why| anyhow!("{file}: {why}"))?;
            let place = source::find(&text, item).map_err(|why| anyhow!("{file}: {why}"))?;
            // What the reader imports is imported in the function, where it cannot be in the way of the file's own.
            let imports: String = uses.iter().map(|line| format!("\n    {line}")).collect();
            text = source::with_body(&text, &place, &format!("{imports}{}", &own[mine.body]));
            takes_any = true;
            story.push(format!("{file}: `{item}` is yours"));
        }
        for helper in helpers.iter().filter(|_| takes_any) {
            let function = source::find(own, helper).map_err(|why| anyhow!("{file}: {why}"))?;
            if source::find(&text, helper).is_err() {
                text += &format!("\n{}", &own[function.whole]);
                story.push(format!("{file}: `{helper}`, which you have added, comes along"));
            }
        }
        Ok(text)
    }
}

/// A function without its comments.
fn code(function: &str) -> Vec<&str> {
    function.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).collect()
}

fn signature(text: &str, function: &source::Function) -> String {
    text[function.signature.clone()].split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The imports of one line that the reader has added.
fn added_uses<'a>(own: &'a str, before: &str) -> Vec<&'a str> {
    let is_use = |line: &&str| line.starts_with("use ") && line.ends_with(';') && !line.contains("crate::");
    own.lines().filter(is_use).filter(|line| !before.lines().any(|old| old == *line)).collect()
}

/// The names of the functions outside of any `impl` that the reader has added.
fn added_functions(own: &str, before: &str) -> Vec<String> {
    let names = own.lines().filter_map(|line| {
        let rest = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("fn ")?;
        Some(rest.split(['(', '<']).next()?.to_owned())
    });
    names.filter(|name| source::find(before, name).is_err() && source::find(own, name).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_put_together_function_by_function() {
        let before = "use a::B;\n\npub fn set_hostname(name: &str) -> R {\n    solved()\n}\n\npub fn enter(pid: i32) -> R {\n    solved()\n}\n";
        let after = before.replace("pid: i32) -> R {\n    solved()", "pid: i32) -> R {\n    solved_better()");
        let own = before.replacen("solved()", "mine(helper())", 1) + "\nuse c::d;\nfn helper() {}\n";
        let mut story = Vec::new();
        let merge = Merge { own: &own, before, after: &after, file: "namespaces.rs", story: &mut story };
        let text = merge.into_text(&["set_hostname", "enter"], after.clone()).unwrap();
        assert!(text.contains("{\n    use c::d;\n    mine(helper())\n}"), "{text}");
        assert!(text.contains("solved_better()") && text.ends_with("\nfn helper() {}\n"), "{text}");
        assert!(story.contains(&"namespaces.rs: `set_hostname` is yours".to_owned()), "{story:?}");
        let changed = "namespaces.rs: `enter` is the solution's, because the next step changes it".to_owned();
        assert!(story.contains(&changed), "{story:?}");
    }
}
