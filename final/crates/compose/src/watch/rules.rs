//! Which file concerns which service.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hull_build::patterns::Patterns;
use hull_composefile::model::{Build, Hook, Project, Service, Trigger};
use nix::fcntl::OFlag;

use crate::error::{Error, Result};

/// In bytes.
const LONGEST_IGNORE_FILE: u64 = 1 << 20;

/// Files that editors and compilers make for a moment.
const EPHEMERAL: [&str; 14] = [
    "**/*___jb_old___",
    "**/*___jb_tmp___",
    "**/.idea",
    "**/.#*",
    "**/#*#",
    "**/4913",
    "**/*~",
    "**/.*.swp",
    "**/.*.swx",
    "**/.*.swo",
    "**/.*.swn",
    "**/.*.kate-swp",
    "**/*-go-tmp-umask",
    "**/.git",
];

/// A file and its place in containers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    pub host: PathBuf,
    pub container: PathBuf,
}

/// What follows a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Rebuild,
    Restart,
    Sync,
    SyncRestart,
    SyncExec,
}

impl std::str::FromStr for Action {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "rebuild" => Ok(Self::Rebuild),
            "restart" => Ok(Self::Restart),
            "sync" => Ok(Self::Sync),
            "sync+restart" => Ok(Self::SyncRestart),
            "sync+exec" => Ok(Self::SyncExec),
            _ => Err(Error::Invalid(format!("{text:?} is no action of watch"))),
        }
    }
}

#[derive(Debug)]
pub struct Rule {
    pub service: String,
    pub action: Action,
    /// Absolute; a file or a directory.
    pub path: PathBuf,
    pub exec: Hook,
    target: String,
    include: Patterns,
    ignore: Patterns,
    /// The directory of the build, and what its `.dockerignore` leaves out.
    context: Option<(PathBuf, Patterns)>,
    initial_sync: bool,
}

#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    ephemeral: Patterns,
}

impl Rules {
    /// The rules of these services, or of all. `warn` gets what is left out.
    pub fn of(
        project: &Project,
        services: &[String],
        may_build: bool,
        warn: &mut dyn FnMut(&str),
    ) -> Result<Self> {
        let mut rules = Vec::new();
        for (name, service) in &project.services {
            if !services.is_empty() && !services.contains(name) {
                continue;
            }
            let Some(develop) = &service.develop else { continue };
            let context = service.build.as_ref().map(ignored_of).transpose()?.flatten();
            for trigger in &develop.watch {
                let action: Action = trigger.action.parse()?;
                check(name, service, action, may_build)?;
                if matches!(action, Action::Sync | Action::SyncRestart) && is_bound(&trigger.path, service) {
                    warn(&format!(
                        "path '{}' also declared by a bind mount volume, this path won't be monitored!",
                        trigger.path
                    ));
                    continue;
                }
                rules.push(Rule::of(name, action, trigger, context.clone())?);
            }
        }
        if rules.is_empty() {
            return Err(Error::Invalid(
                "none of the selected services is configured for watch, consider setting a 'develop' section"
                    .into(),
            ));
        }
        let ephemeral = Patterns::new(EPHEMERAL.map(str::to_owned).to_vec()).map_err(invalid)?;
        Ok(Self { rules, ephemeral })
    }

    pub fn get(&self, index: usize) -> &Rule {
        &self.rules[index]
    }

    /// The paths to watch.
    pub fn paths(&self) -> BTreeSet<&Path> {
        self.rules.iter().map(|rule| rule.path.as_path()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.rules.len()
    }

    /// The rules whose files are copied when the watch begins.
    pub fn initial(&self) -> impl Iterator<Item = (usize, &Rule)> {
        let is_sync = |rule: &Rule| matches!(rule.action, Action::Sync | Action::SyncRestart);
        self.rules.iter().enumerate().filter(move |(_, rule)| rule.initial_sync && is_sync(rule))
    }

    /// Where a changed file goes by a rule. `None` if the rule is not about it.
    pub fn mapping(&self, index: usize, path: &Path) -> Option<Mapping> {
        let rule = &self.rules[index];
        let relative = path.strip_prefix(&rule.path).ok()?;
        let is_included = rule.include.is_empty() || rule.include.excludes(relative);
        if !is_included || self.is_ignored(rule, path, relative) {
            return None;
        }
        let mut target = PathBuf::from(&rule.target);
        target.extend(relative.iter());
        Some(Mapping { host: path.to_owned(), container: target })
    }

    fn is_ignored(&self, rule: &Rule, path: &Path, relative: &Path) -> bool {
        let in_context = rule.context.as_ref().is_some_and(|(directory, patterns)| {
            path.strip_prefix(directory).is_ok_and(|relative| patterns.excludes(relative))
        });
        in_context || rule.ignore.excludes(relative) || self.ephemeral.excludes(relative)
    }

    /// Whether nothing in a directory concerns any rule, so that it need not be watched.
    pub(super) fn may_skip(&self, directory: &Path) -> bool {
        self.rules.iter().all(|rule| match directory.strip_prefix(&rule.path) {
            // A directory above the path leads to it.
            Err(_) => !rule.path.starts_with(directory),
            Ok(relative) => {
                let is_kept_out = |patterns: &Patterns, relative: &Path| {
                    patterns.excludes(relative) && !patterns.may_include_beneath(relative)
                };
                let in_context = rule.context.as_ref().is_some_and(|(context, patterns)| {
                    directory.strip_prefix(context).is_ok_and(|relative| is_kept_out(patterns, relative))
                });
                in_context || is_kept_out(&rule.ignore, relative) || self.ephemeral.excludes(relative)
            }
        })
    }
}

impl Rule {
    fn of(
        service: &str,
        action: Action,
        trigger: &Trigger,
        context: Option<(PathBuf, Patterns)>,
    ) -> Result<Self> {
        Ok(Self {
            service: service.to_owned(),
            action,
            path: PathBuf::from(&trigger.path),
            exec: trigger.exec.clone(),
            target: trigger.target.clone(),
            include: Patterns::new(trigger.include.clone()).map_err(invalid)?,
            ignore: Patterns::new(trigger.ignore.clone()).map_err(invalid)?,
            context,
            initial_sync: trigger.initial_sync,
        })
    }
}

fn check(name: &str, service: &Service, action: Action, may_build: bool) -> Result<()> {
    if action != Action::Rebuild {
        return Ok(());
    }
    if service.build.is_none() {
        return Err(Error::Invalid(format!(
            "can't watch service {name:?} with action rebuild without a build context"
        )));
    }
    match may_build {
        true => Ok(()),
        false => Err(Error::Invalid(format!(
            "--no-build is incompatible with watch action rebuild in service {name}"
        ))),
    }
}

/// Whether the container sees the path anyway.
fn is_bound(path: &str, service: &Service) -> bool {
    let mut binds = service.volumes.iter().filter(|volume| volume.bind.is_some());
    binds.any(|volume| Path::new(path).starts_with(&volume.source))
}

/// The `.dockerignore` of a build: that of its Dockerfile, or the context's.
fn ignored_of(build: &Build) -> Result<Option<(PathBuf, Patterns)>> {
    let context = PathBuf::from(&build.context);
    let dockerfile = if build.dockerfile.is_empty() { "Dockerfile" } else { &build.dockerfile };
    let own = context.join(dockerfile).into_os_string();
    let own = PathBuf::from(OsStr::from_bytes(&[own.as_bytes(), b".dockerignore"].concat()));
    for file in [own, context.join(".dockerignore")] {
        match read_ignore_file(&file) {
            Ok(text) => {
                let patterns = Patterns::parse_ignore_file(&text)
                    .map_err(|error| Error::Invalid(format!("{}: {error}", file.display())))?;
                return Ok(Some((context, patterns)));
            }
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(Error::Invalid(format!("cannot read {}: {error}", file.display()))),
        }
    }
    Ok(None)
}

/// The context may be a stranger's: a FIFO or a device in this place would keep the command waiting, or fill its memory.
fn read_ignore_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut open = std::fs::OpenOptions::new();
    let file = open.read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)?;
    let about = file.metadata()?;
    if !about.is_file() || about.len() > LONGEST_IGNORE_FILE {
        return Err(std::io::Error::other("it is not a regular file of at most 1 MiB"));
    }
    let mut text = Vec::new();
    file.take(LONGEST_IGNORE_FILE).read_to_end(&mut text)?;
    Ok(text)
}

fn invalid(error: hull_build::Error) -> Error {
    Error::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_regular_file_says_what_is_ignored() {
        let directory = tempfile::tempdir().unwrap();
        let ignore_file = directory.path().join(".dockerignore");
        let build = Build { context: directory.path().display().to_string(), ..Build::default() };
        assert!(ignored_of(&build).unwrap().is_none());
        std::fs::write(&ignore_file, "a\n").unwrap();
        assert!(ignored_of(&build).unwrap().is_some());
        for other in ["/dev/zero", "/"] {
            std::fs::remove_file(&ignore_file).unwrap();
            std::os::unix::fs::symlink(other, &ignore_file).unwrap();
            assert!(ignored_of(&build).unwrap_err().to_string().contains("not a regular file"), "{other}");
        }
    }

    fn rules(directory: &Path, trigger: Trigger, has_build: bool) -> Rules {
        let build = has_build.then(|| Build { context: directory.display().to_string(), ..Build::default() });
        let develop = hull_composefile::model::Develop { watch: vec![trigger], ..Default::default() };
        let service = Service { develop: Some(develop), build, ..Service::default() };
        let tree = hull_composefile::Node {
            value: hull_composefile::Value::Mapping(Default::default()),
            place: Default::default(),
            tag: None,
        };
        let mut project = Project::decode("p", directory, tree).unwrap();
        project.services.insert("web".into(), service);
        Rules::of(&project, &[], true, &mut |_| {}).unwrap()
    }

    #[test]
    fn files_are_mapped_unless_they_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(".dockerignore"), "*.log\nbuilt\n!built/keep\n").unwrap();
        let trigger = Trigger {
            path: directory.path().display().to_string(),
            action: "sync".into(),
            target: "/app".into(),
            ignore: vec!["node_modules/".into(), "**/*.tmp".into()],
            ..Trigger::default()
        };
        let rules = rules(directory.path(), trigger, true);
        let to = |path: &str| {
            rules
                .mapping(0, &directory.path().join(path))
                .map(|mapping| mapping.container.display().to_string())
        };
        assert_eq!(to("src/main.py").as_deref(), Some("/app/src/main.py"));
        assert_eq!(to("built/keep").as_deref(), Some("/app/built/keep"));
        for left_out in [
            "a.log",
            "built/x",
            "node_modules/x/y.js",
            "deep/x.tmp",
            ".git/HEAD",
            "sub/.git/x",
            "x~",
            ".a.swp",
        ] {
            assert_eq!(to(left_out), None, "{left_out}");
        }
        assert_eq!(rules.mapping(0, Path::new("/elsewhere/x")), None);
        let skips = |path: &str| rules.may_skip(&directory.path().join(path));
        assert!(skips("node_modules") && skips(".git") && skips("sub/.idea"));
        assert!(!skips("src") && !skips("built") && !skips(""));
    }

    #[test]
    fn include_names_what_counts() {
        let directory = tempfile::tempdir().unwrap();
        let trigger = Trigger {
            path: directory.path().display().to_string(),
            action: "sync".into(),
            target: "/app".into(),
            include: vec!["*.py".into(), "assets".into()],
            ..Trigger::default()
        };
        let rules = rules(directory.path(), trigger, false);
        let fits = |path: &str| rules.mapping(0, &directory.path().join(path)).is_some();
        assert!(fits("a.py") && fits("assets/deep/logo.svg"));
        assert!(!fits("a.txt") && !fits("sub/a.py"));
    }

    #[test]
    fn a_single_file_is_its_target() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("requirements.txt");
        let trigger = Trigger {
            path: file.display().to_string(),
            action: "sync+restart".into(),
            target: "/app/requirements.txt".into(),
            ..Trigger::default()
        };
        let rules = rules(directory.path(), trigger, false);
        assert_eq!(rules.mapping(0, &file).unwrap().container, Path::new("/app/requirements.txt"));
        assert_eq!(rules.mapping(0, &directory.path().join("other")), None);
    }
}
