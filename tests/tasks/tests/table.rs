//! The table of blanks fits the sources and the book.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lesson_tasks::source;
use lesson_tasks::table::{Blank, MOST_LINES, STEPS, Step};

/// How many blanks a step has.
const BLANKS: std::ops::RangeInclusive<usize> = 5..=9;

/// The longest line of a hint.
const HINT: usize = 120;

/// Functions that remove something must not be written by somebody who is still learning it. A wrong one deletes what
/// the reader wants to keep. The supervisor runs them.
const NEVER_BLANK: [&str; 4] = ["remove", "clear", "unlink", "delete"];

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies two levels down")
}

fn source_file(step: &Step, file: &str) -> PathBuf {
    workspace().join("steps").join(step.name).join("src").join(file)
}

/// Looks at every blank, and lists what is wrong with them.
fn every_blank(look: impl Fn(&Step, &Blank) -> Option<String>) {
    let mut wrong = Vec::new();
    for step in &STEPS {
        for blank in step.blanks {
            wrong.extend(look(step, blank).map(|why| format!("{}, `{}`: {why}", step.name, blank.item)));
        }
    }
    assert!(wrong.is_empty(), "the table of blanks:\n{}", wrong.join("\n"));
}

#[test]
fn every_blank_is_a_short_function_of_its_file() {
    every_blank(|step, blank| {
        let path = source_file(step, blank.file);
        let Ok(text) = fs::read_to_string(&path) else {
            return Some(format!("there is no file {}", path.display()));
        };
        let function = match source::find(&text, blank.item) {
            Ok(function) => function,
            Err(why) => return Some(format!("src/{}: {why}", blank.file)),
        };
        let lines = source::lines_of_code(&text, &function);
        (lines > MOST_LINES).then(|| format!("it has {lines} lines of code, and {MOST_LINES} are allowed"))
    });
}

#[test]
fn a_renamed_function_is_noticed() {
    let text = fs::read_to_string(source_file(&STEPS[0], "namespaces.rs")).expect("a module of step 1");
    assert!(source::find(&text, "set_hostname").is_ok(), "the control");
    let renamed = text.replace("fn set_hostname", "fn set_host_name");
    assert_eq!(source::find(&renamed, "set_hostname").unwrap_err(), "there is no function `set_hostname`");
}

#[test]
fn nothing_that_removes_things_is_blank() {
    every_blank(|_, blank| {
        let name = blank.item.rsplit("::").next().unwrap_or(blank.item);
        let removes = NEVER_BLANK.iter().any(|word| name.split('_').any(|part| part == *word));
        let is_supervisor = blank.file == "supervisor.rs";
        (removes || is_supervisor)
            .then(|| "functions that remove things, and the supervisor, are never blank".to_owned())
    });
}

#[test]
fn the_hints_are_two_lines_that_fit_a_terminal() {
    every_blank(|_, blank| {
        let is_good =
            |line: &&'static str| !line.is_empty() && line.chars().count() <= HINT && !line.contains('\n');
        let all = blank.hint.iter().all(is_good) && blank.minutes > 0;
        (!all).then(|| format!("a hint has two lines of at most {HINT} characters, and minutes are not 0"))
    });
}

#[test]
fn every_chapter_and_heading_exists() {
    every_blank(|step, blank| {
        let (page, heading) = blank.chapter.split_once('#').unwrap_or((blank.chapter, ""));
        let path = workspace().join("book/src/steps").join(step.name).join(page);
        let Ok(text) = fs::read_to_string(&path) else {
            return Some(format!("there is no {}", path.display()));
        };
        // Between fences a `#` is the prompt of root.
        let prose = text.split("\n```").step_by(2).flat_map(str::lines);
        let headings: BTreeSet<String> = prose
            .filter(|line| line.starts_with('#'))
            .map(|line| anchor(line.trim_start_matches('#')))
            .collect();
        (!headings.contains(heading)).then(|| format!("{page} has no heading #{heading}, only {headings:?}"))
    });
}

#[test]
fn no_chapter_shows_a_solution_before_the_reader_has_tried() {
    every_blank(|step, blank| {
        let (page, heading) = blank.chapter.split_once('#')?;
        if heading == "the-code" {
            return Some(format!("a failed task must not send the reader to its solution, {page}#the-code"));
        }
        let chapters =
            fs::read_dir(workspace().join("book/src/steps").join(step.name)).expect("the chapters");
        let item = blank.item.replace("::", ".");
        let solution =
            format!("generated/code/{}/{}/{item}.rs", step.name, blank.file.trim_end_matches(".rs"));
        chapters.flatten().find_map(|chapter| {
            let text = fs::read_to_string(chapter.path()).expect("a chapter is text");
            let before = text.split("## Your turn").next().unwrap_or_default();
            before
                .contains(&solution)
                .then(|| format!("{} shows it before Your turn", chapter.path().display()))
        })
    });
}

/// The anchor that mdBook makes of a heading.
fn anchor(heading: &str) -> String {
    let of = |letter: char| match letter {
        ' ' => Some('-'),
        letter if letter.is_alphanumeric() || letter == '-' || letter == '_' => {
            Some(letter.to_ascii_lowercase())
        }
        _ => None,
    };
    heading.trim().chars().filter_map(of).collect()
}

#[test]
fn tasks_are_numbered_in_order_and_no_function_is_named_twice() {
    let mut seen = BTreeSet::new();
    for step in &STEPS {
        let numbers: Vec<usize> = step.blanks.iter().map(|blank| blank.task).collect();
        assert!(numbers.is_sorted(), "{}: the tasks are {numbers:?}", step.name);
        let distinct: BTreeSet<usize> = numbers.iter().copied().collect();
        assert!(distinct.iter().copied().eq(1..=distinct.len()), "{}: the tasks are {numbers:?}", step.name);
        for blank in step.blanks.iter().filter(|blank| blank.file != "main.rs") {
            assert!(
                seen.insert((blank.file, blank.item)),
                "{}: `{}` is in the table twice",
                step.name,
                blank.item
            );
        }
    }
}

#[test]
fn every_step_has_five_to_nine_blanks() {
    for step in &STEPS {
        let count = step.blanks.len();
        assert!(BLANKS.contains(&count), "{} has {count} blanks, and {BLANKS:?} are wanted", step.name);
    }
}
