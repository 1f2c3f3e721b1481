//! Which system calls each step makes, process by process, as strace sees them: kept in `traces/` and compared.
//!
//! A change of a step shows as a change of these files. `HULL_BLESS=1 cargo test -p hull-test-steps --test traces`
//! writes them again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hull_test_steps::{STEPS, layout, program};
use hull_test_support::outcome::run;
use hull_test_support::{Scenario, fixtures, skip};

/// The calls that make a container, without those of the dynamic loader and the allocator.
const CALLS: &str = "clone,clone3,fork,vfork,unshare,setns,execve,sethostname,mount,mount_setattr,umount2,pivot_root,\
                     close_range,prctl,capset,seccomp,socket,sendto";

/// Mounts that depend on the machine: where its programs are, and what its kernel has in /proc and /sys.
const OF_THE_MACHINE: [&str; 11] = [
    "/etc/",
    "/nix/",
    "/gnu/",
    "/merged/bin",
    "/merged/sbin",
    "/merged/lib",
    "/merged/proc/",
    "/merged/sys/",
    "\"/tmp/lib",
    "\"/tmp/bin",
    "\"/tmp/sbin",
];

/// The part of these calls that is the same on every machine.
const EVERYWHERE: &str = "/merged/proc/sys\"";

fn kept(step: usize, who: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("traces/{}{who}.txt", STEPS[step - 1]))
}

/// The sequences of all processes of `args`, in the order in which they were made.
fn trace(scenario: &Scenario, user: Option<u32>, program: &Path, args: &[&str]) -> String {
    let out = scenario.path("strace");
    fs::create_dir(&out).expect("own directory");
    std::os::unix::fs::chown(&out, user, user).expect("root may");
    let id = user.unwrap_or(0).to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "strace"]);
    command.args(["-ff", "-qq", "-e", "signal=none", "-s", "2000", "-e", &format!("trace={CALLS}")]);
    command.arg("-o").arg(out.join("of")).arg(program).args(args).env("TMPDIR", scenario.path("scratch"));
    let ended = run(&mut command);
    assert!(ended.success(), "{ended}");
    let entries = fs::read_dir(&out).expect("own directory").flatten();
    let pid =
        |path: &Path| path.extension().and_then(|pid| pid.to_str()?.parse::<u32>().ok()).expect("of.PID");
    let files: BTreeMap<u32, PathBuf> = entries.map(|entry| (pid(&entry.path()), entry.path())).collect();
    let of_each = files.values().enumerate().map(|(number, file)| {
        let calls = sequence(&fs::read_to_string(file).expect("text"), scenario);
        format!(
            "process {}\n{}",
            number + 1,
            calls.iter().map(|call| format!("  {call}\n")).collect::<String>()
        )
    });
    of_each.collect::<Vec<_>>().join("\n")
}

/// One process's calls, without numbers, addresses and names that differ from run to run or between machines.
fn sequence(text: &str, scenario: &Scenario) -> Vec<String> {
    let mut calls: Vec<String> = Vec::new();
    let mut is_netfilter = false;
    for line in text.lines() {
        let is_netlink = line.starts_with("socket(AF_NETLINK");
        if is_netlink {
            is_netfilter = line.contains("NETLINK_NETFILTER");
        }
        let left_out = (line.starts_with("socket(") && !is_netlink)
            || line.starts_with("prctl(PR_CAPBSET_READ")
            || line.starts_with("prctl(PR_GET_NAME");
        let is_machines = OF_THE_MACHINE.iter().any(|part| line.contains(part)) && !line.contains(EVERYWHERE);
        if left_out || (line.starts_with("mount") && is_machines) {
            continue;
        }
        let call = match line.split_once('(') {
            Some(("sendto", rest)) => messages(rest, is_netfilter),
            Some(("capset", rest)) => sets(rest),
            Some(("prctl", rest)) if rest.starts_with("PR_CAPBSET_DROP") => {
                Some("prctl(PR_CAPBSET_DROP, …)".into())
            }
            _ => normalise(line, scenario),
        };
        // One for each capability that is dropped.
        let is_another = call.as_ref().is_some_and(|call| call.contains('…') && calls.last() == Some(call));
        calls.extend(call.filter(|_| !is_another));
    }
    // A veth pair is removed with its namespace or by the supervisor, whichever comes first.
    if let Some(bridge) = calls.iter().position(|call| call == "sendto(RTM_GETLINK)") {
        let is_veth = |number: usize, call: &str| number < bridge && call == "sendto(RTM_DELLINK)";
        let numbered = calls.into_iter().enumerate();
        calls = numbered.filter(|(number, call)| !is_veth(*number, call)).map(|(_, call)| call).collect();
        // One socket for the veth pair and one for the bridge; if the kernel is removing the veth pair meanwhile,
        // the supervisor tries again with another.
        let mut sockets = 0;
        calls.retain(|call| {
            sockets = if call.starts_with("socket(") { sockets + 1 } else { 0 };
            sockets <= 2
        });
    }
    calls
}

/// Netlink messages are reduced to their types. strace knows their names only once the socket has been used.
fn messages(sent: &str, is_netfilter: bool) -> Option<String> {
    let name = |kind: &str| -> String {
        let Some(number) = kind.strip_prefix("0x").map(|hex| hex.split(' ').next().unwrap_or_default())
        else {
            return kind.rsplit('|').next().unwrap_or_default().to_owned();
        };
        let known: &[(&str, &str)] = match is_netfilter {
            true => &[
                ("10", "NFNL_MSG_BATCH_BEGIN"),
                ("11", "NFNL_MSG_BATCH_END"),
                ("a00", "NFT_MSG_NEWTABLE"),
                ("a03", "NFT_MSG_NEWCHAIN"),
                ("a06", "NFT_MSG_NEWRULE"),
            ],
            false => &[
                ("10", "RTM_NEWLINK"),
                ("11", "RTM_DELLINK"),
                ("12", "RTM_GETLINK"),
                ("13", "RTM_SETLINK"),
                ("14", "RTM_NEWADDR"),
                ("18", "RTM_NEWROUTE"),
            ],
        };
        known.iter().find(|(hex, _)| *hex == number).map_or(kind, |(_, name)| name).to_owned()
    };
    let types = sent.split("nlmsg_type=").skip(1).filter_map(|rest| rest.split([',', '}']).next());
    let names: Vec<String> = types.map(name).collect();
    (!names.is_empty()).then(|| format!("sendto({})", names.join(", ")))
}

/// How many there are in each of the three.
fn sets(text: &str) -> Option<String> {
    let count = |name: &str| {
        let (_, rest) = text.split_once(&format!("{name}="))?;
        let names = rest.split([',', '}']).next()?.matches("1<<").count();
        // As many as this kernel has.
        Some(if names > 14 { "all".to_owned() } else { names.to_string() })
    };
    Some(format!(
        "capset(effective {}, permitted {}, inheritable {})",
        count("effective")?,
        count("permitted")?,
        count("inheritable")?
    ))
}

fn normalise(line: &str, scenario: &Scenario) -> Option<String> {
    let (call, result) = line.rsplit_once(" = ")?;
    let directory = scenario.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let mut call = without_ids(&call.trim_end().replace(&directory, "DIR"));
    call = replace_runs(&call, "0x", |c| c.is_ascii_hexdigit(), "PTR");
    if call.starts_with("execve(") {
        // The name and the arguments, but for the config, and not the environment.
        call = call.rsplit_once(", PTR").map_or(call.clone(), |(call, _)| format!("{call})"));
        if let Some((head, _)) = call.split_once("\"child\", ") {
            call = format!("{head}\"child\", CONFIG])");
        }
    }
    if let Some((head, _)) = call.split_once(", attr_clr=0") {
        call = format!("{head}}})");
    }
    let result = match result.split(' ').next().unwrap_or_default() {
        "0" => String::new(),
        "-1" => format!(" = {result}"),
        "?" => return None,
        _ => " = N".into(),
    };
    Some(call + &result)
}

/// Every `start` and what follows it, as long as it fits, becomes `by`.
fn replace_runs(text: &str, start: &str, fits: impl Fn(char) -> bool, by: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + by + part.trim_start_matches(&fits))
}

/// `step-04-4711-c0ffee00` is `step-04-N`, and `step-06-4711-image-c0ffee00` is `step-06-N-image`.
fn without_ids(text: &str) -> String {
    let mut parts = text.split("step-0");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out += "step-0";
        let Some((number, rest)) =
            part.split_at_checked(2).filter(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit()))
        else {
            out += part;
            continue;
        };
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let (image, rest) = rest.strip_prefix("-image").map_or(("", rest), |rest| ("-image", rest));
        let rest =
            rest.strip_prefix('-').map_or(rest, |id| id.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
        out += &format!("{number}N{image}{rest}");
    }
    out
}

#[test]
fn ids_and_addresses_are_left_out() {
    assert_eq!(
        without_ids("/step-06-47-image-c0ffee00/1:step-06-47-ab/x step-05-veth-bridge"),
        "/step-06-N-image/1:step-06-N/x step-05-veth-bridge"
    );
    assert_eq!(replace_runs("a=0xff, 0x1)", "0x", |c| c.is_ascii_hexdigit(), "PTR"), "a=PTR, PTR)");
    assert_eq!(
        messages("3, {nlmsg_len=1, nlmsg_type=0x10 /* NLMSG_??? */, x}", true).unwrap(),
        "sendto(NFNL_MSG_BATCH_BEGIN)"
    );
    assert_eq!(
        sets("{v}, {effective=1<<A|1<<B, permitted=1<<A, inheritable=0})").unwrap(),
        "capset(effective 2, permitted 1, inheritable 0)"
    );
}

fn assert_trace(step: usize, who: &str, user: Option<u32>, args: &[&str]) {
    if skip::find_program("strace").is_none() {
        return skip::skip("without strace");
    }
    let Some(scenario) = Scenario::start() else { return };
    let scratch = scenario.path("scratch");
    fs::create_dir(&scratch).expect("own directory");
    std::os::unix::fs::chown(&scratch, user, user).expect("root may");
    let copy = scenario.path(hull_test_steps::package(step));
    fs::copy(program(step), &copy).expect("own directory");
    let image = scenario.path("layout");
    if step >= 6 {
        layout(&image, &fs::read(fixtures::busybox()).expect("a tar"));
    }
    let image = image.to_string_lossy().into_owned();
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "IMAGE" { &*image } else { arg }).collect();
    let found = trace(&scenario, user, &copy, &args);
    let kept = kept(step, who);
    if std::env::var_os("HULL_BLESS").is_some() {
        fs::create_dir_all(kept.parent().expect("traces/"))
            .and_then(|()| fs::write(&kept, &found))
            .expect("own tree");
    }
    let expected = fs::read_to_string(&kept).unwrap_or_default();
    assert!(found == expected, "{} is not what the step does:\n{found}", kept.display());
}

#[test]
fn the_first_step_is_a_clone_an_exec_and_a_name() {
    assert_trace(1, "", None, &["run", "/usr/bin/true"]);
}

#[test]
fn an_unprivileged_user_has_a_user_namespace_more() {
    assert_trace(1, "-unprivileged", Some(54321), &["run", "/usr/bin/true"]);
}

#[test]
fn the_second_step_builds_a_tree_and_pivots_to_it() {
    assert_trace(2, "", None, &["run", "/usr/bin/true"]);
}

#[test]
fn the_third_step_has_a_supervisor_and_a_cgroup_namespace() {
    assert_trace(3, "", None, &["run", "--pids", "20", "/usr/bin/true"]);
}

#[test]
fn the_fourth_step_mounts_an_overlay() {
    assert_trace(4, "", None, &["run", "/usr/bin/true"]);
}

#[test]
fn the_fifth_step_speaks_netlink() {
    assert_trace(5, "", None, &["run", "-p", "8080:80", "/usr/bin/true"]);
}

#[test]
fn the_sixth_step_runs_what_an_image_says() {
    assert_trace(6, "", None, &["run", "IMAGE", "/bin/true"]);
}

#[test]
fn the_seventh_step_gives_up_its_powers_last() {
    assert_trace(7, "", None, &["run", "IMAGE", "/bin/true"]);
}
