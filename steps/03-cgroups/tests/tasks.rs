//! The tasks of lesson 3, in order: what the reader's functions have to do.

// The modules have functions that no check calls.
#![allow(dead_code)]

#[path = "../src/cgroups.rs"]
mod cgroups;
#[path = "../src/cgroups_v1.rs"]
mod cgroups_v1;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/supervisor.rs"]
mod supervisor;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cgroups::{Limits, Setting};
use lesson_tasks::{
    Expect, Lab, Outcome, ensure, equal, failure, isolated, lesson_lab, not_checked, run, scratch, shown,
    task, unprivileged,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-03-cgroups");

const MIB: u64 = 1 << 20;

const NONE: Limits = Limits { memory: None, cpus: None, pids: None };
const ALL: Limits = Limits { memory: Some(64 * MIB), cpus: Some(0.2), pids: Some(20) };

fn main() -> ExitCode {
    run(
        "03-cgroups",
        &[
            task(1, "find_v2 finds the tree of cgroup v2 in the table of mounts", tree_of_v2),
            task(2, "limit_files knows which file of v2 takes which limit", files_of_v2),
            task(3, "pass_on lets the cgroup above pass the controllers on", passes_on),
            task(4, "plan puts together all that will be created and written", plan_of_v2),
            task(5, "limit_files knows which file of v1 takes which limit", plan_of_v1),
            task(6, "join puts the calling process into the cgroup", joins),
            task(7, "A container cannot leave its cgroup", leaves_its_cgroup).root().escape(),
            task(8, "The user is told that a process was killed for lack of memory", tells_oom),
        ],
    )
}

/// A directory with the files of the root of a v2 tree.
fn tree(controllers: &str, passed_on: &str) -> PathBuf {
    let tree = scratch().join("tree");
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir(&tree).expect("own directory");
    fs::write(tree.join("cgroup.controllers"), controllers).expect("own directory");
    fs::write(tree.join("cgroup.subtree_control"), passed_on).expect("own directory");
    tree
}

/// A table of mounts, in which a v2 tree is mounted at `tree`.
fn mounts(tree: &Path) -> String {
    format!(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
         23 22 0:21 / /proc rw,nosuid shared:2 - proc proc rw\n\
         30 22 0:26 / {} rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
        tree.display()
    )
}

/// The name of each file, without its directory, and what is written to it.
fn named(settings: &[Setting]) -> Vec<(String, String)> {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    settings.iter().map(|(path, text)| (name(path), text.clone())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

fn sorted<T: Ord>(mut list: Vec<T>) -> Vec<T> {
    list.sort();
    list
}

fn tree_of_v2() -> Outcome {
    let real = tree("cpuset cpu io memory hugetlb pids\n", "");
    let why = "the fifth word of a line in /proc/self/mountinfo is the mount point, and the word after \" - \" is the file system";
    equal("find_v2 of a machine with v2", Some(real.clone()), cgroups::find_v2(&mounts(&real)), why)?;
    let v1 = "30 22 0:26 / /sys/fs/cgroup/memory rw shared:4 - cgroup cgroup rw,memory\n";
    let why = "its file system is called cgroup, and not cgroup2";
    equal("find_v2 of a machine with v1", None, cgroups::find_v2(v1), why)?;
    let other = scratch().join("other");
    fs::create_dir(&other).expect("own directory");
    fs::write(other.join("cgroup.controllers"), "memory\n").expect("own directory");
    let both = format!(
        "29 22 0:25 / {} rw shared:3 - cgroup cgroup rw,name=systemd\n{}",
        other.display(),
        mounts(&real)
    );
    equal(
        "find_v2 of a machine with a tree of v1 before that of v2",
        Some(real),
        cgroups::find_v2(&both),
        why,
    )?;
    let hybrid = tree("\n", "");
    let why = "on a hybrid machine the controllers belong to v1, and cgroup.controllers of the v2 tree does not name them";
    equal("find_v2 of a hybrid machine", None, cgroups::find_v2(&mounts(&hybrid)), why)
}

fn files_of_v2() -> Outcome {
    let directory = Path::new("/tree/web");
    let why = "without a limit there is nothing to write";
    equal("limit_files without limits", Vec::new(), cgroups::limit_files(directory, &NONE), why)?;
    let memory = Limits { memory: Some(64 * MIB), ..NONE };
    let why = "the kernel reads bytes from memory.max in the cgroup's directory";
    let expected = vec![(directory.join("memory.max"), "67108864".to_owned())];
    equal("limit_files of a memory limit", expected, cgroups::limit_files(directory, &memory), why)?;
    let files = named(&cgroups::limit_files(directory, &ALL));
    let expected = [("cpu.max", "20000 100000"), ("memory.max", "67108864"), ("pids.max", "20")];
    let why = "cpu.max takes the quota and the period in microseconds: 20000 of 100000 is a fifth of one CPU";
    equal("limit_files of all three limits", pairs(&expected), sorted(files), why)?;
    let third = Limits { cpus: Some(1.0 / 3.0), ..NONE };
    let expected = vec![(directory.join("cpu.max"), "33333 100000".to_owned())];
    let why = "the kernel reads whole numbers, and answers EINVAL to a fraction";
    equal("limit_files of a third of a CPU", expected, cgroups::limit_files(directory, &third), why)
}

fn passes_on() -> Outcome {
    let limits = Limits { cpus: None, ..ALL };
    let words = |text: &str| sorted(text.split_whitespace().map(String::from).collect::<Vec<_>>());
    let wanted = Some(words("+memory +pids"));

    let top = tree("cpuset cpu memory pids\n", "cpu\n");
    let (leaf, setting) = cgroups::pass_on(&top, &limits);
    let why = "a cgroup has memory.max only if the cgroup above names memory in its cgroup.subtree_control";
    let written = setting.map(|(file, text)| (file, words(&text)));
    let file = top.join("cgroup.subtree_control");
    equal("what is written for memory and pids", wanted.clone().map(|text| (file, text)), written, why)?;
    let why =
        "the root of the tree has no cgroup.type, and it may pass controllers on and hold processes at once";
    equal("the leaf at the root of the tree", None, leaf, why)?;

    let below = tree("cpuset cpu memory pids\n", "");
    fs::write(below.join("cgroup.type"), "domain\n").expect("own directory");
    let (leaf, setting) = cgroups::pass_on(&below, &limits);
    let why = "a cgroup that passes controllers on may hold no process (EBUSY), so this process moves to a leaf first";
    equal("the leaf below the root", Some(below.join("outside")), leaf, why)?;
    let why = "the leaf alone passes nothing on";
    equal("what is written below the root", wanted, setting.map(|(_, text)| words(&text)), why)?;

    for (passed_on, limits, missing) in
        [("memory\n", &limits, "pids is"), ("cpuset\n", &Limits { cpus: Some(0.5), ..NONE }, "cpu is")]
    {
        fs::write(below.join("cgroup.subtree_control"), passed_on).expect("own directory");
        let (leaf, setting) = cgroups::pass_on(&below, limits);
        let why =
            format!("{missing} not among the words of cgroup.subtree_control, so its files would be missing");
        let expected = format!("where {passed_on:?} is passed on, pass_on returns a leaf and a setting");
        let seen = format!("it returns {leaf:?} and {setting:?}");
        ensure(leaf.is_some() && setting.is_some(), expected, seen, &why)?;
    }
    fs::write(below.join("cgroup.subtree_control"), "cpu memory pids\n").expect("own directory");
    let why = "all of them are passed on already, so the process does not have to move";
    equal("pass_on where nothing is missing", (None, None), cgroups::pass_on(&below, &limits), why)
}

fn plan_of_v2() -> Outcome {
    // Root of a user namespace is root, and plans for the top of the tree.
    isolated(|| {
        let tree = tree("cpuset cpu memory pids\n", "");
        let plan =
            cgroups::plan(&tree, &ALL, "web").expect_that("plan returns a plan", "nothing can fail")?;
        let directory = tree.join("web");
        let why = "in v2 one directory has the files of all controllers";
        equal("the directories to create", vec![directory.clone()], plan.directories, why)?;
        let files = named(&plan.settings);
        let why =
            "memory.max does not exist before the cgroup above passes the controller on, so that comes first";
        let first = files.first().map(|(file, _)| file.as_str());
        equal("the first file that is written", Some("cgroup.subtree_control"), first, why)?;
        let expected = [("cpu.max", "20000 100000"), ("memory.max", "67108864"), ("pids.max", "20")];
        let why = "after that come the limits";
        equal("the other files", pairs(&expected), sorted(files.into_iter().skip(1).collect()), why)?;
        let why = "memory beyond memory.max would go to swap; the file is optional, because a kernel without swap has none";
        let expected = vec![(directory.join("memory.swap.max"), "0".to_owned())];
        equal("the optional files", expected, plan.optional, why)?;
        let why = "a process joins by writing 0 to cgroup.procs";
        equal("the files to join by", vec![directory.join("cgroup.procs")], plan.procs_files, why)?;
        let why = "memory.events has the line `oom_kill N`";
        equal("the counter of kills", Some(directory.join("memory.events")), plan.oom_counter, why)?;
        let why = "only the root of the tree may pass controllers on and hold processes, so here this process has to move";
        fs::write(tree.join("cgroup.type"), "domain\n").expect("own directory");
        let below =
            cgroups::plan(&tree, &ALL, "web").expect_that("plan returns a plan", "nothing can fail")?;
        equal("the leaf below the root of the tree", Some(tree.join("outside")), below.leaf, why)?;

        let pids = Limits { pids: Some(20), ..NONE };
        let plan =
            cgroups::plan(&tree, &pids, "web").expect_that("plan returns a plan", "nothing can fail")?;
        let why =
            "without a memory limit nobody is killed for it, and the files of the controller may not exist";
        equal("the optional files without a memory limit", Vec::new(), plan.optional, why)?;
        equal("the counter of kills without a memory limit", None, plan.oom_counter, why)
    })?;
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::/")).map(String::from) else {
        // A machine without any v2 tree: nobody has a cgroup in it.
        return Ok(());
    };
    unprivileged(move || {
        let mount = Path::new("/tree");
        let plan =
            cgroups::plan(mount, &ALL, "web").expect_that("plan returns a plan", "nothing can fail")?;
        let why =
            "an unprivileged user can create cgroups only in the cgroup that they are in, if it is theirs";
        let expected = vec![mount.join(own).join("web")];
        equal("the directories that an unprivileged user creates", expected, plan.directories, why)
    })
}

fn plan_of_v1() -> Outcome {
    let mounts = "30 22 0:26 / /cg/memory rw shared:4 - cgroup cgroup rw,memory\n\
                  31 22 0:27 / /cg/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct\n\
                  32 22 0:28 / /cg/pids rw shared:6 - cgroup cgroup rw,pids\n";
    let plan =
        cgroups_v1::plan(mounts, &ALL, "web").expect_that("plan returns a plan", "all trees are there")?;
    let shown: Vec<String> =
        plan.settings.iter().map(|(file, text)| format!("{text} > {}", file.display())).collect();
    let expected = [
        "67108864 > /cg/memory/web/memory.limit_in_bytes",
        "100000 > /cg/cpu,cpuacct/web/cpu.cfs_period_us",
        "20000 > /cg/cpu,cpuacct/web/cpu.cfs_quota_us",
        "20 > /cg/pids/web/pids.max",
    ];
    let why = "each controller has a tree of its own, with a directory of this name and with files of its own. The period \
               comes before the quota, which is a share of it";
    equal("what is written", expected.map(String::from).to_vec(), shown, why)?;
    let why = "a tree without a limit gets nothing";
    equal(
        "the files of a controller without a limit",
        Vec::new(),
        cgroups_v1::limit_files("memory", Path::new("/cg/memory/web"), &NONE),
        why,
    )
}

fn joins() -> Outcome {
    let files = ["one", "two"].map(|name| scratch().join(name));
    files.iter().for_each(|file| fs::write(file, "").expect("own directory"));
    let names = files.clone().map(|file| file.to_string_lossy().into_owned());
    let why = "0 means \"the process that writes\", and v1 has a file to write to in each tree";
    cgroups::join(&names).expect_that("join succeeds", why)?;
    for file in &files {
        let text = fs::read_to_string(file).unwrap_or_default();
        equal("what is written to each file", "0", text.trim(), why)?;
    }
    let missing = scratch().join("missing");
    let result = cgroups::join(&[missing.to_string_lossy().into_owned()]);
    let why = "a container that is not in its cgroup has no limit, so it must not start";
    ensure(result.is_err(), "a file that is not there is an error", "join returned Ok", why)?;
    let why = "the kernel makes these files; a new file would be an ordinary one in the wrong place";
    ensure(!missing.exists(), "join creates no file", "it created the missing file", why)
}

/// A lab in which root may make cgroups.
fn root() -> Option<Lab> {
    let lab = lesson_lab::everyone(PROGRAM).into_iter().find(Lab::is_root)?;
    let tree =
        "test -d /sys/fs/cgroup/pids && test -w /sys/fs/cgroup/pids || test -w /sys/fs/cgroup/cgroup.procs";
    (lab.shell(tree).code == Some(0)).then_some(lab)
}

fn leaves_its_cgroup() -> Outcome {
    let Some(lab) = root() else {
        return Err(not_checked("root may not make cgroups here, perhaps because this is a container"));
    };
    // Root inside mounts the tree, makes a cgroup at the top of it, and moves there, where its limit does not hold.
    let mount = match Path::new("/sys/fs/cgroup/pids").is_dir() {
        true => "mount -t cgroup -o pids none /tmp/tree",
        false => "mount -t cgroup2 none /tmp/tree",
    };
    let attack = format!(
        "mkdir /tmp/tree && {mount} && mkdir /tmp/tree/free && echo 0 >/tmp/tree/free/cgroup.procs && echo moved
         for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 5 & done; echo escaped"
    );
    let attacked = lab.run(&["run", "--pids", "10", "--", "sh", "-c", &attack]);
    let why = "a cgroup file system shows the tree from the root of the caller's cgroup namespace. Without a namespace of its \
               own the container sees the tree of the machine, and can move to where no limit holds";
    ensure(
        !attacked.stdout.contains("escaped"),
        "a container with --pids 10 cannot start 20 processes, whatever it does",
        "the container moved out of its cgroup and started 20 processes",
        why,
    )?;
    if !attacked.stdout.contains("moved") {
        return Err(failure(
            "the attack is tried",
            shown(&attacked),
            "the check mounts the tree of cgroups inside",
        ));
    }
    let path = lab.run(&[
        "run",
        "--pids",
        "10",
        "--",
        "sh",
        "-c",
        "grep -E 'pids|^0::' /proc/self/cgroup | cut -d: -f3 | tail -n 1",
    ]);
    let why = "the root of a cgroup namespace is the cgroup that its creator is in, and the container has joined its own before";
    equal("the path in /proc/self/cgroup inside", "/", path.stdout.as_str(), why)
}

fn tells_oom() -> Outcome {
    let v2 = "low 0\nhigh 0\nmax 4711\noom 3\noom_kill 12\noom_group_kill 1\n";
    let why = "the other lines of memory.events count how often a limit was reached, and not processes that were killed";
    equal("oom_kills of memory.events", 12, cgroups::oom_kills(v2), why)?;
    let v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
    let why = "v1 has the same line in memory.oom_control";
    equal("oom_kills of memory.oom_control", 1, cgroups::oom_kills(v1), why)?;
    let why = "a file that could not be read is not a reason to blame the memory limit";
    equal("oom_kills of an empty text", 0, cgroups::oom_kills(""), why)?;
    let Some(lab) = root() else { return Ok(()) };
    let hog = "exec dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null";
    let killed = lab.run(&["run", "--memory", "64m", "--", "sh", "-c", hog]);
    let why = "the kernel kills by SIGKILL, and only the counter shows that the memory limit was the reason";
    let expected = (Some(137), "killed by the kernel: memory limit 64 MiB reached (oom_kill 1)");
    equal(
        "exit code and message of a program that needs too much",
        expected,
        (killed.code, &*killed.stderr),
        why,
    )?;
    let other = lab.run(&["run", "--memory", "64m", "--", "sh", "-c", "kill -KILL $$"]);
    let why = "the exit code is the same, but the counter is 0";
    equal(
        "exit code and message of a program that kills itself",
        (Some(137), ""),
        (other.code, &*other.stderr),
        why,
    )
}
