//! The default data and run directories of a root.
//!
//! ```text
//! root            /var/lib/hull                    /run/hull
//! unprivileged    $XDG_DATA_HOME/hull, or          what the data directory remembers, or
//!                 ~/.local/share/hull              $XDG_RUNTIME_DIR/hull, /run/user/UID/hull, or
//!                                                  run in the data directory
//! ```
//! A data directory that the user names has its run directory in it, `run`, unless the user names that, too. Two data
//! directories cannot share one: [`crate::root::Root::open`].
//!
//! `XDG_RUNTIME_DIR` is set in a login session and absent in the shells of cron and `su`. If each command took it, a
//! container started in the one would seem to have ended in the other. So the first command of a boot writes its choice
//! to `run-root.json` in the data directory, and the others use it as long as its parent directory exists.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hull_sys::id_map::{IdMap, Ids};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::boot::boot_id;
use crate::directory::make_dirs;
use crate::file;
use crate::root::{SYSTEM_DATA, SYSTEM_RUN, is_unprivileged};

const REMEMBERED: &str = "run-root.json";
/// The run directory in a data directory.
const RUN: &str = "run";

/// The directories of a root, not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    pub data: PathBuf,
    pub run: PathBuf,
    /// For each variable whose value was not used, a sentence that says why.
    pub ignored: Vec<String>,
}

/// Content of `run-root.json`.
#[derive(Debug, Serialize, Deserialize)]
struct RunRoot {
    path: PathBuf,
    /// The choice is valid for this boot only.
    boot_id: String,
}

/// The environment variables from which an unprivileged user's directories are chosen. The caller fills them in; a
/// variable that is set to nothing counts as not set.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// `HOME`
    pub home: Option<PathBuf>,
    /// `XDG_DATA_HOME`
    pub data_home: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`
    pub runtime_dir: Option<PathBuf>,
}

impl Paths {
    /// Takes the directories that the user named, and chooses the others from the environment.
    pub fn choose(data: Option<PathBuf>, run: Option<PathBuf>, environment: Environment) -> Self {
        match (data, run) {
            (Some(data), Some(run)) => Self { data, run, ignored: vec![] },
            (data, run) if !is_unprivileged() => {
                let data = data.unwrap_or_else(|| SYSTEM_DATA.into());
                let of_data =
                    || if data == Path::new(SYSTEM_DATA) { SYSTEM_RUN.into() } else { data.join(RUN) };
                Self { run: run.unwrap_or_else(of_data), data, ignored: vec![] }
            }
            (data, run) => {
                // Where login managers create a user's runtime directory.
                let login = PathBuf::from(format!("/run/user/{}", outer_user()));
                environment.paths(data, run, login)
            }
        }
    }
}

impl Environment {
    fn paths(self, data: Option<PathBuf>, run: Option<PathBuf>, login: PathBuf) -> Paths {
        let mut ignored = Vec::new();
        let mut refuse = |name: &str, path: &Path, why: String| {
            ignored.push(format!("{name} is not used, because its value {} {why}", path.display()));
        };
        let given = data;
        let usual = {
            let absolute = self.data_home.filter(|path| {
                // XDG Base Directory Specification: a relative path is invalid and to be ignored.
                let is_absolute = path.is_absolute();
                if !is_absolute {
                    refuse("XDG_DATA_HOME", path, "is not an absolute path".into());
                }
                is_absolute
            });
            let home = || self.home.unwrap_or_else(|| "/".into()).join(".local/share");
            absolute.unwrap_or_else(home).join("hull")
        };
        let data = given.unwrap_or_else(|| usual.clone());
        let run = run.unwrap_or_else(|| {
            if data != usual {
                return data.join(RUN);
            }
            let own = self.runtime_dir.filter(|path| match unusable(path) {
                Some(why) => {
                    refuse("XDG_RUNTIME_DIR", path, why);
                    false
                }
                None => true,
            });
            let login = || Some(login).filter(|path| unusable(path).is_none());
            let chosen = own.or_else(login).map_or_else(|| data.join(RUN), |dir| dir.join("hull"));
            remembered(&data, &chosen)
        });
        Paths { data, run, ignored }
    }
}

/// The user's id outside their own user namespace, in which they are root. The login manager knows the user by this id.
fn outer_user() -> u32 {
    let own = rustix::process::geteuid().as_raw();
    IdMap::current(Ids::Users).outside(own).unwrap_or(own)
}

/// Why a directory is not safe to use, as the end of a sentence; `None` if it is safe. The owner of a directory, and
/// every user who may write to it, can replace its content.
fn unusable(path: &Path) -> Option<String> {
    if !path.is_absolute() {
        return Some("is not an absolute path".into());
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

/// The run root that an earlier command of this boot chose. If there is none, `chosen` is recorded and returned. A
/// failure to record it is ignored: the command itself then fails to write there and reports why.
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
            // If two first commands run at the same time, one creates the file and the other reads it.
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

    struct Home {
        scratch: Scratch,
    }

    impl Home {
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
            };
            environment.paths(None, None, self.path(login))
        }
    }

    #[test]
    fn the_first_choice_of_a_boot_is_everybodys() {
        let home = Home::new();
        let first = home.paths(Some("runtime"), "none");
        assert_eq!(first.run, home.path("runtime/hull"));
        assert_eq!(first.data, home.path("home/.local/share/hull"));
        assert_eq!(home.paths(None, "login"), first, "without the variable");
        fs::remove_dir(home.path("runtime")).unwrap();
        assert_eq!(home.paths(None, "login").run, home.path("login/hull"), "its directory is gone");
    }

    #[test]
    fn without_the_variable_the_login_managers_directory_is_taken_and_else_one_of_our_own() {
        let home = Home::new();
        assert_eq!(home.paths(None, "login").run, home.path("login/hull"));
        let home = Home::new();
        let own = home.path("home/.local/share/hull/run");
        assert_eq!(home.paths(None, "none").run, own);
        assert_eq!(home.paths(Some("runtime"), "login").run, own, "remembered");
    }

    #[test]
    fn a_data_directory_that_is_named_has_its_own_run_directory() {
        let home = Home::new();
        let of = |data: &Path| {
            let environment = Environment { home: Some(home.path("home")), ..Environment::default() };
            environment.paths(Some(data.into()), None, home.path("login"))
        };
        let other = home.path("other");
        assert_eq!(of(&other).run, other.join("run"));
        assert_eq!(of(&home.path("home/.local/share/hull")).run, home.path("login/hull"));
    }

    #[test]
    fn a_choice_of_another_boot_is_made_anew() {
        let home = Home::new();
        let data = home.paths(Some("runtime"), "none").data;
        let old = RunRoot { path: home.path("login/hull"), boot_id: "another".into() };
        file::write_json_atomic(&data.join(REMEMBERED), &old).unwrap();
        assert_eq!(home.paths(Some("runtime"), "none").run, home.path("runtime/hull"));
    }

    #[test]
    fn a_runtime_directory_that_is_not_ours_alone_is_not_used_and_said() {
        let home = Home::new();
        fs::set_permissions(home.path("runtime"), PermissionsExt::from_mode(0o770)).unwrap();
        std::os::unix::fs::symlink(home.path("login"), home.path("link")).unwrap();
        for (dir, why) in
            [("runtime", "written by others"), ("./rel", "absolute"), ("link", "opened"), ("no", "opened")]
        {
            let paths = home.paths(Some(dir), "login");
            assert_eq!(paths.run, home.path("login/hull"), "{dir}");
            assert!(paths.ignored.len() == 1 && paths.ignored[0].contains(why), "{:?}", paths.ignored);
        }
        assert!(unusable(Path::new("relative")).is_some());
    }
}
