//! Runs the steps of a case with Docker Compose or hull.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use hull_test_support::outcome::{self, Outcome};
use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountFlags, mount};

use super::case::{Case, Step};

/// Hashes contain paths, so the project is always at the same one, in a tmpfs that only the thread of the case sees.
const PROJECT: &str = "/mnt/project";

#[derive(Debug, Clone)]
pub enum Program {
    Compose(PathBuf),
    Hull(PathBuf),
}

/// What a step answers, as a case has it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub stdout: String,
    pub stderr: String,
    pub exit: i32,
    /// The file that the step is to write.
    pub wrote: Option<String>,
}

impl Answer {
    /// The messages of Compose's warnings, and the rest of the standard error.
    pub fn warnings(&self) -> (String, String) {
        let (mut warnings, mut rest) = (Vec::new(), String::new());
        for line in self.stderr.lines() {
            let message = line.strip_prefix("time=").and_then(|line| line.split_once(" level=warning msg="));
            match message {
                Some((_, message)) => warnings.push(format!("{}\n", unquoted(message))),
                None => rest.extend([line, "\n"]),
            }
        }
        // They come in the order of a Go map.
        warnings.sort_unstable();
        (warnings.concat(), rest)
    }
}

/// Plays the cases in parallel, and returns what `play` makes of each, in their order.
pub fn for_each<T: Send>(cases: &[&Case], play: impl Fn(&Case) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNS).expect("the scenario could do it too");
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(index) else { break };
                    let made = play(case);
                    found.lock().expect("no test thread panics with it").push((index, made));
                }
            });
        }
    });
    let mut found = found.into_inner().expect("no test thread panics with it");
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, made)| made).collect()
}

/// The answers of a case's steps.
pub fn play(program: &Program, case: &Case) -> Vec<Answer> {
    // It covers the one of the case before.
    mount("tmpfs", "/mnt", "tmpfs", MountFlags::empty(), c"mode=755").expect("a tmpfs can be mounted");
    let project = Path::new(PROJECT);
    std::fs::create_dir_all(project).expect("a tmpfs of the case");
    let (mut directory, mut environment) = (project.to_owned(), Vec::new());
    for section in &case.setup {
        let (kind, path) = section.name.split_once(' ').unwrap_or((&section.name, ""));
        let path = project.join(path);
        match kind {
            "env" => environment.extend(section.text.lines().filter_map(|line| line.split_once('='))),
            "in" => directory = path,
            "file" | "bytes" | "link" => {
                let text = as_written(&section.text);
                std::fs::create_dir_all(path.parent().expect("it is below the project")).expect("own tmpfs");
                match kind {
                    "file" => std::fs::write(&path, text),
                    "bytes" => {
                        std::fs::write(&path, text.replace("\\r", "\r").replace("\\u{feff}", "\u{feff}"))
                    }
                    _ => std::os::unix::fs::symlink(text.trim_end(), &path),
                }
                .expect("own tmpfs");
            }
            _ => panic!("{}: {kind:?} is no section", case.name),
        }
    }
    let answers = case.steps.iter().map(|step| answer(program, &directory, &environment, step)).collect();
    rustix::mount::unmount("/mnt", rustix::mount::UnmountFlags::DETACH).expect("it is mounted");
    answers
}

fn answer(program: &Program, directory: &Path, environment: &[(&str, &str)], step: &Step) -> Answer {
    let mut words = words(step.line());
    let sorts = words.len() > 2 && words[words.len() - 2..] == ["|", "sort"];
    if sorts {
        words.truncate(words.len() - 2);
    }
    let mut command = match program {
        Program::Compose(path) => Command::new(path),
        Program::Hull(path) => Command::new(path),
    };
    command.env_clear().env("HOME", "/mnt/home").env("PATH", "/usr/bin:/bin").env("PWD", directory);
    command.envs(environment.iter().copied()).current_dir(directory);
    if matches!(program, Program::Hull(_)) {
        command.arg("compose");
    }
    let is_variable = |word: &String| {
        let (name, _) = word.split_once('=').unwrap_or_default();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let count = words.iter().take_while(|word| is_variable(word)).count();
    for word in words.drain(..count) {
        let (name, value) = word.split_once('=').expect("it is a variable");
        command.env(name, value);
    }
    let mut input = Vec::new();
    if words.len() > 2 && words[words.len() - 2] == "<" {
        input = std::fs::read(directory.join(&words[words.len() - 1])).expect("a file of the case");
        words.truncate(words.len() - 2);
    }
    let wrote = words.iter().position(|word| word == "-o").and_then(|at| words.get(at + 1));
    let wrote = wrote.map(|name| directory.join(name));
    let outcome = outcome::run_with_input(command.args(&words), &input);
    described(&outcome, sorts, wrote.as_deref())
}

fn described(outcome: &Outcome, sorts: bool, wrote: Option<&Path>) -> Answer {
    let mut stdout = outcome.stdout.clone();
    if sorts {
        let mut lines: Vec<&str> = stdout.lines().collect();
        lines.sort_unstable();
        stdout = lines.iter().map(|line| format!("{line}\n")).collect();
    }
    let stderr = outcome.stderr.replace(RED, "").replace(RESET, "");
    let wrote = wrote.and_then(|path| std::fs::read_to_string(path).ok());
    Answer { stdout: marked(stdout), stderr, exit: outcome.code(), wrote: wrote.map(marked) }
}

const RED: &str = "\u{1b}[31m";
const RESET: &str = "\u{1b}[0m";

const NO_NEWLINE: &str = "\\ no newline\n";

/// A text as a section has it.
fn marked(text: String) -> String {
    if text.is_empty() || text.ends_with('\n') { text } else { format!("{text}\n{NO_NEWLINE}") }
}

/// The text that a section stands for.
fn as_written(text: &str) -> &str {
    text.strip_suffix(NO_NEWLINE).map_or(text, |text| text.strip_suffix('\n').unwrap_or(text))
}

/// Words with single and double quotes as in a shell, but without variables.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A message as logrus prints it: in Go's quotes where it has to be.
fn unquoted(message: &str) -> String {
    match serde_json::from_str::<String>(message) {
        Ok(text) => text,
        Err(_) => message.to_owned(),
    }
}
