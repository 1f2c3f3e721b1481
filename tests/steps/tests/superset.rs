//! A step has the modules of the step before, and adds its own. The difference is the lesson, so nothing else may
//! change.
//!
//! `main.rs`, `options.rs`, the README and the tests may change, and a step may add modules. A module of an earlier
//! step may change by a few lines, which the step's chapter shows. An item that a later step does not need is listed in
//! `RETIRED`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use hull_test_steps::{STEPS, directory};

/// How many lines a step may change in a module of the step before.
const HUNK: usize = 15;

/// Items that a step drops: the step, the module, the items.
const RETIRED: [(&str, &str, &[&str]); 3] = [
    // The merged tree is a mount, so the root does not need a tmpfs.
    ("04-overlay", "rootfs.rs", &["const STAGE", "fn stage", "fn adopt"]),
    // The root comes from an image.
    (
        "06-images",
        "rootfs.rs",
        &[
            "const DIRECTORIES",
            "const FILES",
            "const TOP",
            "const BOUND",
            "fn check",
            "fn skeleton",
            "fn bind_usr",
            "fn bound",
            "fn make_read_only",
        ],
    ),
    ("06-images", "overlay.rs", &["const LESSON", "fn add_lower"]),
];

fn modules(step: usize) -> BTreeMap<String, String> {
    let entries = fs::read_dir(directory(step).join("src")).expect("every step has sources").flatten();
    let read = |path: &Path| fs::read_to_string(path).expect("text");
    entries.map(|entry| (entry.file_name().into_string().expect("text"), read(&entry.path()))).collect()
}

/// The text without an item, the item's comments, and the empty line after it.
fn without(text: &str, item: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_it = |line: &&str| {
        let line = line.trim_start().trim_start_matches("pub ");
        line.strip_prefix(item).is_some_and(|rest| rest.starts_with(['(', ':', '<']))
    };
    let at = lines.iter().position(is_it).unwrap_or_else(|| panic!("{item} is not there to retire"));
    let indent = lines[at].len() - lines[at].trim_start().len();
    let ends = |line: &&str| {
        let is_flush = line.len() - line.trim_start().len() == indent;
        is_flush && (line.trim_end().ends_with(';') || line.trim() == "}" || line.trim() == "];")
    };
    let end = at + lines[at..].iter().position(ends).expect("it ends");
    let above = lines[..at].iter().rev().take_while(|line| line.trim_start().starts_with("///")).count();
    let below = usize::from(lines.get(end + 1).is_some_and(|line| line.is_empty()));
    [&lines[..at - above], &lines[end + 1 + below..]].concat().join("\n")
}

/// The lines that were added (`+`) and removed (`-`), by the longest common subsequence of lines.
fn hunk(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let skip = common[i + 1][j].max(common[i][j + 1]);
            common[i][j] = if old[i] == new[j] { common[i + 1][j + 1] + 1 } else { skip };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            lines.push(format!("-{}", old[i]));
            i += 1;
        } else {
            lines.push(format!("+{}", new[j]));
            j += 1;
        }
    }
    lines
}

#[test]
fn a_step_has_every_module_of_the_step_before_nearly_unchanged() {
    for step in 2..=STEPS.len() {
        let (before, after) = (modules(step - 1), modules(step));
        for (name, old) in before {
            if matches!(&*name, "main.rs" | "options.rs") {
                continue;
            }
            let new = after
                .get(&name)
                .unwrap_or_else(|| panic!("{} lacks {name}, which the step before has", STEPS[step - 1]));
            let retired =
                RETIRED.iter().filter(|(in_step, module, _)| *in_step == STEPS[step - 1] && *module == name);
            let items = retired.flat_map(|(_, _, items)| items.iter());
            let kept = items.fold(old, |text, item| without(&text, item));
            // Imports that only a retired item needed are not counted, and neither is the text at the top of the file.
            let lines = hunk(&kept, new);
            let counted = lines.iter().filter(|line| !line.starts_with("-use ") && !line.starts_with("-//"));
            assert!(
                counted.count() <= HUNK,
                "{}/src/{name} has changed by more than {HUNK} lines since the step before:\n{}",
                STEPS[step - 1],
                lines.join("\n")
            );
        }
    }
}

#[test]
fn a_retired_item_was_there_and_is_gone() {
    for (step, module, items) in RETIRED {
        let number = STEPS.iter().position(|name| *name == step).expect("a step") + 1;
        for item in items {
            let has_it = |step| {
                let text = &modules(step)[module];
                text.lines().any(|line| {
                    line.trim_start().trim_start_matches("pub ").starts_with(&format!("{item}("))
                        || line.trim_start().starts_with(&format!("{item}:"))
                })
            };
            assert!(has_it(number - 1) && !has_it(number), "{item} of {module} in {step}");
        }
    }
}

#[test]
fn a_hunk_is_found_and_an_item_is_removed_whole() {
    let text = "fn a() {\n    1\n}\n\n/// Two.\n/// Lines.\npub fn b(x: u8) {\n    if x {\n    }\n}\n\nconst C: [u8; 1] = [\n    1,\n];\n\nfn d() {}";
    assert_eq!(
        without(text, "fn b"),
        text.replace("/// Two.\n/// Lines.\npub fn b(x: u8) {\n    if x {\n    }\n}\n\n", "")
    );
    assert!(!without(text, "const C").contains("1,"));
    assert_eq!(hunk("a\nb\nc", "a\nx\nc\nd"), ["-b", "+x", "+d"]);
}

#[test]
fn no_file_is_too_long_to_read_at_once() {
    for step in 1..=STEPS.len() {
        for (name, text) in modules(step) {
            let most = if name == "main.rs" { 130 } else { 400 };
            let lines = text.lines().count();
            assert!(lines <= most, "{}/src/{name} has {lines} lines, {most} are allowed", STEPS[step - 1]);
        }
    }
}

/// The chapters call it "the idea in 25 lines".
#[test]
fn the_bare_example_of_each_step_has_at_most_25_lines_of_code() {
    for step in 1..=STEPS.len() {
        let paths = ["rs", "sh"].map(|ending| directory(step).join("examples/bare").with_extension(ending));
        let text = paths.iter().find_map(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_else(|| panic!("{} has no bare example", STEPS[step - 1]));
        let lines = text.lines().map(str::trim);
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#'));
        let count = code.count();
        assert!((1..=25).contains(&count), "{}: the bare example has {count} lines of code", STEPS[step - 1]);
    }
}

#[test]
fn three_of_ten_lines_of_each_step_are_comments() {
    for step in 1..=STEPS.len() {
        let text = modules(step).into_values().collect::<Vec<_>>().join("\n");
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let comments = lines.iter().filter(|line| line.starts_with("//")).count();
        assert!(
            comments * 10 >= lines.len() * 3,
            "{}: {comments} of {} lines are comments",
            STEPS[step - 1],
            lines.len()
        );
    }
}

#[test]
fn no_code_is_unused_and_no_program_runs_but_the_users() {
    for step in 1..=STEPS.len() {
        for (name, text) in modules(step) {
            assert!(!text.contains("dead_code"), "{}/src/{name}", STEPS[step - 1]);
            let others =
                text.matches("Command::new(").count() - text.matches("Command::new(&command[0])").count();
            assert_eq!(others, 0, "{}/src/{name} runs a program", STEPS[step - 1]);
        }
    }
}

#[test]
fn every_step_has_a_page_with_three_exercises_and_tests_whose_names_are_sentences() {
    for step in 1..=STEPS.len() {
        let page = fs::read_to_string(directory(step).join("README.md")).expect("a README.md");
        for part in ["**The idea.**", "## Run it", "## Look here", "## Exercises", "\n1. ", "\n2. ", "\n3. "]
        {
            assert!(page.contains(part), "{}/README.md has no {part}", STEPS[step - 1]);
        }
        let tests = fs::read_to_string(directory(step).join("tests/lesson.rs")).expect("tests/lesson.rs");
        let names = tests
            .split("#[test]\n")
            .skip(1)
            .filter_map(|rest| rest.lines().find_map(|line| line.strip_prefix("fn ")));
        for name in names {
            assert!(name.matches('_').count() >= 2, "{}: {name}", STEPS[step - 1]);
        }
    }
}

#[test]
fn a_lesson_s_test_names_chapters_by_the_titles_that_their_pages_have() {
    for step in 1..=STEPS.len() {
        let lesson = fs::read_to_string(directory(step).join("tests/lesson.rs")).expect("tests/lesson.rs");
        for chapter in lesson.split("Chapter::new(\"").skip(1) {
            let (title, rest) = chapter.split_once('"').expect("a title");
            let page = rest.split('"').nth(1).expect("a page");
            let text =
                fs::read_to_string(hull_test_support::program::workspace().join("book/src").join(page));
            let text = text.unwrap_or_else(|error| panic!("{}: {page}: {error}", STEPS[step - 1]));
            assert_eq!(text.lines().next(), Some(&*format!("# {title}")), "{}: {page}", STEPS[step - 1]);
        }
    }
}
