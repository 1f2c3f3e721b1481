//! Runs the tasks of a step, in order, each in a process of its own, and says what is to be done next.

// fork, pre-exec and memfd.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{IsTerminal, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use serde_json::{Value, json};

use crate::outcome::{Failure, Outcome, failure, not_checked};
use crate::process::{become_unprivileged, from_json, is_root, private_mounts, to_json};
use crate::table::Step;
use crate::{Task, Who, print};

/// How long a check may take. A function that waits for ever is ended after that.
const LIMIT: Duration = Duration::from_secs(30);

/// How many bytes a check may print. Output is kept in memory.
const MOST_OUTPUT: u64 = 16 << 20;

/// How many bytes of memory a process of a check may have. A larger request fails, and the machine stays usable.
const MOST_MEMORY: u64 = 4 << 30;

/// How many processes an unprivileged user may start for a check. In the lab a cgroup limits those of root.
const MOST_PROCESSES: u64 = 512;

/// Names the directory of a check.
const DIRECTORY: &str = "LESSON_TASK_DIRECTORY";

/// Stands before the outcome in what the check's process prints.
const MARK: &str = "\u{1}outcome ";

/// Nothing failed, and something was not checked. It is not 0, because what was not checked is not known to be right.
const NOT_CHECKED: u8 = 77;

/// An empty directory of this check, which everybody may write to. It is removed after the check.
pub fn scratch() -> PathBuf {
    std::env::var_os(DIRECTORY).map_or_else(std::env::temp_dir, PathBuf::from)
}

/// The `main` of a step's `tests/tasks.rs`. `name` is the directory of the step.
///
/// Without arguments it runs the tasks in order and stops at the first that fails. A number runs this task only, other
/// words those with the word in their titles, `--all` goes on after a failure, and `--json` prints one line of JSON for
/// each.
pub fn run(name: &str, tasks: &[Task]) -> ExitCode {
    crate::reexec::report_and_exit();
    let Some(step) = Step::find(name) else {
        return wrong(&format!("{name} is not in the table of the steps"));
    };
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [inside, number] = &words[..]
        && inside == "--inside"
    {
        let task = tasks.iter().find(|task| Ok(task.number) == number.parse());
        return task.map_or(ExitCode::FAILURE, inside_check);
    }
    if let Err(why) = fits(step, tasks) {
        return wrong(&format!(
            "{why}. If `cargo xtask learn` has made this directory with an older repository, make the step anew \
             elsewhere, and copy your functions: cargo xtask learn {name} OTHER-DIRECTORY"
        ));
    }
    // An escape is an attack on the machine, and it succeeds until the reader has written the line against it.
    lesson_lab::isolate();
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let chosen: Vec<&Task> = tasks.iter().filter(|task| is_chosen(task, &words)).collect();
    let is_json = has("--json");
    let goes_on = has("--all");
    if !is_json {
        println!("Step {name}: {} tasks\n", tasks.len());
    }
    if chosen.is_empty() {
        println!("No task has this number or these words in its title.");
        return ExitCode::SUCCESS;
    }
    let count = chosen.len();
    let (mut failed, mut unchecked) = (Vec::new(), Vec::new());
    for task in chosen {
        let outcome = check(task);
        if is_json {
            print_json(task, &outcome);
        } else {
            print::line(task, &outcome);
        }
        match &outcome {
            Ok(()) => {}
            Err(why) if why.not_checked => unchecked.push(task),
            Err(why) => {
                failed.push(task);
                if !goes_on {
                    if !is_json {
                        print::failure(step, task, tasks.len(), why);
                    }
                    return ExitCode::FAILURE;
                }
            }
        }
    }
    if !is_json {
        print::end(&failed, &unchecked, count, tasks.len());
    }
    match (failed.is_empty(), unchecked.is_empty()) {
        (false, _) => ExitCode::FAILURE,
        (true, false) => ExitCode::from(NOT_CHECKED),
        (true, true) => ExitCode::SUCCESS,
    }
}

fn wrong(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}

/// By number, or by a word of the title; everything without either. Flags are not words.
fn is_chosen(task: &Task, words: &[String]) -> bool {
    let mut words = words.iter().filter(|word| !word.starts_with('-')).peekable();
    let is_it = |word: &String| match word.parse::<usize>() {
        Ok(number) => task.number == number,
        Err(_) => task.title.contains(word.as_str()),
    };
    words.peek().is_none() || words.any(is_it)
}

/// The list of a step's tests and the table have the same tasks.
fn fits(step: &Step, tasks: &[Task]) -> Result<(), String> {
    let numbers = tasks.iter().map(|task| task.number);
    if !numbers.eq(1..=tasks.len()) {
        return Err(format!(
            "the tasks of {} are not numbered 1 to {} in this order",
            step.name,
            tasks.len()
        ));
    }
    if step.tasks() != tasks.len() {
        let (table, list) = (step.tasks(), tasks.len());
        return Err(format!(
            "the table has {table} tasks for {}, and its tests/tasks.rs has {list}",
            step.name
        ));
    }
    match (1..=tasks.len()).find(|task| step.blanks_of(*task).next().is_none()) {
        Some(task) => Err(format!("the table has no blank for task {task} of {}", step.name)),
        None => Ok(()),
    }
}

fn print_json(task: &Task, outcome: &Outcome) {
    let state = match outcome {
        Ok(()) => "ok",
        Err(why) if why.not_checked => "not checked",
        Err(why) if why.is_todo() => "to do",
        Err(_) => "fails",
    };
    let mut line = to_json(outcome);
    let about = json!({ "task": task.number, "title": task.title, "escape": task.escape, "state": state });
    line.as_object_mut().expect("an object").extend(about.as_object().expect("an object").clone());
    println!("{line}");
}

/// Runs one check in a process of its own and reads its outcome.
fn check(task: &Task) -> Outcome {
    if matches!(task.who, Who::Root) && !is_root() {
        let own = std::env::current_exe().unwrap_or_default();
        return Err(not_checked(format_args!(
            "it needs root. Run: sudo -E {} {}",
            own.display(),
            task.number
        )));
    }
    let directory = std::env::temp_dir().join(format!("lesson-task-{}-{}", std::process::id(), task.number));
    // One of a process that had the same id and was killed.
    let _ = fs::remove_dir_all(&directory);
    let made = lesson_lab::own_directory(&directory)
        .and_then(|lock| fs::set_permissions(&directory, PermissionsExt::from_mode(0o777)).map(|()| lock));
    let _lock = match made {
        Ok(lock) => lock,
        Err(error) => {
            return Err(not_checked(format_args!("{} cannot be created: {error}", directory.display())));
        }
    };
    let outcome = in_process(task, &directory);
    lesson_lab::remove_tree(&directory);
    outcome
}

fn in_process(task: &Task, directory: &Path) -> Outcome {
    // Files and not pipes: a process that a check leaves behind keeps a pipe open, and reading it would not end.
    let (stdout, stderr) = (memory("stdout"), memory("stderr"));
    let mut command = Command::new("/proc/self/exe");
    command.args(["--inside", &task.number.to_string()]).env(DIRECTORY, directory).stdin(Stdio::null());
    command.stdout(stdout.try_clone().expect("open")).stderr(stderr.try_clone().expect("open"));
    let is_root = is_root();
    let processes = own_processes() + MOST_PROCESSES;
    let prepare = move || {
        // What a wrong solution takes without end must have one. Programs that it starts inherit the limits.
        set_most(Resource::RLIMIT_AS, MOST_MEMORY)?;
        set_most(Resource::RLIMIT_NPROC, processes)?;
        // After Ctrl-C the check must not go on: it is in a process group of its own, which the terminal does not reach.
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        nix::unistd::setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
        if is_root {
            // What a wrong solution does as root must not reach the machine.
            let apart = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
            unshare(apart | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID)?;
            private_mounts()?;
        }
        Ok(())
    };
    // SAFETY: system calls only.
    unsafe { command.pre_exec(prepare) };
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            return Err(not_checked(format_args!(
                "this machine does not give root namespaces of its own ({error}). See: cargo xtask learn --doctor"
            )));
        }
    };
    let started = Instant::now();
    let prints_too_much =
        || [&stdout, &stderr].iter().any(|file| file.metadata().is_ok_and(|found| found.len() > MOST_OUTPUT));
    let is_over = loop {
        match child.try_wait() {
            Ok(None) if started.elapsed() < LIMIT && !prints_too_much() => {
                std::thread::sleep(Duration::from_millis(1));
            }
            Ok(None) | Err(_) => break false,
            Ok(Some(_)) => break true,
        }
    };
    let printed_too_much = prints_too_much();
    // Processes that the check has left are in its process group, or in its PID namespace, which ends with it.
    let _ = nix::sys::signal::killpg(Pid::from_raw(child.id() as i32), Signal::SIGKILL);
    let _ = child.wait();
    let (printed, complained) = (text(stdout), text(stderr));
    let answer = printed.rsplit_once(MARK).and_then(|(_, answer)| serde_json::from_str::<Value>(answer).ok());
    let outcome = match answer {
        Some(value) => from_json(&value),
        None if printed_too_much => Err(failure(
            "the code prints a few lines at most",
            format_args!("it printed more than {} MiB, and was ended", MOST_OUTPUT >> 20),
            "a loop that prints does not come to its end",
        )),
        None if is_over => Err(failure(
            "the function returns to its caller",
            "the process ended before the check was over",
            "the check looks at what the function did after it returns",
        )),
        None => Err(failure(
            "the task is over in a moment",
            format_args!("nothing happened for {} seconds", LIMIT.as_secs()),
            "the code waits for something that does not come: a byte in a pipe, the end of a process",
        )),
    };
    // Of a function that is not written yet everything is said.
    let of_interest =
        |failure: &Failure| if failure.why.is_empty() { Vec::new() } else { last_lines(&complained) };
    outcome.map_err(|failure| Failure { printed: of_interest(&failure), ..failure })
}

/// The process of a check. As root it is process 1 of a PID namespace, so everything that it starts ends with it.
fn inside_check(task: &Task) -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        let text = panic.payload_as_str().unwrap_or("a panic");
        let _ = std::io::stderr().write_all(format!("panic at {at}: {text}\n").as_bytes());
    }));
    if !is_root() {
        return answer(&protected(task));
    }
    // SAFETY: this process has one thread, so no lock is held in the copy.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // If the time is up, the runner kills the parent.
            let _ = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            let proc = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None::<&str>);
            let prepared = proc.and_then(|()| match task.who {
                Who::Unprivileged => become_unprivileged(),
                Who::Reader | Who::Root => Ok(()),
            });
            match prepared {
                Ok(()) => answer(&protected(task)),
                Err(error) => answer(&Err(not_checked(format_args!("/proc for the check: {error}")))),
            }
        }
        Ok(ForkResult::Parent { child }) => match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, code)) => ExitCode::from(code as u8),
            _ => ExitCode::FAILURE,
        },
        Err(error) => answer(&Err(not_checked(format_args!("fork: {error}")))),
    }
}

/// Runs the check. A function that is not written yet has not done what the task is about.
fn protected(task: &Task) -> Outcome {
    crate::process::protected(task.check).map_err(|failure| {
        match failure.is_todo() && failure.why.is_empty() {
            true => Failure { expected: task.title.to_owned(), ..failure },
            false => failure,
        }
    })
}

fn answer(outcome: &Outcome) -> ExitCode {
    let _ = std::io::stdout().write_all(format!("\n{MARK}{}\n", to_json(outcome)).as_bytes());
    ExitCode::SUCCESS
}

fn memory(name: &str) -> File {
    use nix::sys::memfd::{MFdFlags, memfd_create};
    memfd_create(name, MFdFlags::MFD_CLOEXEC).expect("a file in memory").into()
}

/// Sets a limit of this process, if it is not lower already.
fn set_most(resource: Resource, most: u64) -> nix::Result<()> {
    let (soft, hard) = getrlimit(resource)?;
    setrlimit(resource, soft.min(most), hard.min(most))
}

/// How many processes and threads this user has. The kernel counts them all together (RLIMIT_NPROC in getrlimit(2)).
fn own_processes() -> u64 {
    let own = nix::unistd::getuid().to_string();
    let threads = |status: String| {
        let field = |name: &str| {
            status
                .lines()
                .find_map(|line| line.strip_prefix(name)?.split_whitespace().next())
                .map(String::from)
        };
        (field("Uid:")? == own).then(|| field("Threads:")?.parse::<u64>().ok()).flatten()
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| threads(fs::read_to_string(entry.path().join("status")).ok()?)).sum()
}

/// The end of a file, in which the outcome is.
fn text(mut file: File) -> String {
    let mut bytes = Vec::new();
    let length = file.metadata().map_or(0, |found| found.len());
    let _ = file.seek(SeekFrom::Start(length.saturating_sub(1 << 20)));
    let _ = file.take(1 << 20).read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last lines of what was written to stderr, without what the lab says of tests that it skips.
fn last_lines(text: &str) -> Vec<String> {
    let lines: Vec<&str> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with("SKIP ")).collect();
    lines[lines.len().saturating_sub(5)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Whether the output may have colours.
pub(crate) fn is_coloured() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
