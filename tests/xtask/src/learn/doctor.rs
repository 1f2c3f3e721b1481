//! What this machine lacks for the steps.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use lesson_tasks::lesson_lab::UNPRIVILEGED;

/// One thing that is looked at.
struct Finding {
    what: &'static str,
    /// The steps that need it.
    steps: &'static str,
    /// What was found, if it is enough; or what is missing and what helps.
    state: Result<String, String>,
}

/// Programs that the chapters and the tests use, and the package of Debian that has them.
const PROGRAMS: [(&str, &str, &str); 10] = [
    ("unshare", "util-linux", "1-7"),
    ("nsenter", "util-linux", "1-7"),
    ("findmnt", "util-linux", "2-7"),
    ("mount", "mount", "2-7"),
    ("hostname", "hostname", "1"),
    ("ip", "iproute2", "5-7"),
    ("nft", "nftables", "5-7"),
    ("busybox", "busybox-static", "6-7"),
    ("openssl", "openssl", "6-7"),
    ("tar", "tar", "6-7"),
];

pub fn doctor() -> Result<()> {
    let mut findings = vec![kernel(), root(), user_namespaces(), apparmor(), seccomp()];
    findings.extend(cgroups());
    findings.extend([overlay(), links(), nf_tables(), forwarding()]);
    findings.extend(PROGRAMS.map(program));
    let missing = findings.iter().filter(|finding| finding.state.is_err()).count();
    for Finding { what, steps, state } in &findings {
        let (word, text) = match state {
            Ok(text) => ("ok", text),
            Err(text) => ("MISSING", text),
        };
        println!("  {word:<7}  {what:<28}  steps {steps:<4}  {text}");
    }
    match missing {
        0 => println!("\nThis machine has everything that the steps need."),
        1 => println!("\nOne thing is missing. The steps that do not need it work all the same."),
        _ => println!("\n{missing} things are missing. The steps that do not need them work all the same."),
    }
    Ok(())
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Runs a script in new namespaces, with root in a user namespace where the caller is not root.
fn in_namespaces(flags: &[&str], script: &str) -> Result<(), String> {
    let mut command = Command::new("unshare");
    if !is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(flags).args(["sh", "-c", script]).stdin(Stdio::null());
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    outcome(&mut command)
}

fn outcome(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let told = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(told.lines().next().unwrap_or("it failed").to_owned()) }
}

fn kernel() -> Finding {
    let release = read("/proc/sys/kernel/osrelease");
    let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let state =
        if version >= (5, 12) { Ok(release) } else { Err(format!("{release}; the steps need Linux 5.12")) };
    Finding { what: "Linux 5.12 or newer", steps: "1-7", state }
}

fn root() -> Finding {
    let sudo = find("sudo").is_some();
    let state = match (is_root(), sudo) {
        (true, _) => Ok("this is root: each task runs in namespaces of its own".to_owned()),
        (false, true) => Ok("not root; the few tasks that need root can be run with sudo".to_owned()),
        (false, false) => Err("not root, and no sudo: tasks that need root are NOT CHECKED".to_owned()),
    };
    Finding { what: "root", steps: "2-7", state }
}

fn user_namespaces() -> Finding {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "true"]).stdin(Stdio::null()).current_dir("/");
    if is_root() {
        // What an unprivileged user may do.
        command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
    }
    let state = match outcome(&mut command) {
        Ok(()) => Ok("an unprivileged user may create them".to_owned()),
        Err(error) => Err(match () {
            () if read("/proc/sys/user/max_user_namespaces") == "0" => {
                "sudo sysctl user.max_user_namespaces=10000".to_owned()
            }
            () if read("/proc/sys/kernel/unprivileged_userns_clone") == "0" => {
                "sudo sysctl kernel.unprivileged_userns_clone=1".to_owned()
            }
            () => error,
        }),
    };
    Finding { what: "user namespaces", steps: "1-7", state }
}

fn apparmor() -> Finding {
    let is_restricted = read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1";
    let help = "it takes the capabilities away: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0";
    let state = if is_restricted {
        Err(help.to_owned())
    } else {
        Ok("it does not restrict user namespaces".to_owned())
    };
    Finding { what: "AppArmor", steps: "1-7", state }
}

fn seccomp() -> Finding {
    let is_filtered = read("/proc/self/status").contains("Seccomp:\t2");
    let help = "a filter is on this shell: inside a container, start that container with --privileged";
    let state = if is_filtered { Err(help.to_owned()) } else { Ok("no filter is on this shell".to_owned()) };
    Finding { what: "seccomp", steps: "1-7", state }
}

/// The version, the controllers, and for an unprivileged user the delegation.
fn cgroups() -> Vec<Finding> {
    let mounts = read("/proc/mounts");
    let of = |kind: &str| {
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        fields
            .filter(|fields| fields.get(2) == Some(&kind))
            .map(|fields| fields.join(" "))
            .collect::<Vec<_>>()
    };
    let v2 = of("cgroup2").first().and_then(|line| line.split(' ').nth(1).map(str::to_owned));
    let v1 = of("cgroup");
    let controllers = v2.as_ref().map(|at| read(&format!("{at}/cgroup.controllers"))).unwrap_or_default();
    let is_v2 =
        ["memory", "pids", "cpu"].iter().all(|name| controllers.split(' ').any(|found| found == *name));
    let has_v1 = ["memory", "pids", "cpu"].iter().all(|name| v1.iter().any(|line| line.contains(name)));
    let state = match (is_v2, has_v1) {
        (true, _) => Ok(format!("version 2, with {controllers}")),
        (false, true) => Ok("version 1 has the controllers memory, pids and cpu".to_owned()),
        (false, false) => Err("no version has the controllers memory, pids and cpu".to_owned()),
    };
    let mut findings = vec![Finding { what: "cgroup controllers", steps: "3-7", state }];
    if !is_root() {
        let own =
            read("/proc/self/cgroup").lines().find_map(|line| line.strip_prefix("0::").map(str::to_owned));
        let directory = v2.zip(own).map(|(at, own)| format!("{at}{own}"));
        let may = directory.filter(|_| is_v2).is_some_and(|directory| {
            nix::unistd::access(Path::new(&directory), nix::unistd::AccessFlags::W_OK).is_ok()
        });
        let help =
            "limits need a cgroup of your own: systemd-run --user --scope -p Delegate=yes $SHELL, or root";
        let state = if may { Ok("your cgroup is delegated to you".to_owned()) } else { Err(help.to_owned()) };
        findings.push(Finding { what: "cgroup delegation", steps: "3", state });
    }
    findings
}

fn overlay() -> Finding {
    let script = "mount -t tmpfs t /tmp && mkdir /tmp/l /tmp/u /tmp/w /tmp/m && \
                  mount -t overlay -o lowerdir=/tmp/l,upperdir=/tmp/u,workdir=/tmp/w o /tmp/m";
    let state = in_namespaces(&["--mount"], script).map(|()| "it can be mounted".to_owned());
    Finding { what: "overlay file system", steps: "4-7", state }
}

fn links() -> Finding {
    let script = "ip link add bridge0 type bridge && ip link add veth0 type veth peer name veth1";
    let state = in_namespaces(&["--net"], script).map(|()| "they can be created".to_owned());
    Finding { what: "bridge and veth pair", steps: "5-7", state }
}

fn nf_tables() -> Finding {
    let script = "nft add table ip t && nft 'add chain ip t c { type nat hook postrouting priority 100 ; }' && \
                  nft add rule ip t c masquerade";
    let state = in_namespaces(&["--net"], script).map(|()| "a masquerade rule can be added".to_owned());
    Finding { what: "nf_tables", steps: "5-7", state }
}

fn forwarding() -> Finding {
    let state = match (&*read("/proc/sys/net/ipv4/ip_forward"), is_root()) {
        ("1", _) => Ok("it is on".to_owned()),
        (_, true) => Ok("it is off; step 5 switches it on and off again".to_owned()),
        (_, false) => {
            Err("it is off, and switching it on takes root: sudo sysctl net.ipv4.ip_forward=1".to_owned())
        }
    };
    Finding { what: "net.ipv4.ip_forward", steps: "5", state }
}

fn find(name: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/local/sbin"]);
    directories.map(|directory| format!("{directory}/{name}")).find(|path| Path::new(path).is_file())
}

fn program((name, package, steps): (&'static str, &str, &'static str)) -> Finding {
    let state =
        find(name).ok_or_else(|| format!("install it: on Debian and Ubuntu it is in the package {package}"));
    Finding { what: name, steps, state }
}
