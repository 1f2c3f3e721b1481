//! A hint, one solution, and the table of tasks.

use anyhow::{Context, Result, anyhow, bail};
use lesson_tasks::source;
use lesson_tasks::table::{Blank, Step};

use super::blanks;
use super::place::Place;
use super::tasks;
use crate::workspace::root;

/// The blanks of a task, of which there is at least one.
fn blanks_of(step: &Step, task: usize) -> Result<Vec<&'static Blank>> {
    let found: Vec<_> = step.blanks_of(task).collect();
    if found.is_empty() {
        bail!("{} has the tasks 1 to {}, and no task {task}", step.name, step.tasks());
    }
    Ok(found)
}

pub fn hint(step: &Step, task: usize) -> Result<()> {
    for blank in blanks_of(step, task)? {
        let Blank { item, file, minutes, hint: [first, second], .. } = blank;
        println!("Task {task} of {}: write `{item}` in src/{file}, about {minutes} minutes\n", step.name);
        println!("  {first}\n  {second}\n");
        println!("  chapter   {}", step.chapter(blank));
        let (page, heading) = blank.chapter.split_once('#').unwrap_or((blank.chapter, ""));
        let built = root().join("target/book/steps").join(step.name).join(page.replace(".md", ".html"));
        if built.is_file() {
            println!("            file://{}#{heading}", built.display());
        }
    }
    println!("  solution  cargo xtask learn --show {task}");
    Ok(())
}

fn function(step: &Step, blank: &Blank) -> Result<String> {
    let text = blanks::solution(step, blank.file)?;
    let function =
        source::find(&text, blank.item).map_err(|why| anyhow!("{}/src/{}: {why}", step.name, blank.file))?;
    Ok(text[function.whole].to_owned())
}

pub fn solution(step: &Step, task: usize) -> Result<()> {
    for blank in blanks_of(step, task)? {
        println!(
            "// One solution of task {task}: {} in steps/{}/src/{}\n",
            blank.item, step.name, blank.file
        );
        print!("{}", function(step, blank)?);
    }
    Ok(())
}

pub fn table(place: &Place, step: &Step) -> Result<()> {
    let directory = place.directory_of(step);
    if !place.has(step) {
        bail!("there is no {} in {}: `cargo xtask learn {}` makes it", step.name, place.shown(), step.name);
    }
    let program = tasks::build(place, step)?;
    let found = tasks::run(&program, &directory, &["--all"], &[])?;
    println!("Step {}\n", step.name);
    let functions_of = |task: usize| {
        let functions = step.blanks_of(task).map(|blank| format!("{} ({})", blank.item, blank.file));
        functions.collect::<Vec<_>>().join(", ")
    };
    let width = found.iter().map(|task| functions_of(task.number).len()).max().unwrap_or(0);
    println!("  task  minutes  state        {:<width$}  what it has to do", "function");
    for task in &found {
        let blanks = blanks_of(step, task.number).context("the table and the tasks differ")?;
        let minutes: u32 = blanks.iter().map(|blank| blank.minutes).sum();
        let state = if task.state == "not checked" { "NOT CHECKED" } else { &task.state };
        let escape = if task.escape { " (escape)" } else { "" };
        let functions = functions_of(task.number);
        println!(
            "  {:>4}  {minutes:>7}  {state:<11}  {functions:<width$}  {}{escape}",
            task.number, task.title
        );
    }
    let unchecked = found.iter().filter(|task| task.state == "not checked");
    for task in unchecked {
        println!("\nTask {} was NOT CHECKED: {}", task.number, task.seen);
    }
    let done = found.iter().filter(|task| task.state == "ok").count();
    println!("\n{done} of {} tasks are done.", found.len());
    Ok(())
}
