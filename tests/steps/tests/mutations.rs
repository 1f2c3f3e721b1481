//! Mutation tests: without the call that a lesson is about, one of its tests has to fail.
//!
//! Each mutant is compiled in a copy of the workspace, and only the tests named for it run. They have to pass
//! without the mutation and to fail by an assertion with it.
//!
//! It takes some minutes: `cargo test -p hull-test-steps --test mutations -- --ignored`.

// What runs between fork and exec.
#![allow(unsafe_code)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use hull_test_steps::{STEPS, package};
use hull_test_support::program::workspace;
use hull_test_support::skip;
use nix::sched::{CloneFlags, unshare};

/// In which module of which step, what is replaced by what, and the tests that see it.
struct Mutant {
    step: usize,
    module: &'static str,
    text: &'static str,
    by: &'static str,
    seen_by: &'static [&'static str],
}

const fn mutant(
    step: usize,
    module: &'static str,
    text: &'static str,
    by: &'static str,
    seen_by: &'static [&'static str],
) -> Mutant {
    Mutant { step, module, text, by, seen_by }
}

const MUTANTS: [Mutant; 32] = [
    mutant(
        1,
        "main.rs",
        "CloneFlags::CLONE_NEWUTS;",
        "CloneFlags::CLONE_NEWIPC;",
        &["t01_the_inside_has_a_hostname_of_its_own_and_the_hosts_is_untouched"],
    ),
    mutant(
        1,
        "idmap.rs",
        "write_map(pid, \"setgroups\", \"deny\")?;",
        "",
        &["t05_an_unprivileged_user_is_root_inside_and_nobody_special_outside"],
    ),
    mutant(
        1,
        "namespaces.rs",
        "nix::unistd::sethostname(name)",
        "nix::unistd::sethostname(nix::unistd::gethostname().unwrap_or_default())",
        &["t01_the_inside_has_a_hostname_of_its_own_and_the_hosts_is_untouched"],
    ),
    mutant(
        1,
        "namespaces.rs",
        "nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).context(\"prctl(PR_SET_PDEATHSIG)\")?;",
        "let _ = Signal::SIGKILL;",
        &["t14_nothing_survives_a_kill_of_the_program"],
    ),
    mutant(
        1,
        "namespaces.rs",
        "nix::sched::setns(&pidfd, flags)",
        "Ok::<_, Errno>(drop(pidfd))",
        &["t09_enter_joins_the_namespaces_of_a_running_process"],
    ),
    mutant(
        2,
        "rootfs.rs",
        "        make_read_only(&to)?;",
        "        let _ = make_read_only;",
        &["t09_programs_are_this_machines_and_read_only"],
    ),
    mutant(
        2,
        "rootfs.rs",
        "MsFlags::MS_REC | MsFlags::MS_PRIVATE, None",
        "MsFlags::MS_REC | MsFlags::MS_SHARED, None",
        &["t05_mounts_stay_inside_even_where_the_tree_is_shared"],
    ),
    mutant(
        2,
        "rootfs.rs",
        "umount2(\".\", MntFlags::MNT_DETACH).context(\"umount2(., MNT_DETACH)\")?;",
        "let _ = (umount2::<str>, MntFlags::MNT_DETACH);",
        &["t06_the_old_root_is_gone_and_dotdot_leads_nowhere"],
    ),
    mutant(
        2,
        "rootfs.rs",
        "nix::unistd::pivot_root(\".\", \".\")",
        "nix::unistd::chroot(\".\")",
        &["t07_root_cannot_climb_out_with_chroot"],
    ),
    mutant(
        2,
        "init.rs",
        "    close_inherited()?;",
        "    let _ = close_inherited;",
        &["t08_a_directory_left_open_outside_is_closed_inside"],
    ),
    mutant(
        2,
        "init.rs",
        "waitpid(None, ",
        "waitpid(Some(child), ",
        &["t17_orphans_become_process_1s_and_leave_no_zombies"],
    ),
    mutant(
        2,
        "init.rs",
        "let _ = kill(child, signal);",
        "let _ = kill(child, if signal == Signal::SIGTERM { Signal::SIGUSR1 } else { signal });",
        &["t19_a_signal_to_the_outside_reaches_the_program"],
    ),
    mutant(
        3,
        "cgroups.rs",
        "files.iter().try_for_each(|file| write(Path::new(file), \"0\", \"hint: is the cgroup still there?\"))",
        "let _ = files;\n    Ok(())",
        &[
            "t01_a_program_that_needs_more_memory_than_its_limit_is_killed",
            "t03_a_program_cannot_start_more_processes_than_its_limit",
        ],
    ),
    mutant(
        3,
        "cgroups.rs",
        "unshare(CloneFlags::CLONE_NEWCGROUP).context(\"unshare(CLONE_NEWCGROUP)\")?;",
        "let _ = (unshare, CloneFlags::CLONE_NEWCGROUP);",
        &[
            "t06_the_container_sees_its_own_cgroup_as_the_root_of_the_tree",
            "t07_a_container_cannot_move_to_a_cgroup_without_its_limit",
        ],
    ),
    mutant(
        3,
        "supervisor.rs",
        "directories.iter().for_each(|directory| clear(directory, remove));",
        "let _ = (clear, directories, remove);",
        &["t14_nothing_stays_whatever_the_end"],
    ),
    mutant(
        3,
        "cgroups.rs",
        "if kills > 0 {",
        "if kills > 1_000_000 {",
        &["t10_the_user_is_told_when_the_memory_limit_was_the_reason"],
    ),
    mutant(
        4,
        "overlay.rs",
        "options.push_str(\",userxattr\");",
        "",
        &["t10_a_directory_that_is_made_again_is_opaque"],
    ),
    mutant(
        4,
        "overlay.rs",
        "(true, _) => 'D',",
        "(true, _) => 'A',",
        &["t04_a_change_is_listed_by_its_letter"],
    ),
    mutant(
        4,
        "overlay.rs",
        "path.replace('\\\\', r\"\\\\\").replace(':', r\"\\:\").replace(',', r\"\\,\")",
        "path.to_owned()",
        &[
            "t06_of_several_lower_directories_the_first_that_has_a_name_decides",
            "t07_a_directory_of_the_host_cannot_be_named_by_a_colon",
        ],
    ),
    mutant(
        5,
        "main.rs",
        "        | CloneFlags::CLONE_NEWIPC\n        | CloneFlags::CLONE_NEWNET;",
        "        | CloneFlags::CLONE_NEWIPC;",
        &["t01_a_container_has_links_of_its_own"],
    ),
    mutant(
        5,
        "nat.rs",
        "nft::oifname_is_not(BRIDGE), nft::masquerade()]",
        "nft::oifname_is_not(BRIDGE), vec![]]",
        &["t05_a_server_sees_the_hosts_address_and_the_container_sees_its_clients"],
    ),
    mutant(
        5,
        "nat.rs",
        "        route_localnet()?;",
        "        let _ = route_localnet;",
        &["t09_a_published_port_is_reached_by_every_caller"],
    ),
    mutant(
        5,
        "nftables.rs",
        "Verdict(libc::NF_DROP)",
        "Verdict(libc::NF_ACCEPT)",
        &["t11_a_container_does_not_reach_services_on_the_hosts_loopback"],
    ),
    mutant(
        5,
        "veth.rs",
        "            check_routes(&mut kernel)?;",
        "            let _ = check_routes;",
        &["t04_a_subnet_that_the_host_has_a_route_to_is_not_taken"],
    ),
    mutant(
        5,
        "nftables.rs",
        "const TABLE_OWNER: u32 = 2;",
        "const TABLE_OWNER: u32 = 0;",
        &["t17_nothing_is_left_however_it_ends"],
    ),
    mutant(
        6,
        "layer.rs",
        "ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS",
        "ResolveFlag::empty()",
        &["t07_a_layer_that_leaves_its_directory_is_refused"],
    ),
    mutant(
        6,
        "layer.rs",
        "    compare(&blob.digest, &compressed.digest()).context(\"the layer's bytes\")?;",
        "    let _ = compressed;",
        &["t03_bytes_with_another_digest_are_refused_with_both_digests"],
    ),
    mutant(
        6,
        "layer.rs",
        "strip_prefix(b\".wh.\")",
        "strip_prefix(b\"no whiteout\")",
        &["t04_a_layer_changes_adds_and_deletes_files_of_the_layers_below"],
    ),
    mutant(
        7,
        "capabilities.rs",
        "for capability in &gone {",
        "for capability in gone.iter().take(0) {",
        &["t03_root_has_13_capabilities_and_can_gain_no_other"],
    ),
    mutant(
        7,
        "seccomp.rs",
        "nix::sys::prctl::set_no_new_privs().context(\"prctl(PR_SET_NO_NEW_PRIVS)\")?;",
        "",
        &["t06_the_filter_is_loaded_and_no_execve_adds_privileges"],
    ),
    mutant(
        7,
        "seccomp.rs",
        "answer(libc::SYS_clone3, error(libc::ENOSYS))",
        "answer(libc::SYS_clone3, error(libc::EPERM))",
        &["t08_programs_with_threads_run_because_clone3_answers_enosys"],
    ),
    mutant(
        7,
        "main.rs",
        "    masks::apply(&root)?;",
        "    let _ = masks::apply;",
        &["t02_the_escape_of_step_6_fails"],
    ),
];

/// A copy of the workspace with the lessons only, built apart, so that nothing of the real one is rebuilt.
struct Copy {
    directory: PathBuf,
    target: PathBuf,
}

impl Copy {
    fn make() -> Self {
        let own = std::env::current_exe().expect("/proc is mounted");
        let target = own.ancestors().nth(4).expect("a test lives in a target directory").join("mutants");
        let directory = target.join("workspace");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(directory.join("steps")).expect("a directory in target");
        for file in ["Cargo.lock", ".cargo"] {
            copy(&workspace().join(file), &directory.join(file));
        }
        fs::create_dir_all(directory.join("tests")).expect("own directory");
        let steps = STEPS.iter().map(|step| format!("steps/{step}"));
        // With the crates that their tests use.
        for part in steps.chain(["tests/lab".to_owned(), "tests/tasks".to_owned()]) {
            copy(&workspace().join(&part), &directory.join(&part));
        }
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
        let (head, rest) = manifest.split_once("members = [").expect("it is a workspace's");
        let (_, rest) = rest.split_once("]").expect("of several");
        let rest = rest.replace("default-members = [\"final\"]", "");
        fs::write(
            directory.join("Cargo.toml"),
            format!("{head}members = [\"steps/*\", \"tests/lab\", \"tests/tasks\"]{rest}"),
        )
        .expect("own directory");
        Self { directory, target }
    }

    fn test(&self, step: usize, names: &[&str], run: bool) -> Output {
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", "300"])
            .arg(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(["test", "--quiet", "--offline", "--package", &package(step), "--test", "lesson"]);
        if run {
            command.args(["--", "--exact"]).args(names);
        } else {
            command.arg("--no-run");
        }
        command.current_dir(&self.directory).env("CARGO_TARGET_DIR", &self.target).env("RUST_BACKTRACE", "0");
        // A mutant of the first lesson would name the machine.
        let apart = || Ok(unshare(CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC)?);
        // SAFETY: a system call, and nothing else.
        unsafe { command.pre_exec(apart) };
        command.output().expect("cargo runs")
    }
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-r").args([from, to]).status();
    assert!(status.is_ok_and(|status| status.success()), "cp {}", from.display());
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
#[ignore = "compiles every mutant: some minutes"]
fn without_its_key_call_a_lesson_fails_its_test() {
    if !nix::unistd::geteuid().is_root() {
        return skip::skip("the tests of the lessons try half of what they do as root");
    }
    let copy = Copy::make();
    let only: Option<usize> = std::env::var("HULL_MUTANTS_OF_STEP").ok().and_then(|step| step.parse().ok());
    let mut survivors = Vec::new();
    for step in (1..=STEPS.len()).filter(|step| only.is_none_or(|only| *step == only)) {
        let mutants: Vec<&Mutant> = MUTANTS.iter().filter(|mutant| mutant.step == step).collect();
        let names: Vec<&str> = mutants.iter().flat_map(|mutant| mutant.seen_by).copied().collect();
        let control = copy.test(step, &names, true);
        assert!(control.status.success(), "the control: {}", text(&control));
        for mutant in mutants {
            if let Err(why) = try_out(&copy, mutant) {
                survivors.push(format!(
                    "{}/src/{}: {:?}: {why}",
                    STEPS[step - 1],
                    mutant.module,
                    mutant.text
                ));
            }
        }
    }
    assert!(survivors.is_empty(), "{} mutants survive:\n{}", survivors.len(), survivors.join("\n"));
}

/// Those of the lessons, in the one tree or in each controller's.
fn cgroups() -> Vec<PathBuf> {
    let entries = |path: &Path| {
        fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let trees = entries(Path::new("/sys/fs/cgroup"));
    let all = trees.iter().flat_map(|tree| entries(tree)).chain(trees.iter().cloned());
    all.filter(|path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"step-0")))
        .collect()
}

/// Whether every test that is named for it sees this one.
fn try_out(copy: &Copy, mutant: &Mutant) -> Result<(), String> {
    let path = copy.directory.join("steps").join(STEPS[mutant.step - 1]).join("src").join(mutant.module);
    let original = fs::read_to_string(&path).expect("a module");
    assert_eq!(
        original.matches(mutant.text).count(),
        1,
        "{:?} is not in {} once",
        mutant.text,
        path.display()
    );
    fs::write(&path, original.replace(mutant.text, mutant.by)).expect("own file");
    let built = copy.test(mutant.step, &[], false);
    let (began, before) = (Instant::now(), cgroups());
    let tested = copy.test(mutant.step, mutant.seen_by, true);
    if mutant.module == "supervisor.rs" {
        // Its own are what it is there to leave.
        cgroups()
            .iter()
            .filter(|directory| !before.contains(directory))
            .for_each(|left| drop(fs::remove_dir(left)));
    }
    fs::write(&path, original).expect("own file");
    if !built.status.success() {
        return Err(format!("does not compile:\n{}", text(&built)));
    }
    // The lab ends what hangs after a minute, and a test that only then fails has not seen anything.
    if began.elapsed() > Duration::from_secs(55) {
        return Err("ended by a time-out".into());
    }
    let told = text(&tested);
    let not_seen = mutant.seen_by.iter().find(|name| {
        let by_assertion = told
            .lines()
            .any(|line| line.starts_with(&format!("thread '{name}'")) && line.contains("panicked at"));
        !by_assertion
    });
    not_seen.map_or(Ok(()), |name| Err(format!("{name} does not see it:\n{told}")))
}
