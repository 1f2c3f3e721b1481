//! The tasks of lesson 1, in order: what the reader's functions have to do.

// The modules have functions that no check calls.
#![allow(dead_code)]

#[path = "../src/idmap.rs"]
mod idmap;
#[path = "../src/namespaces.rs"]
mod namespaces;
#[path = "../src/report.rs"]
mod report;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};

use lesson_tasks::process::{Child, state};
use lesson_tasks::{
    Expect, Failure, Outcome, Reexec, ensure, equal, failure, forked, in_time, isolated, lesson_lab,
    namespace, not_checked, run, scratch, shown, task, unprivileged,
};
use nix::sched::CloneFlags;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-01-uts");

fn main() -> ExitCode {
    run(
        "01-uts",
        &[
            task(1, "set_hostname changes the hostname of the caller's UTS namespace", hostname),
            task(2, "The child waits for its parent and then executes the program again", gate),
            task(3, "spawn clones a child into new namespaces", clone),
            task(4, "The container's root cannot rename the machine", renames_the_machine).escape(),
            task(5, "The user is root inside, because the parent writes the id maps", maps),
            task(6, "enter joins the namespaces of a running process", enters),
        ],
    )
}

fn own_hostname() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

fn hostname() -> Outcome {
    isolated(|| {
        let may = "a process with CAP_SYS_ADMIN over its UTS namespace may set the hostname";
        namespaces::set_hostname("web").expect_that("set_hostname(\"web\") succeeds", may)?;
        let why = "sethostname(2) changes the name that every process in this UTS namespace sees";
        equal("the hostname", "web".to_owned(), own_hostname(), why)?;
        let Err(error) = namespaces::set_hostname(&"x".repeat(65)) else {
            let why = "the kernel refuses it with EINVAL, and an error that is dropped here is never seen";
            return Err(failure("a name of 65 bytes is an error", "set_hostname returned Ok", why));
        };
        let told = format!("{error:#}");
        let why = "EINVAL alone does not tell the user that a hostname has at most 64 bytes";
        ensure(told.contains("hint: "), "the error of a name of 65 bytes has a context `hint: …`", told, why)
    })
}

/// A child that calls `wait_and_exec`.
struct Gate {
    child: Child,
    /// The write end of the sync pipe.
    pipe: Option<File>,
    /// What the executed program reports.
    reexec: Reexec,
}

/// `tells` says whether an error of `wait_and_exec` is printed, because it is not expected.
fn at_the_gate(tells: bool) -> Result<Gate, Failure> {
    let reexec = Reexec::expect(&scratch());
    let (reader, writer) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    let (mut reader, mut pipe) = (File::from(reader), Some(File::from(writer)));
    let child = Child::start(|| {
        // The child's copy of the write end.
        drop(pipe.take());
        let Err(error) = namespaces::wait_and_exec(&mut reader, &json!({ "say": "hello" }));
        if tells {
            report::say(format_args!("wait_and_exec returned: {error:#}"));
        }
        3
    });
    let why = "id maps and the end of a veth pair can be made only from outside, so the child must wait until that is done";
    loop {
        match state(child.pid()) {
            // It sleeps in read(2).
            Some('S') => break,
            Some('R' | 'D') => std::thread::yield_now(),
            other => {
                let seen = match reexec.report() {
                    Some(_) => "the child executed the program at once".to_owned(),
                    None => format!("the child ended at once (its state is {})", other.unwrap_or('-')),
                };
                return Err(failure("the child sleeps until there is a byte in the pipe", seen, why));
            }
        }
    }
    Ok(Gate { child, pipe, reexec })
}

fn gate() -> Outcome {
    let Gate { child, pipe, reexec } = at_the_gate(false)?;
    drop(pipe);
    let why =
        "read(2) returns 0 at the end of the file, and then the parent does not wait for this child any more";
    let expected = "the child gives up when its parent closes the pipe without writing a byte";
    let ended = child.wait();
    ensure(reexec.report().is_none(), expected, "the child executed the program", why)?;
    ensure(
        matches!(ended, WaitStatus::Exited(_, 3)),
        expected,
        format_args!("{ended:?}, and no error was returned"),
        why,
    )?;

    let Gate { child, pipe, reexec } = at_the_gate(true)?;
    pipe.expect("it is open").write_all(b"!").expect("the child reads");
    let ended = child.wait();
    let Some(report) = reexec.report() else {
        let why =
            "execve replaces the copy of the parent's memory, and the container's setup starts from main()";
        let seen = format!("{ended:?}, and no program was executed");
        return Err(failure(
            "the child executes /proc/self/exe with the argument `child` after it has got a byte",
            seen,
            why,
        ));
    };
    ensure(
        report["argv_0"] != true,
        "`child` is the first argument after the name of the program",
        "the program runs with `child` as its own name",
        "the first element of argv is the name of the program, and main() looks for its arguments after it",
    )?;
    let why = "the configuration is the second argument: an execve passes on nothing else but the environment and open files";
    let config = &report["config"];
    ensure(
        *config == json!({ "say": "hello" }),
        "the executed program gets the configuration {\"say\":\"hello\"}",
        format_args!("it gets {config}"),
        why,
    )?;
    let why = "when the parent is killed nobody would end the container: prctl(PR_SET_PDEATHSIG) makes the kernel do it";
    let signal = report["parent_death_signal"].as_str().unwrap_or("none").to_owned();
    equal("the signal that the child gets when its parent dies", "SIGKILL".to_owned(), signal, why)
}

/// What this user needs for a hostname of its own.
fn wanted() -> CloneFlags {
    if idmap::is_needed() {
        CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWUSER
    } else {
        CloneFlags::CLONE_NEWUTS
    }
}

fn clone() -> Outcome {
    let config = json!({ "say": "cloned" });
    let reexec = Reexec::expect(&scratch());
    let before = lesson_tasks::reexec::pipes();
    let why = "clone(2) with CLONE_NEWUTS creates a child with a hostname of its own";
    let child = namespaces::spawn(wanted(), &config).expect_that("spawn returns a child", why)?;
    let pid = child.pid();
    ensure(
        namespace(pid, "uts").is_some_and(|link| Some(link) != namespace("self", "uts")),
        "the child's /proc/PID/ns/uts has another target than the parent's",
        format_args!("{:?}; the parent's is {:?}", namespace(pid, "uts"), namespace("self", "uts")),
        why,
    )?;
    ensure(
        reexec.report().is_none(),
        "the child waits for its release",
        "it executed the program at once",
        "the closure of the child calls wait_and_exec, which waits for a byte in the pipe",
    )?;
    let why = "release() writes the byte to the pipe that spawn has put into the Child";
    let pid = child.release().expect_that("the child can be released", why)?;
    let why = "waitpid(2) sees only a child that was cloned with the signal SIGCHLD";
    let ended = waitpid(pid, None).expect_that("the parent can wait for its child", why)?;
    let got = reexec.report().map(|report| report["config"].clone());
    let why = "the closure of the child calls wait_and_exec with the configuration";
    ensure(got == Some(config), "the released child executes the program", format_args!("{ended:?}"), why)?;
    let report = reexec.report().unwrap_or_default();
    let pipes = report["pipes"].as_array().into_iter().flatten().filter_map(|pipe| pipe.as_str());
    let left: Vec<&str> = pipes.filter(|pipe| !before.iter().any(|other| other == pipe)).collect();
    let why =
        "O_CLOEXEC closes both ends in the execve; without it every program in the container inherits them";
    equal("the list of the ends of the pipe that the program has", Vec::<&str>::new(), left, why)?;

    let why = "a child with a copy of the write end waits forever, because it holds the pipe open itself";
    in_time("a child that is dropped before its release ends", why, || {
        let child = namespaces::spawn(wanted(), &json!({})).expect_that("spawn returns a child", why)?;
        let pid = child.pid();
        drop(child);
        ensure(state(pid).is_none(), "nobody has to wait for the dropped child", "it is a zombie", why)
    })
}

fn renames_the_machine() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        let before = lab.shell("hostname").stdout;
        let ran = lab.run(&["-v", "run", "--hostname", "stolen", "true"]);
        let after = lab.shell("hostname").stdout;
        let why = "without CLONE_NEWUTS the child stays in the machine's UTS namespace, and root may rename the machine";
        equal("the machine's hostname after the attack", before, after, why)?;
        let is_new = |kind: &str| {
            let line = ran.stderr.lines().find(|line| line.contains(&format!("/ns/{kind} ")));
            line.is_some_and(|line| line.ends_with("new"))
        };
        ensure(is_new("uts"), "the child has a new UTS namespace", shown(&ran), why)?;
        let why =
            "creating a UTS namespace takes CAP_SYS_ADMIN, and a new user namespace gives it to everybody";
        ensure(
            lab.is_root() || is_new("user"),
            "the child of an unprivileged user has a new user namespace",
            shown(&ran),
            why,
        )?;
        let why =
            "nobody writes id maps for root, and without a map the child is nobody: ask idmap::is_needed()";
        ensure(
            !lab.is_root() || !is_new("user"),
            "the child of root stays in root's user namespace",
            "it has a new user namespace",
            why,
        )?;
    }
    Ok(())
}

fn maps() -> Outcome {
    unprivileged(|| {
        let Ok(child) = namespaces::spawn(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWUSER, &json!({}))
        else {
            return Err(not_checked("an unprivileged user may not create user namespaces here"));
        };
        let (pid, uid, gid) = (child.pid(), nix::unistd::geteuid(), nix::unistd::getegid());
        let why = "the parent may map its own id without any privilege, once setgroups is denied";
        idmap::write(pid).expect_that("the maps can be written", why)?;
        let words = |file: &str| {
            let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let why = "a line is: first id inside, first id outside, how many. Without a map everybody inside is nobody (65534)";
        equal("/proc/PID/uid_map", format!("0 {uid} 1"), words("uid_map"), why)?;
        equal("/proc/PID/gid_map", format!("0 {gid} 1"), words("gid_map"), why)?;
        let why = "otherwise a process could drop a group that a file's mode denies; user_namespaces(7)";
        equal("/proc/PID/setgroups", "deny".to_owned(), words("setgroups"), why)
    })?;
    for lab in lesson_lab::everyone(PROGRAM) {
        let inside = lab.run(&["run", "--", "id", "-u"]);
        ensure(
            inside.stdout == "0",
            "`id -u` inside prints 0",
            shown(&inside),
            "0 inside is the first id of the map",
        )?;
    }
    Ok(())
}

fn enters() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        let mut program =
            lab.program(&["run", "--hostname", "entered", "--", "sh", "-c", "echo $$; exec sleep 60"]);
        let mut running = program.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut pid = String::new();
        let _ = BufReader::new(running.stdout.take().expect("piped")).read_line(&mut pid);
        let pid = pid.trim();
        let entered = lab.run(&["enter", pid, "hostname"]);
        let id = lab.run(&["enter", pid, "--", "id", "-u"]);
        let _ = running.kill().and_then(|()| running.wait());
        let why =
            "setns(2) gives the caller the namespaces of that process, and `hostname` is executed in them";
        ensure(entered.stdout == "entered", "`enter PID hostname` prints \"entered\"", shown(&entered), why)?;
        let why = "the user namespace is joined in the same call, and its map makes the caller root inside";
        ensure(id.stdout == "0", "`enter PID -- id -u` prints 0", shown(&id), why)?;
    }
    forked(|| {
        let result = namespaces::enter(Pid::this().as_raw());
        let seen = "enter returned Ok";
        let why = "setns(2) with no flags fails with EINVAL, which tells the user nothing";
        ensure(result.is_err(), "a process in the same namespaces is an error that says so", seen, why)
    })
}
