//! The tasks of lesson 7, in order: what the reader's functions have to do.

// The modules have functions that no check calls.
#![allow(dead_code)]
// For closures that run between fork and execve, and for a system call by its number.
#![allow(unsafe_code)]

#[path = "../src/capabilities.rs"]
mod capabilities;
#[path = "../src/masks.rs"]
mod masks;
#[path = "../src/options.rs"]
mod options;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/rootfs.rs"]
mod rootfs;
#[path = "../src/seccomp.rs"]
mod seccomp;

use std::fs;
use std::mem::offset_of;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use caps::{CapSet, Capability};
use lesson_tasks::lesson_lab::images::{Layout, busybox};
use lesson_tasks::process::Child;
use lesson_tasks::{
    Expect, Failure, Outcome, ensure, equal, failure, forked, is_root, isolated, lesson_lab, not_checked,
    run, scratch, shown, task,
};
use libc::{seccomp_data, sock_filter};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-07-security");

fn main() -> ExitCode {
    run(
        "07-security",
        &[
            task(1, "Root cannot mount, and cannot create the disk's device file", keeps_few).escape(),
            task(2, "The program's own sets are reduced before it starts", gives_up),
            task(3, "Files about the machine are hidden or read-only", masks_paths),
            task(4, "A filter answers one system call", answers_one_call),
            task(5, "A call of another architecture does not pass the filter", checks_the_architecture),
            task(6, "A call of x32 does not pass the filter", refuses_x32),
            task(7, "A filter looks at an argument of a call", looks_at_arguments),
            task(8, "The program is confined, and the container starts", confines),
        ],
    )
}

/// A set in the text of /proc/PID/status.
fn set(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
    line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(u64::MAX)
}

fn own_status() -> String {
    fs::read_to_string("/proc/thread-self/status").expect("/proc is mounted")
}

/// The usual thirteen capabilities.
const USUAL: u64 = 0xa004_25fb;

/// Runs a program of the machine to its end.
fn output(program: &str, arguments: &[&str]) -> Result<Output, Failure> {
    let ran = Command::new(program).args(arguments).output();
    ran.map_err(|error| not_checked(format_args!("{program} does not run here: {error}")))
}

fn keeps_few() -> Outcome {
    let machines_root = is_root();
    isolated(|| {
        let place = scratch();
        let text = |name: &str| place.join(name).to_string_lossy().into_owned();
        fs::create_dir(place.join("mounted")).expect("a directory of the task's own");
        // The control: before, both attacks succeed.
        let mount = ["-t", "tmpfs", "tmpfs", &text("mounted")];
        let control = output("mount", &mount)?;
        if !control.status.success() {
            return Err(not_checked(format_args!("mount is refused here anyway: {control:?}")));
        }
        // 7,0 is a loop device, and not a disk of this machine.
        let before = output("mknod", &[&text("before"), "b", "7", "0"])?.status.success();

        // As a service manager may start a program: two more sets that are not empty.
        for set in [CapSet::Inheritable, CapSet::Ambient] {
            caps::raise(None, set, Capability::CAP_CHOWN)
                .map_err(|error| not_checked(format_args!("{set:?} cannot be filled: {error}")))?;
        }
        capabilities::limit(&mut Command::new("true"), None)
            .expect_that("limit drops capabilities", "root may drop its own")?;
        let attack = output("mount", &mount)?;
        let why = "mount needs CAP_SYS_ADMIN. When root executes a program, the program gets all capabilities of the bounding set";
        ensure(
            !attack.status.success(),
            "a program that root starts cannot mount",
            "the attack succeeded: `mount -t tmpfs` works as before",
            why,
        )?;
        if machines_root {
            let after = output("mknod", &[&text("after"), "b", "7", "0"])?.status.success();
            let why = "mknod needs CAP_MKNOD, and with the device file of a disk, a program can read every file of the host";
            let seen = format!("the attack succeeded: mknod works as before (before: {before})");
            ensure(before && !after, "a program that root starts cannot create a device file", seen, why)?;
        }
        let status = own_status();
        let why =
            "each capability that is not in `keep` is dropped from the bounding set, which cannot grow again";
        equal(
            "the bounding set (CapBnd)",
            format!("{USUAL:016x}"),
            format!("{:016x}", set(&status, "CapBnd")),
            why,
        )?;
        let why = "an inheritable or ambient capability can survive an execve, even if the user is not root";
        equal("the inheritable set (CapInh)", 0, set(&status, "CapInh"), why)?;
        equal("the ambient set (CapAmb)", 0, set(&status, "CapAmb"), why)
    })
}

fn gives_up() -> Outcome {
    isolated(|| {
        let mut program = Command::new("true");
        let keep = vec!["CHOWN".to_owned(), "SETUID".to_owned()];
        capabilities::limit(&mut program, Some(keep))
            .expect_that("limit drops capabilities", "root may drop its own")?;
        let file = scratch().join("status");
        let copy = file.clone();
        // It runs after give_up, in the same process.
        let look = move || fs::write(&copy, own_status());
        // SAFETY: the process of this check has one thread, so no lock is held in the child.
        unsafe { program.pre_exec(look) };
        let why = "the effective set comes first, because it must stay a subset of the permitted set";
        let ended = program.status().expect_that("the program starts", why)?;
        let status = fs::read_to_string(&file).unwrap_or_default();
        ensure(ended.success(), "the program starts", format_args!("{ended}"), why)?;
        // CHOWN is bit 0, SETUID is bit 7.
        let why = "an execve as root fills the two sets again from the bounding set, but a program of another user keeps them";
        for name in ["CapEff", "CapPrm"] {
            let seen = format!("{:016x}", set(&status, name));
            equal(&format!("{name}, just before the execve"), format!("{:016x}", 0x81), seen, why)?;
        }
        Ok(())
    })
}

/// A root directory with some of the files that `apply` masks.
fn make_root(root: &Path) {
    for directory in ["dev", "proc/sys/kernel", "proc/scsi", "sys/firmware/efi"] {
        fs::create_dir_all(root.join(directory)).expect("a directory of the task's own");
    }
    for file in [
        "dev/null",
        "proc/keys",
        "proc/uptime",
        "proc/sysrq-trigger",
        "proc/sys/kernel/core_pattern",
        "sys/firmware/efi/secret",
    ] {
        let text = if file == "dev/null" { "" } else { "about the machine" };
        fs::write(root.join(file), text).expect("a file of the task's own");
    }
}

fn masks_paths() -> Outcome {
    isolated(|| {
        let root = scratch().join("root");
        make_root(&root);
        let why = "apply leaves out a path that does not exist in this kernel, and reports errors of mounts";
        masks::apply(&root).expect_that("apply masks the files below `root`", why)?;
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| error.to_string());
        let why = "the file is in HIDDEN, so the null device of the root is mounted over it";
        equal("the text of proc/keys", String::new(), read("proc/keys"), why)?;
        let why = "the directory is in HIDDEN, so an empty tmpfs is mounted over it";
        let listed = |path: &str| fs::read_dir(root.join(path)).map_or(0, Iterator::count);
        equal("the number of files in sys/firmware", 0, listed("sys/firmware"), why)?;
        let why =
            "nobody may put a file there, because programs would believe that it is a file of the kernel";
        let written = fs::write(root.join("sys/firmware/new"), "x");
        ensure(written.is_err(), "sys/firmware is read-only", "a file was created in it", why)?;
        let why = "the path is in READ_ONLY: the kernel would run the program that core_pattern names as the host's root";
        equal(
            "the text of proc/sys/kernel/core_pattern",
            "about the machine".to_owned(),
            read("proc/sys/kernel/core_pattern"),
            why,
        )?;
        for path in ["proc/sys/kernel/core_pattern", "proc/sysrq-trigger"] {
            let written = fs::write(root.join(path), "|/tmp/mine");
            let code = written.as_ref().err().and_then(std::io::Error::raw_os_error);
            ensure(
                code == Some(libc::EROFS),
                format_args!("a write to {path} fails with EROFS, \"Read-only file system\""),
                format_args!("{written:?}"),
                why,
            )?;
        }
        let why = "a file that no list names stays as it is";
        let written = fs::write(root.join("proc/uptime"), "x");
        ensure(written.is_ok(), "proc/uptime can be written", format_args!("{written:?}"), why)
    })
}

/// The architecture's number of this machine, and that of 32-bit x86.
const OWN: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else {
    0xc000_00f3
};
const I386: u32 = 0x4000_0003;

/// A system call as a filter sees it.
#[derive(Clone, Copy)]
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

fn call(number: i64) -> Call {
    Call { number: number as u32, architecture: OWN, arguments: [0; 6] }
}

/// Runs a filter as the kernel does. The register begins with the call's number, as in the middle of a filter.
fn answer_of(filter: &[sock_filter], call: Call) -> Result<u32, Failure> {
    let invalid = |what: String| {
        failure(
            "the kernel accepts the filter",
            what,
            "each jump goes forward and stays inside, and each path ends with a return",
        )
    };
    let word = |offset: u32| {
        let offset = offset as usize;
        let arguments = offset_of!(seccomp_data, args);
        match offset {
            offset if offset == offset_of!(seccomp_data, nr) => Some(call.number),
            offset if offset == offset_of!(seccomp_data, arch) => Some(call.architecture),
            offset if (arguments..arguments + 48).contains(&offset) && offset % 4 == 0 => {
                let argument = call.arguments[(offset - arguments) / 8];
                Some(if (offset - arguments) % 8 == 0 { argument as u32 } else { (argument >> 32) as u32 })
            }
            _ => None,
        }
    };
    let (mut register, mut at) = (call.number, 0);
    loop {
        let Some(step) = filter.get(at) else {
            return Err(invalid(format!("instruction {at} does not exist")));
        };
        at += 1;
        let operation = u32::from(step.code);
        let is_true = match operation & !(libc::BPF_K | libc::BPF_X) {
            code if code == libc::BPF_LD | libc::BPF_W | libc::BPF_ABS => {
                register = word(step.k).ok_or_else(|| invalid(format!("a load from offset {}", step.k)))?;
                continue;
            }
            code if code == libc::BPF_RET => return Ok(step.k),
            code if code == libc::BPF_JMP | libc::BPF_JEQ => register == step.k,
            code if code == libc::BPF_JMP | libc::BPF_JGT => register > step.k,
            code if code == libc::BPF_JMP | libc::BPF_JGE => register >= step.k,
            code if code == libc::BPF_JMP | libc::BPF_JSET => register & step.k != 0,
            code => return Err(invalid(format!("the operation {code:#x}"))),
        };
        at += usize::from(if is_true { step.jt } else { step.jf });
    }
}

/// What an answer means.
fn words(answer: u32) -> String {
    match answer & 0xffff_0000 {
        libc::SECCOMP_RET_ALLOW => "allow".to_owned(),
        libc::SECCOMP_RET_KILL_PROCESS => "kill the process".to_owned(),
        libc::SECCOMP_RET_LOG => "log".to_owned(),
        libc::SECCOMP_RET_ERRNO => {
            format!("error {:?}", nix::errno::Errno::from_raw((answer & 0xffff) as i32))
        }
        _ => format!("{answer:#x}"),
    }
}

/// The filter gives this answer.
fn answers(filter: &[sock_filter], name: &str, call: Call, expected: u32, why: &str) -> Outcome {
    let seen = answer_of(filter, call)?;
    equal(&format!("the answer to {name}"), words(expected), words(seen), why)
}

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

fn answers_one_call() -> Outcome {
    let (first, second) = (seccomp::error(libc::EPERM), seccomp::error(libc::ENOSYS));
    let filter = [
        &seccomp::answer(libc::SYS_mount, first)[..],
        &seccomp::answer(libc::SYS_clone3, second),
        &[seccomp::ret(ALLOW)],
    ]
    .concat();
    let why = "if the register is the number of the call, the next instruction returns the answer";
    answers(&filter, "mount", call(libc::SYS_mount), first, why)?;
    answers(&filter, "clone3, in the second part", call(libc::SYS_clone3), second, why)?;
    let why = "for another call the answer is skipped, so the next part of the filter runs";
    answers(&filter, "read", call(libc::SYS_read), ALLOW, why)
}

/// Refuses one call, and allows the others.
fn without_keys() -> Vec<sock_filter> {
    let mut filter = seccomp::architecture();
    filter.extend(seccomp::answer(libc::SYS_keyctl, seccomp::error(libc::EPERM)));
    filter.push(seccomp::ret(ALLOW));
    filter
}

fn checks_the_architecture() -> Outcome {
    let filter = without_keys();
    let why = "the parts that follow compare the number of the call, so it has to be in the register";
    // The register of a new filter is 0, which is the number of `read` on x86-64.
    answers(&filter, "keyctl", call(libc::SYS_keyctl), seccomp::error(libc::EPERM), why)?;
    answers(&filter, "read", call(libc::SYS_read), ALLOW, why)?;
    attack_by_32_bit(&filter)?;
    let why = "on another architecture, the same number means another call: 288 is keyctl on 32-bit x86, and accept4 on x86-64";
    let foreign = Call { architecture: I386, ..call(288) };
    answers(&filter, "the call 288 of 32-bit x86", foreign, libc::SECCOMP_RET_KILL_PROCESS, why)
}

/// Asks for the session's keys by the call of 32-bit x86, which a program for x86-64 can make too. Returns the key's
/// number or an error.
#[cfg(target_arch = "x86_64")]
fn keys_by_32_bit() -> i32 {
    let answer: i32;
    // KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING. `rbx` is LLVM's own, so it is exchanged and put back.
    // SAFETY: the call reads no memory. The kernel may change the registers r8 to r11.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {first}",
            "int 0x80",
            "xchg rbx, {first}",
            first = inout(reg) 0_u64 => _,
            inout("eax") 288_i32 => answer,
            in("ecx") -3_i32,
            in("edx") 1_i32,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    answer
}

#[cfg(target_arch = "x86_64")]
fn attack_by_32_bit(filter: &[sock_filter]) -> Outcome {
    let has_keys = |loads: bool| {
        let child = Child::start(|| {
            if loads && seccomp::load(filter).is_err() {
                return 2;
            }
            i32::from(keys_by_32_bit() <= 0)
        });
        child.wait()
    };
    // A kernel without the calls of 32-bit x86 ends the program at `int 0x80`: then there is no such attack.
    if !matches!(has_keys(false), WaitStatus::Exited(_, 0)) {
        return Ok(());
    }
    let seen = match has_keys(true) {
        WaitStatus::Signaled(_, Signal::SIGSYS, _) => return Ok(()),
        WaitStatus::Exited(_, 0) => {
            "the attack succeeded: the process has read the number of a key".to_owned()
        }
        other => format!("{other:?}"),
    };
    let why = "a program for x86-64 can make the calls of 32-bit x86 (int 0x80), and keyctl has another number there";
    Err(failure("the kernel kills a process that calls keyctl with its number on 32-bit x86", seen, why))
}

#[cfg(not(target_arch = "x86_64"))]
fn attack_by_32_bit(_: &[sock_filter]) -> Outcome {
    Ok(())
}

fn refuses_x32() -> Outcome {
    let mut filter = seccomp::other_numbers();
    filter.push(seccomp::ret(ALLOW));
    if cfg!(target_arch = "x86_64") {
        let why = "for a call of x32, the architecture is x86-64 and bit 30 of the number is set, so no comparison in the list would match it";
        let mount = call(0x4000_0000 + libc::SYS_mount);
        answers(&filter, "mount, with its number on x32", mount, seccomp::error(libc::ENOSYS), why)?;
        answers(&filter, "the first number of x32", call(0x4000_0000), seccomp::error(libc::ENOSYS), why)?;
    }
    let why =
        "a number below 2^30 belongs to this architecture, and the list that follows decides about this call";
    answers(&filter, "read", call(libc::SYS_read), ALLOW, why)?;
    answers(&filter, "the largest other number", call(0x3fff_ffff), ALLOW, why)
}

fn looks_at_arguments() -> Outcome {
    let denied = seccomp::error(libc::EPERM);
    let new_user = seccomp::skip_unless(libc::BPF_JSET, libc::CLONE_NEWUSER as u32, 1);
    let types = seccomp::skip_unless(libc::BPF_JEQ, libc::TIOCSTI as u32, 1);
    let filter = [
        &seccomp::with_argument(libc::SYS_clone, 0, new_user, denied)[..],
        &seccomp::with_argument(libc::SYS_ioctl, 1, types, denied),
        &seccomp::answer(libc::SYS_mount, denied),
        &[seccomp::ret(ALLOW)],
    ]
    .concat();
    let with = |number: i64, at: usize, value: u64| {
        let mut with = call(number);
        with.arguments[at] = value;
        with
    };
    let why = "the argument is loaded into the register, and `is_refused` compares it";
    let flags = (libc::CLONE_NEWUSER | libc::SIGCHLD) as u64;
    answers(&filter, "clone with CLONE_NEWUSER", with(libc::SYS_clone, 0, flags), denied, why)?;
    answers(
        &filter,
        "clone without CLONE_NEWUSER",
        with(libc::SYS_clone, 0, libc::SIGCHLD as u64),
        ALLOW,
        why,
    )?;
    let why = "the arguments are numbers of 8 bytes, so argument 1 is 8 bytes after argument 0";
    answers(&filter, "ioctl(…, TIOCSTI)", with(libc::SYS_ioctl, 1, libc::TIOCSTI), denied, why)?;
    answers(&filter, "ioctl(TIOCSTI, …)", with(libc::SYS_ioctl, 0, libc::TIOCSTI), ALLOW, why)?;
    let why = "for another call the whole part is skipped, and the number must still be in the register for the parts that follow";
    answers(&filter, "mount, in the last part", call(libc::SYS_mount), denied, why)?;
    answers(&filter, "read", call(libc::SYS_read), ALLOW, why)
}

/// Confines a shell with this configuration, and runs a script in it.
fn confined(config: &serde_json::Value, script: &str) -> Result<Output, Failure> {
    let mut program = Command::new("sh");
    program.args(["-c", script]);
    let why = "the capabilities are reduced before the filter, and the filter allows execve";
    seccomp::confine(&mut program, config).expect_that("confine restricts the program", why)?;
    program.output().expect_that("the confined program starts", why)
}

fn confines() -> Outcome {
    let fields = "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | cut -f 2";
    isolated(|| {
        let config = json!({ "keep": ["CHOWN"], "denied": "error" });
        let ran = confined(&config, fields)?;
        let seen: Vec<String> = String::from_utf8_lossy(&ran.stdout).lines().map(String::from).collect();
        let why = "`keep` names the capabilities that stay, and 2 means that a filter is loaded";
        equal(
            "CapBnd, NoNewPrivs and Seccomp of the program",
            ["0000000000000001", "1", "2"].map(String::from).to_vec(),
            seen,
            why,
        )
    })?;
    isolated(|| {
        let ran = confined(&json!({ "keep": null, "denied": "error" }), fields)?;
        let why = "without `keep` the usual capabilities stay";
        let text = String::from_utf8_lossy(&ran.stdout);
        ensure(
            text.starts_with(&format!("{USUAL:016x}")),
            "CapBnd contains the usual capabilities",
            text,
            why,
        )
    })?;
    isolated(|| {
        let ran = confined(&json!({ "keep": null, "denied": "error" }), "exec unshare -U true")?;
        let why = "EPERM says that the call is refused; after another error a program may try another way";
        let told = String::from_utf8_lossy(&ran.stderr);
        ensure(
            told.contains("Operation not permitted"),
            "`unshare -U` fails with EPERM for `--denied error`",
            told,
            why,
        )
    })?;
    for (denied, signal) in [("kill", Some(libc::SIGSYS)), ("log", None)] {
        forked(|| {
            isolated(|| {
                let ran = confined(&json!({ "keep": null, "denied": denied }), "exec unshare -U true")?;
                let why = "`denied` says what happens at a refused call, and unshare is such a call";
                let expected = signal.map_or("exit code 0", |_| "the signal SIGSYS");
                let is_so = ran.status.signal() == signal && (signal.is_some() || ran.status.success());
                ensure(
                    is_so,
                    format_args!("the program ends with {expected} for `--denied {denied}`"),
                    ran.status,
                    why,
                )
            })
        })?;
    }
    whole()
}

/// The program of the step runs an image, and the escape of step 6 fails.
fn whole() -> Outcome {
    for lab in lesson_lab::everyone(PROGRAM) {
        let layout = Layout::new(lab.dir.join("layout"));
        let Some(busybox) = busybox() else {
            return Err(not_checked("/usr/bin/busybox is not installed (package busybox-static)"));
        };
        layout.publish(&[("latest", &layout.manifest(&[busybox.end()], &json!({})))]);
        let script = "mknod /disk b 7 0 || echo no device; true >>/proc/sys/kernel/core_pattern || echo no core_pattern; unshare -U true || echo no namespace";
        let ran = lab.run(&["run", &layout.name(), "/bin/sh", "-c", script]);
        let why = "CAP_MKNOD is dropped, /proc/sys is read-only, and the filter refuses unshare";
        let expected = "no device\nno core_pattern\nno namespace";
        ensure(
            ran.stdout == expected,
            format_args!("the three attacks fail: {expected:?}"),
            shown(&ran),
            why,
        )?;
    }
    Ok(())
}
