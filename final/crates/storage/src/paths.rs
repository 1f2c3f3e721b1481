//! Where the two directories of a root are when nobody says so.
//!
//! ```text
//! root            /var/lib/hull                    /run/hull
//! ordinary user   $XDG_DATA_HOME/hull, or          what the data directory remembers, or
//!                 ~/.local/share/hull              $XDG_RUNTIME_DIR/hull, /run/user/UID/hull, or
//!                                                  run in the data directory
//! ```
//! `XDG_RUNTIME_DIR` is set in a login session and absent in the shells of cron and `su`. Were it asked each time, a container
//! begun in the one would seem to have ended in the other. So the first command of a boot writes its choice down, in
//! `run-root.json` of the data directory, and the others take it, as long as the directory it lies in exists.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::boot::boot_id;
use crate::file;
use crate::root::{SYSTEM_DATA, SYSTEM_RUN, is_ordinary_user, make_dirs};

const REMEMBERED: &str = "run-root.json";

/// The directories of a root, not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub data: PathBuf,
    pub run: PathBuf,
    /// Variables whose value was not taken, a sentence each.
    pub ignored: Vec<String>,
}

/// Content of `run-root.json`.
#[derive(Debug, Serialize, Deserialize)]
struct RunRoot {
    path: PathBuf,
    /// After a reboot the choice is made anew.
    boot_id: String,
}

/// What of the environment counts for an ordinary user.
struct Environment {
    home: Option<PathBuf>,
    data_home: Option<PathBuf>,
    runtime_dir: Option<PathBuf>,
    /// Where login managers put a user's runtime directory: `/run/user/UID`.
    login: PathBuf,
}

impl Paths {
    /// What the user said, and what the environment says of the rest.
    pub fn choose(data: Option<PathBuf>, run: Option<PathBuf>) -> Self {
        match (data, run) {
            (Some(data), Some(run)) => Self { data, run, ignored: vec![] },
            (data, run) if !is_ordinary_user() => Self {
                data: data.unwrap_or_else(|| SYSTEM_DATA.into()),
                run: run.unwrap_or_else(|| SYSTEM_RUN.into()),
                ignored: vec![],
            },
            (data, run) => Environment::read().paths(data, run),
        }
    }
}

impl Environment {
    fn read() -> Self {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            home: variable("HOME"),
            data_home: variable("XDG_DATA_HOME"),
            runtime_dir: variable("XDG_RUNTIME_DIR"),
            login: format!("/run/user/{}", outer_user()).into(),
        }
    }

    fn paths(self, data: Option<PathBuf>, run: Option<PathBuf>) -> Paths {
        let mut ignored = Vec::new();
        let mut refuse = |name: &str, path: &Path, why: String| {
            ignored.push(format!("{name} is not used, for its value {} {why}", path.display()));
        };
        let data = data.unwrap_or_else(|| {
            let absolute = self.data_home.filter(|path| {
                // XDG Base Directory Specification: a relative path is invalid and to be ignored.
                let is_absolute = path.is_absolute();
                if !is_absolute {
                    refuse("XDG_DATA_HOME", path, "is no absolute path".into());
                }
                is_absolute
            });
            let home = || self.home.unwrap_or_else(|| "/".into()).join(".local/share");
            absolute.unwrap_or_else(home).join("hull")
        });
        let run = run.unwrap_or_else(|| {
            let own = self.runtime_dir.filter(|path| match unusable(path) {
                Some(why) => {
                    refuse("XDG_RUNTIME_DIR", path, why);
                    false
                }
                None => true,
            });
            let login = || Some(self.login).filter(|path| unusable(path).is_none());
            let chosen = own.or_else(login).map_or_else(|| data.join("run"), |dir| dir.join("hull"));
            remembered(&data, &chosen)
        });
        Paths { data, run, ignored }
    }
}

/// Who the user is where login managers know them: in a user namespace of their own they are its root.
fn outer_user() -> u32 {
    let own = rustix::process::geteuid().as_raw();
    let map = hull_sys::fs::read_kernel_text("/proc/self/uid_map").unwrap_or_default();
    let outer = |line: &str| {
        let numbers: Vec<u32> = line.split_whitespace().filter_map(|number| number.parse().ok()).collect();
        let [inside, outside, count] = numbers[..] else { return None };
        own.checked_sub(inside).filter(|offset| *offset < count).map(|offset| outside + offset)
    };
    map.lines().find_map(outer).unwrap_or(own)
}

/// Why nothing is to be kept in a directory, as the end of a sentence. Whoever owns it, or may write to it, can exchange what
/// is in it.
fn unusable(path: &Path) -> Option<String> {
    if !path.is_absolute() {
        return Some("is no absolute path".into());
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(directory) => std::fs::File::from(directory),
        Err(error) => return Some(format!("cannot be opened: {}", std::io::Error::from(error))),
    };
    let metadata = match directory.metadata() {
        Ok(metadata) => metadata,
        Err(error) => return Some(format!("cannot be looked at: {error}")),
    };
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Some(format!("belongs to user {}", metadata.uid()));
    }
    (metadata.mode() & 0o022 != 0).then(|| "can be written by others".into())
}

/// The run root that an earlier command of this boot chose, or else `chosen`, which is then written down. What cannot be
/// written here cannot be written by the command itself either, which says why.
fn remembered(data: &Path, chosen: &Path) -> PathBuf {
    let path = data.join(REMEMBERED);
    let Ok(boot_id) = boot_id() else { return chosen.into() };
    let earlier = || file::read_json::<RunRoot>(&path).ok().flatten();
    let holds = |earlier: &RunRoot| {
        earlier.boot_id == boot_id
            && (earlier.path == chosen || earlier.path.parent().is_some_and(|dir| unusable(dir).is_none()))
    };
    let record = RunRoot { path: chosen.into(), boot_id: boot_id.to_owned() };
    match earlier() {
        Some(earlier) if holds(&earlier) => return earlier.path,
        Some(_) => drop(file::write_json_atomic(&path, &record)),
        None if make_dirs(data, 0o710).is_ok() => {
            // Two first commands at once: one of them writes, and the other one finds it written.
            if let Ok(false) = file::create_json(&path, &record)
                && let Some(earlier) = earlier().filter(holds)
            {
                return earlier.path;
            }
        }
        None => {}
    }
    chosen.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    struct World {
        scratch: Scratch,
    }

    impl World {
        fn new() -> Self {
            let scratch = Scratch::new();
            for dir in ["home", "runtime", "login"] {
                fs::create_dir(scratch.path().join(dir)).unwrap();
                fs::set_permissions(scratch.path().join(dir), PermissionsExt::from_mode(0o700)).unwrap();
            }
            Self { scratch }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.scratch.path().join(name)
        }

        fn paths(&self, runtime_dir: Option<&str>, login: &str) -> Paths {
            let environment = Environment {
                home: Some(self.path("home")),
                data_home: None,
                runtime_dir: runtime_dir.map(|dir| match dir.strip_prefix("./") {
                    Some(relative) => relative.into(),
                    None => self.path(dir),
                }),
                login: self.path(login),
            };
            environment.paths(None, None)
        }
    }

    #[test]
    fn the_first_choice_of_a_boot_is_everybodys() {
        let world = World::new();
        let first = world.paths(Some("runtime"), "none");
        assert_eq!(first.run, world.path("runtime/hull"));
        assert_eq!(first.data, world.path("home/.local/share/hull"));
        assert_eq!(world.paths(None, "login"), first, "without the variable");
        fs::remove_dir(world.path("runtime")).unwrap();
        assert_eq!(world.paths(None, "login").run, world.path("login/hull"), "its directory is gone");
    }

    #[test]
    fn without_the_variable_the_login_managers_directory_is_taken_and_else_one_of_our_own() {
        let world = World::new();
        assert_eq!(world.paths(None, "login").run, world.path("login/hull"));
        let world = World::new();
        let own = world.path("home/.local/share/hull/run");
        assert_eq!(world.paths(None, "none").run, own);
        assert_eq!(world.paths(Some("runtime"), "login").run, own, "remembered");
    }

    #[test]
    fn a_choice_of_another_boot_is_made_anew() {
        let world = World::new();
        let data = world.paths(Some("runtime"), "none").data;
        let old = RunRoot { path: world.path("login/hull"), boot_id: "another".into() };
        file::write_json_atomic(&data.join(REMEMBERED), &old).unwrap();
        assert_eq!(world.paths(Some("runtime"), "none").run, world.path("runtime/hull"));
    }

    #[test]
    fn a_runtime_directory_that_is_not_ours_alone_is_not_used_and_said() {
        let world = World::new();
        fs::set_permissions(world.path("runtime"), PermissionsExt::from_mode(0o770)).unwrap();
        std::os::unix::fs::symlink(world.path("login"), world.path("link")).unwrap();
        for (dir, why) in
            [("runtime", "written by others"), ("./rel", "absolute"), ("link", "opened"), ("no", "opened")]
        {
            let paths = world.paths(Some(dir), "login");
            assert_eq!(paths.run, world.path("login/hull"), "{dir}");
            assert!(paths.ignored.len() == 1 && paths.ignored[0].contains(why), "{:?}", paths.ignored);
        }
        assert!(unusable(Path::new("relative")).is_some());
    }
}
