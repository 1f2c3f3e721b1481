//! Entering, as a process with an unprivileged user's id. Each runs in a forked child: a test has threads beside it.

use super::*;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::path::PathBuf;

use hull_storage::overlay::Overlay;
use hull_storage::root::Root;
use hull_sys::process::{Fork, exit_now};
use hull_sys::testing::fork;
use nix::mount::{MsFlags, mount};
use nix::sched::unshare;
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// An id that no user here has, so that it has no subordinate ids either.
const USER: u32 = 54_321;

/// A run directory of the user's own.
struct Run(PathBuf);

impl Run {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("hull-rootless-{}-{name}", std::process::id()));
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        chown(&path, Some(USER), Some(USER)).unwrap();
        Self(path)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `test` as the user in a process of its own, and returns what it says.
fn as_user(test: impl FnOnce() -> Result<String>) -> String {
    as_user_after(|| (), test)
}

/// [`as_user`], with something that root does first in that process.
fn as_user_after(prepare: impl FnOnce(), test: impl FnOnce() -> Result<String>) -> String {
    let (read, write) = io::pipe().unwrap();
    match fork().unwrap() {
        Fork::Child => {
            drop(read);
            prepare();
            nix::unistd::setgroups(&[]).unwrap();
            nix::unistd::setresgid(USER.into(), USER.into(), USER.into()).unwrap();
            nix::unistd::setresuid(USER.into(), USER.into(), USER.into()).unwrap();
            let said = test().unwrap_or_else(|error| format!("{error} ({:?})", error.detail()));
            let _ = io::Write::write_all(&mut &write, said.as_bytes());
            exit_now(0)
        }
        Fork::Parent { pid } => {
            drop(write);
            let said = io::read_to_string(read).unwrap();
            waitpid(Pid::from_raw(pid), None).unwrap();
            said
        }
    }
}

fn namespace(name: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{name}")).unwrap().display().to_string()
}

fn missing(name: &str, file: &str) -> bool {
    let missing = !Path::new(file).exists();
    if missing {
        skip(name, &format!("there is no {file}"));
    }
    missing
}

fn programs() -> SearchPath {
    std::env::var_os("PATH").unwrap_or_default().into()
}

/// No silent skip, and none at all where every test has to run.
fn skip(name: &str, why: &str) {
    assert!(std::env::var_os("HULL_TESTS_MUST_RUN").is_none(), "{name} cannot run: {why}");
    eprintln!("SKIP {name}: {why}");
}

fn cannot_run(name: &str) -> bool {
    let setting = fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap_or_default();
    let why = match (is_root(), setting.trim()) {
        (false, _) => "needs root, to become an unprivileged user",
        (_, "0" | "") => "no user namespaces here",
        _ => return false,
    };
    skip(name, why);
    true
}

#[test]
fn an_ordinary_user_becomes_root_with_mounts_of_their_own() {
    if cannot_run("an_ordinary_user_becomes_root_with_mounts_of_their_own") {
        return;
    }
    let run = Run::new("root");
    let said = as_user(|| {
        let mounts = namespace("mnt");
        enter(&run.0, &programs())?;
        let target = run.0.join("mounted");
        fs::create_dir(&target).unwrap();
        let mounted = mount(Some("t"), &target, Some("tmpfs"), MsFlags::empty(), None::<&str>);
        let map = fs::read_to_string("/proc/self/uid_map").unwrap();
        let map: Vec<&str> = map.split_whitespace().collect();
        Ok(format!("{} {mounted:?} {} {map:?}", is_root(), mounts != namespace("mnt")))
    });
    assert_eq!(said, format!("true Ok(()) true [\"0\", \"{USER}\", \"1\"]"));
}

#[test]
fn an_ordinary_user_opens_a_store_and_mounts_an_overlay() {
    if cannot_run("an_ordinary_user_opens_a_store_and_mounts_an_overlay") {
        return;
    }
    let run = Run::new("overlay");
    let said = as_user(|| {
        enter(&run.0, &programs())?;
        let root = Root::open(&run.0.join("data"), &run.0.join("run")).map_err(storage)?;
        let dir = root.container_dir("one");
        fs::create_dir_all(dir.join("lower")).unwrap();
        fs::write(dir.join("lower/file"), "image").unwrap();
        let overlay = Overlay {
            lowers: vec![dir.join("lower")],
            upper: dir.join("upper"),
            work: dir.join("work"),
            volatile: true,
            userxattr: true,
            ids: None,
        };
        overlay.mount_at(&dir.join("rootfs")).map_err(storage)?;
        fs::remove_file(dir.join("rootfs/file")).unwrap();
        fs::write(dir.join("rootfs/new"), "").unwrap();
        let whiteout = fs::symlink_metadata(dir.join("upper/file")).unwrap();
        nix::mount::umount(&dir.join("rootfs")).unwrap();
        // The overlay's work directory has no permissions at all.
        hull_storage::tree::remove_tree(&dir).map_err(storage)?;
        Ok(format!("{} {}", whiteout.file_type().is_char_device(), dir.exists()))
    });
    assert_eq!(said, "true false");
}

#[test]
fn subordinate_ids_are_mapped_where_newuidmap_is_installed() {
    let name = "subordinate_ids_are_mapped_where_newuidmap_is_installed";
    let files = ["/etc/passwd", "/etc/subuid", "/etc/subgid"];
    if cannot_run(name) || missing(name, "/usr/bin/newuidmap") || files.iter().any(|file| missing(name, file))
    {
        return;
    }
    let run = Run::new("subids");
    let contents = [
        format!("root:x:0:0::/:/bin/sh\nann:x:{USER}:{USER}::/:/bin/sh\n"),
        "ann:200000:65536\n".to_owned(),
        format!("{USER}:300000:1000\n"),
    ];
    let prepare = || {
        // For this process only: the machine's own files stay as they are.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
        for (n, (file, content)) in files.iter().zip(&contents).enumerate() {
            let ours = run.0.join(n.to_string());
            fs::write(&ours, content).unwrap();
            fs::set_permissions(&ours, fs::Permissions::from_mode(0o644)).unwrap();
            mount(Some(&ours), *file, none, MsFlags::MS_BIND, none).unwrap();
        }
    };
    let said = as_user_after(prepare, || {
        enter(&run.0, &programs())?;
        let map = |kind: &str| {
            let text = fs::read_to_string(format!("/proc/self/{kind}_map")).unwrap();
            text.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        Ok(format!("{} | {}", map("uid"), map("gid")))
    });
    assert_eq!(said, format!("0 {USER} 1 1 200000 65536 | 0 {USER} 1 1 300000 1000"));
}

#[test]
fn a_second_process_joins_the_namespace_of_the_first() {
    if cannot_run("a_second_process_joins_the_namespace_of_the_first") {
        return;
    }
    let run = Run::new("join");
    // The first one, standing for a monitor, ends when its end of the pipe is closed.
    let (read, write) = io::pipe().unwrap();
    let (ready, tell) = io::pipe().unwrap();
    let Fork::Parent { pid } = fork().unwrap() else {
        drop((write, ready));
        nix::unistd::setresgid(USER.into(), USER.into(), USER.into()).unwrap();
        nix::unistd::setresuid(USER.into(), USER.into(), USER.into()).unwrap();
        let said = enter(&run.0, &programs()).map_or_else(|error| error.to_string(), |()| namespace("user"));
        let _ = io::Write::write_all(&mut &tell, said.as_bytes());
        drop(tell);
        let _ = io::read_to_string(read);
        exit_now(0)
    };
    drop((read, tell));
    let first = io::read_to_string(ready).unwrap();
    let enter_and_tell = || {
        as_user(|| {
            enter(&run.0, &programs())?;
            register_holder(&run.0)?;
            Ok(namespace("user"))
        })
    };
    let second = enter_and_tell();
    drop(write);
    waitpid(Pid::from_raw(pid), None).unwrap();
    let third = enter_and_tell();
    assert_eq!(first, second);
    assert!(third.starts_with("user:["), "with no holder alive a new one is made: {third}");
}

#[test]
fn root_stays_where_it_is() {
    if cannot_run("root_stays_where_it_is") {
        return;
    }
    let before = namespace("user");
    enter(Path::new("/nonexistent/run"), &programs()).unwrap();
    register_holder(Path::new("/nonexistent/run")).unwrap();
    assert_eq!(namespace("user"), before);
}
