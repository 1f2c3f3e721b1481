//! The tasks of lesson 2, in order: what the reader's functions have to do.

// The modules have functions that no check calls.
#![allow(dead_code)]

#[path = "../src/init.rs"]
mod init;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/rootfs.rs"]
mod rootfs;

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::process::ExitCode;

use lesson_tasks::process::{Child, mount_tmpfs, on_a_tmpfs, state};
use lesson_tasks::{
    Expect, Outcome, ensure, equal, forked, isolated, lesson_lab, not_checked, run, scratch, shown, task,
};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-02-pid-mount");

fn main() -> ExitCode {
    run(
        "02-pid-mount",
        &[
            task(1, "The child has namespaces of its own for processes, mounts and messages", namespaces),
            task(2, "No mount of the container appears on the host", propagation),
            task(3, "make_read_only changes a mount and all mounts below it", read_only),
            task(4, "bind_usr shows the machine's programs, read-only", programs),
            task(5, "/proc shows the container's processes, and /dev has no disks", kernel_file_systems),
            task(6, "After pivot nothing leads to the old root", no_way_back),
            task(7, "reap waits for the program and for every orphan", reaps),
            task(8, "serve forwards signals and reports how the program ended", serves),
            task(9, "A directory that the host left open leads nowhere", inherited_directory).escape(),
        ],
    )
}

/// The mount points in the caller's table of mounts.
fn mount_points() -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(|line| line.split(' ').nth(4).map(str::to_owned)).collect()
}

fn namespaces() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        // What happens after the clone does not matter here.
        let trace = lab.run(&["-v", "run", "true"]).stderr;
        let line = |kind: &str| {
            let line = trace.lines().find(|line| line.contains(&format!("/ns/{kind} ")));
            line.map_or_else(|| format!("the program ended before the clone:\n{trace}"), str::to_owned)
        };
        for (kind, why) in [
            ("uts", "without CLONE_NEWUTS the hostname is the host's"),
            ("pid", "without CLONE_NEWPID the program sees and can signal the processes of the host"),
            ("mnt", "without CLONE_NEWNS the mounts of the container are mounts of the host"),
            ("ipc", "without CLONE_NEWIPC the program shares message queues and shared memory with the host"),
        ] {
            let expected = format!("the child has a new namespace of the kind {kind}");
            ensure(line(kind).ends_with("new"), expected, line(kind), why)?;
        }
    }
    Ok(())
}

fn propagation() -> Outcome {
    isolated(|| {
        let place = on_a_tmpfs("shared")?;
        fs::create_dir(place.join("inside")).expect("own directory");
        // As systemd has it: a mount in one mount namespace appears in its copies, and the other way as well.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)
            .map_err(|errno| not_checked(format_args!("shared mounts cannot be made: {errno}")))?;
        let before = mount_points();
        let why = "mounts that are shared appear in every copy of the mount namespace; MS_PRIVATE ends that, MS_REC for all";
        forked(|| {
            unshare(CloneFlags::CLONE_NEWNS)
                .map_err(|errno| not_checked(format_args!("unshare: {errno}")))?;
            rootfs::detach().expect_that("detach succeeds", why)?;
            mount_tmpfs(&place.join("inside"))
        })?;
        let after: Vec<String> = mount_points().into_iter().filter(|point| !before.contains(point)).collect();
        equal("the list of mounts that appeared outside", Vec::new(), after, why)
    })
}

fn read_only() -> Outcome {
    isolated(|| {
        let place = on_a_tmpfs("tree")?;
        fs::create_dir(place.join("below")).expect("own directory");
        mount_tmpfs(&place.join("below"))?;
        let why = "mount_setattr(2) with MOUNT_ATTR_RDONLY sets the flag of the mount";
        rootfs::make_read_only(&place).expect_that("make_read_only succeeds", why)?;
        cannot_be_written(&place.join("file"), why)?;
        let why = "AT_RECURSIVE changes the mounts below too; without it /usr/local on a disk of its own stays writable";
        cannot_be_written(&place.join("below/file"), why)?;
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let line = mounts.lines().find(|line| line.contains(&*place.to_string_lossy())).unwrap_or_default();
        let why = "only the flags in attr_set change; a mount that loses nosuid gives set-user-ID programs their power back";
        ensure(line.contains("nosuid"), "the mount keeps its flag nosuid", line, why)?;
        let why = "if this error is dropped, the container runs with a tree that root inside can write";
        let absent = rootfs::make_read_only(&place.join("absent"));
        ensure(
            absent.is_err(),
            "a directory that does not exist is an error",
            "make_read_only returned Ok",
            why,
        )
    })
}

/// Creating this file fails with EROFS.
fn cannot_be_written(file: &Path, why: &str) -> Outcome {
    let (expected, seen) = match File::create(file) {
        Ok(_) => ("it cannot be created", "it was created".to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => return Ok(()),
        Err(error) => ("creating it fails with EROFS", error.to_string()),
    };
    let name = file.strip_prefix(scratch()).unwrap_or(file).display();
    ensure(false, format_args!("{name}: {expected}"), seen, why)
}

fn programs() -> Outcome {
    isolated(|| {
        let root = on_a_tmpfs("root")?;
        rootfs::skeleton(&root).expect_that("skeleton succeeds", "it is part of the step")?;
        let why = "a bind mount shows a directory in a second place, so the programs of this machine run inside too";
        rootfs::bind_usr(&root).expect_that("bind_usr succeeds", why)?;
        ensure(root.join("usr/bin").is_dir(), "usr/bin is in the new root", "it is not there", why)?;
        let linked = Path::new("/etc/ld.so.cache");
        ensure(
            !linked.exists() || fs::metadata(root.join("etc/ld.so.cache")).is_ok_and(|found| found.len() > 0),
            "etc/ld.so.cache in the new root is the machine's",
            "it is empty",
            "bound() names everything that programs need, not /usr alone",
        )?;
        ensure(
            fs::write(root.join("mine"), "").is_ok(),
            "the new root itself can be written",
            "it is read-only",
            "only what is bound from the machine is made read-only: the rest is the container's own",
        )?;
        let why =
            "these are the machine's own files, and root inside could change them through a writable mount";
        // The lab has a writable mount at this place in /usr.
        let writable = Path::new(lesson_lab::WRITABLE);
        let place = if writable.is_dir() { writable } else { Path::new("/usr") };
        cannot_be_written(&root.join(place.strip_prefix("/").expect("it is absolute")).join("file"), why)
    })
}

/// Runs a check as process 1 of a new PID namespace.
fn as_process_1(check: impl FnOnce() -> Outcome) -> Outcome {
    unshare(CloneFlags::CLONE_NEWPID).map_err(|errno| not_checked(format_args!("unshare: {errno}")))?;
    forked(check)
}

fn kernel_file_systems() -> Outcome {
    isolated(|| {
        let root = on_a_tmpfs("root")?;
        as_process_1(|| {
            let why = "the kernel fills these file systems, and each shows the namespaces of the process that mounts it";
            rootfs::mount_kernel(&root).expect_that("mount_kernel succeeds", why)?;
            let own = fs::read_link(root.join("proc/self")).map(|link| link.display().to_string());
            has_flags(&root.join("proc"), &["nosuid", "nodev", "noexec"])?;
            has_flags(&root.join("dev"), &["nosuid", "noexec"])?;
            let mode = fs::metadata(root.join("dev")).map_or(0, |found| found.mode() & 0o7777);
            let why = "a new tmpfs has the mode 1777, and then everybody can create files in /dev";
            equal("the mode of dev", "755".to_owned(), format!("{mode:o}"), why)?;
            let why =
                "/proc shows the PID namespace in which it was mounted, and there the caller is process 1";
            equal("the link /proc/self in the new root", "1".to_owned(), own.unwrap_or_default(), why)?;
            let why = "programs write to /dev/null and read from /dev/urandom";
            let null = root.join("dev/null");
            ensure(
                fs::metadata(&null).is_ok_and(|found| found.file_type().is_char_device()),
                "dev/null in the new root is a device",
                "it is not",
                why,
            )?;
            let opened = File::options().read(true).write(true).open(&null);
            opened.expect_that("dev/null can be opened", "a device on a mount with the flag nodev cannot")?;
            let mut names: Vec<String> = fs::read_dir(root.join("dev"))
                .expect_that("dev can be listed", why)?
                .flatten()
                .map(|entry| entry.file_name().to_string_lossy().into_owned())
                .collect();
            names.sort();
            let expected = [
                "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty",
                "urandom", "zero",
            ];
            let why = "dev is a new tmpfs with a few harmless devices, and none of the host's disks";
            equal("the list of names in dev", expected.map(String::from).to_vec(), names, why)
        })
    })
}

fn has_flags(mount: &Path, flags: &[&str]) -> Outcome {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let place = format!(" {} ", mount.display());
    let line = mounts.lines().find(|line| line.contains(&place)).unwrap_or_default();
    let has = |flag: &&str| line.split([' ', ',']).any(|word| word == *flag);
    let name = mount.file_name().unwrap_or_default().display();
    let expected = format!("the mount {name} has the flags {}", flags.join(", "));
    let why = "each of these flags takes the power from files on the mount: set-user-ID programs, devices, programs";
    ensure(flags.iter().all(has), expected, line, why)
}

fn no_way_back() -> Outcome {
    isolated(|| {
        let root = on_a_tmpfs("root")?;
        for name in ["proc", "in"] {
            fs::create_dir(root.join(name)).expect("own directory");
        }
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some("/proc"), &root.join("proc"), None::<&str>, bind, None::<&str>)
            .map_err(|errno| not_checked(format_args!("/proc cannot be bound: {errno}")))?;
        let why = "pivot_root(2) exchanges the root mount of the mount namespace";
        rootfs::pivot(&root).expect_that("pivot succeeds", why)?;
        equal("the list of names in \"/\"", vec!["in".to_owned(), "proc".to_owned()], names_in("/"), why)?;
        let here = std::env::current_dir().map(|path| path.display().to_string()).unwrap_or_default();
        let why = "a working directory in the old root would lead back to it by `..`";
        equal("the working directory", "/".to_owned(), here, why)?;
        let roots = mount_points().iter().filter(|point| *point == "/").count();
        let why =
            "pivot_root(\".\", \".\") puts the old root on top of the new one, and umount2 takes it away";
        equal("the number of mounts on \"/\"", 1, roots, why)?;
        // The classic way out of a chroot.
        let climb = || -> nix::Result<()> {
            nix::unistd::chroot("/in")?;
            (0..50).try_for_each(|_| nix::unistd::chdir(".."))?;
            nix::unistd::chroot(".")
        };
        climb().map_err(|errno| not_checked(format_args!("chroot: {errno}")))?;
        let why = "chroot(2) alone leaves the old tree mounted, and a second chroot and `..` lead back to it";
        equal("the list of names at the top", vec!["in".to_owned(), "proc".to_owned()], names_in("/"), why)
    })
}

fn names_in(directory: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Waits, a bounded time, until a child has ended and can be waited for.
fn wait_for_zombie(pid: Pid) {
    for _ in 0..2000 {
        if matches!(state(pid), Some('Z') | None) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// In a child: waits for a signal, which ends it. The alarm ends a child that gets none.
fn sleeps() -> i32 {
    nix::unistd::alarm::set(5);
    loop {
        nix::unistd::pause();
    }
}

fn reaps() -> Outcome {
    forked(|| {
        let child = Child::start(sleeps);
        // For process 1 an orphan is a child like these: one that it has not started, and that it has to wait for.
        let strangers = [Child::start(|| 1), Child::start(|| 2)];
        strangers.iter().for_each(|stranger| wait_for_zombie(stranger.pid()));
        let why = "with WNOHANG waitpid returns at once if no child has ended, and the loop in serve goes on";
        let code = init::reap(child.pid()).expect_that("reap succeeds", why)?;
        equal("what reap returns while the program runs", None, code, why)?;
        let left: Vec<Option<char>> = strangers.iter().map(|stranger| state(stranger.pid())).collect();
        let why =
            "one SIGCHLD can stand for several children, and one that nobody waits for stays as a zombie (Z)";
        equal("the list of states of two orphans that have ended", vec![None, None], left, why)?;
        kill(child.pid(), Signal::SIGTERM).expect("our child");
        wait_for_zombie(child.pid());
        let code = init::reap(child.pid()).expect_that("reap succeeds", why)?;
        let why = "SIGTERM is signal 15, and shells report a death by signal n as 128 + n";
        equal("what reap returns after SIGTERM has ended the program", Some(143), code, why)?;
        let other = Child::start(|| 42);
        wait_for_zombie(other.pid());
        let code = init::reap(other.pid()).expect_that("reap succeeds", why)?;
        let why = "the exit code of the program is the exit code of the container";
        equal("what reap returns after the program has ended with 42", Some(42), code, why)?;
        let why = "waitpid fails with ECHILD if there is no child, and then no child has ended";
        let code = init::reap(Pid::this()).expect_that("reap succeeds without a child", why)?;
        equal("what reap returns without a child", None, code, why)
    })
}

fn serves() -> Outcome {
    forked(|| {
        let signals =
            init::block_signals().expect_that("block_signals succeeds", "it is part of the step")?;
        let shown_code = |code: ExitCode| format!("{code:?}");
        let child = Child::start(|| 42);
        let why = "SIGCHLD says that a child has ended; reap then has its exit code";
        let code = init::serve(&signals, child.pid()).expect_that("serve returns", why)?;
        equal(
            "what serve returns for a program that ends with 42",
            shown_code(ExitCode::from(42)),
            shown_code(code),
            why,
        )?;
        let own = Pid::this();
        let child = Child::start(|| {
            // Blocked signals are inherited.
            let _ = SigSet::empty().thread_set_mask();
            let _ = kill(own, Signal::SIGTERM);
            sleeps()
        });
        let why =
            "a signal without a handler is not delivered to process 1, so it has to be read and sent on";
        let code = init::serve(&signals, child.pid()).expect_that("serve returns", why)?;
        equal(
            "what serve returns after it got a SIGTERM that it has to forward",
            shown_code(ExitCode::from(143)),
            shown_code(code),
            why,
        )?;
        let child = Child::start(|| {
            let _ = SigSet::empty().thread_set_mask();
            // Longer than the timer below.
            std::thread::sleep(std::time::Duration::from_millis(50));
            let _ = kill(own, Signal::SIGUSR1);
            sleeps()
        });
        // SAFETY: sets a timer of this process. The kernel sends its SIGALRM, so the si_code is SI_KERNEL.
        #[allow(unsafe_code)]
        unsafe {
            let timer = libc::itimerval {
                it_interval: libc::timeval { tv_sec: 0, tv_usec: 0 },
                it_value: libc::timeval { tv_sec: 0, tv_usec: 1000 },
            };
            libc::syscall(libc::SYS_setitimer, 0, &raw const timer, std::ptr::null_mut::<libc::itimerval>());
        }
        let code = init::serve(&signals, child.pid()).expect_that("serve returns", why)?;
        let why = "the same signal is sent on (SIGUSR1 is 10), except for those of the kernel (ssi_code > 0), which the \
                   program has got itself";
        equal(
            "what serve returns after a SIGALRM of the kernel and then a SIGUSR1 of a process",
            shown_code(ExitCode::from(138)),
            shown_code(code),
            why,
        )
    })
}

fn inherited_directory() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        // As a careless program has it: descriptor 9 is the host's root directory. 3 is the first that may be left open.
        for number in [9, 3] {
            let listed = lab.shell(&format!("exec {number}</; exec $P run -- ls /proc/self/fd/{number}/"));
            let why = "an open directory leads out of any root, and descriptors stay open in an execve unless they are closed";
            ensure(
                listed.code == Some(2) && listed.stdout.is_empty(),
                format_args!("inside, `ls /proc/self/fd/{number}/` finds nothing"),
                shown(&listed),
                why,
            )?;
        }
        let control = lab.run(&["run", "--", "sh", "-c", "exit 3"]);
        ensure(
            control.code == Some(3),
            "a program still runs inside",
            shown(&control),
            "this is the control",
        )?;
    }
    Ok(())
}
