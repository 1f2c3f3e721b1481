//! The exec instances of a container: which processes `exec` has started in it, for whom, and how they ended.
//!
//! Each is a file `exec-<id>.json` in the container's directory below the run root: one line of JSON when it is created, one
//! when its process runs, one when that has ended. The session of the `exec` keeps the file open and appends each line
//! with one write. A file is therefore never replaced, and a session that outlives the container's directory writes to a
//! file without a name, where a renamed file would appear in the directory of the next run.
//!
//! An instance that is created, started and inspected by different processes, as over docker's API, is *registered*
//! ([`super::exec_registry`]): it has a second line when a session takes it, and a second name.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hull_docker::wire::exec::ExecRequest;
use hull_storage::process_id::ProcessId;
use hull_storage::root::Root;
use serde::{Deserialize, Serialize};

use super::ids;
use super::options::ExecOptions;
use super::time::Timestamp;
use crate::error::{IoContext, Result};

/// The version of the format.
pub(super) const FORMAT: u32 = 1;

/// How long the end of a command can be asked for, as with docker, if its caller was not told.
pub(super) const KEPT: Duration = Duration::from_secs(5 * 60);

/// An exec instance, as its file tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecInstance {
    pub created: Created,
    /// The process that waits for the program. `None` while a registered instance is not started.
    pub session: Option<ProcessId>,
    /// The session lived after the file was read. It records the end before it ends itself.
    has_session: bool,
    /// `None` until the process runs.
    pub process: Option<ProcessId>,
    pub ended: Option<Ended>,
}

/// The first line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Created {
    format: u32,
    #[serde(flatten)]
    pub identity: Identity,
    /// The process that waits for the program, if it is known from the beginning.
    session: Option<ProcessId>,
    pub options: ExecOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registered: Option<Registered>,
}

/// What is told of a registered instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registered {
    /// The container's id.
    pub container: String,
    /// The container's first process. The instance belongs to its run.
    pub init: ProcessId,
    pub request: ExecRequest,
}

/// The instance's id, and for whom it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: String,
    pub caller: Caller,
}

impl Identity {
    /// A random id, with the calling process as the caller.
    pub(crate) fn new() -> Result<Self> {
        let caller = Caller { pid: std::process::id() as i32, uid: rustix::process::getuid().as_raw() };
        Ok(Self { id: ids::random_id()?, caller })
    }
}

/// The caller of `exec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub pid: i32,
    /// Real user id, on the host.
    pub uid: u32,
}

/// The last line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// 128 and the signal's number if a signal has ended it.
    pub exit_code: i32,
    pub finished: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<T> {
    Created(T),
    Session(ProcessId),
    Process(ProcessId),
    Ended(Ended),
}

impl ExecInstance {
    /// Whether its process is being started, runs, or has ended without its exit code being recorded yet, as dockerd tells it.
    /// The process may outlive a session that was killed.
    pub fn is_running(&self) -> bool {
        self.ended.is_none() && (self.has_session || self.process.as_ref().is_some_and(ProcessId::is_alive))
    }

    /// The id of its container, if it is known.
    pub fn container(&self) -> Option<&str> {
        self.created.registered.as_ref().map(|registered| registered.container.as_str())
    }

    /// Whether it has ended, or cannot be started any more.
    pub(super) fn is_over(&self) -> bool {
        let may_start = self.session.is_none()
            && self.created.registered.as_ref().is_some_and(|registered| registered.init.is_alive());
        self.ended.is_some() || !(may_start || self.is_running())
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        let read = || Self::parse(&hull_storage::file::read(path).ok()?);
        let instance = read()?;
        // The session may have recorded the end between the reading of the file and the look at the session.
        match instance.session.is_none() || instance.has_session || instance.ended.is_some() {
            true => Some(instance),
            false => read(),
        }
    }

    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = bytes
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Line<Created>>(line).ok());
        let Some(Line::Created(created)) = lines.next() else { return None };
        let session = created.session.clone();
        let mut instance = Self { created, session, has_session: false, process: None, ended: None };
        for line in lines {
            match line {
                Line::Created(_) => {}
                Line::Session(session) => instance.session = Some(session),
                Line::Process(process) => instance.process = Some(process),
                Line::Ended(ended) => instance.ended = Some(ended),
            }
        }
        instance.has_session = instance.session.as_ref().is_some_and(ProcessId::is_alive);
        Some(instance)
    }
}

/// The exec instances of a container, running and ended. One whose file is damaged is left out, because nothing can be
/// said of it.
pub(crate) fn all(root: &Root, container: &str) -> Vec<ExecInstance> {
    files(root, container).iter().filter_map(|path| ExecInstance::read(path)).collect()
}

fn files(root: &Root, container: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.container_run_dir(container)).into_iter().flatten().flatten();
    let is_instance = |name: &str| name.starts_with("exec-") && name.ends_with(".json");
    entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_instance))
        .map(|entry| entry.path())
        .collect()
}

/// Removes the instances that ended five minutes ago, and those whose session was killed and whose process has ended.
pub(crate) fn collect(root: &Root, container: &str) {
    for path in files(root, container) {
        let Some(instance) = ExecInstance::read(&path) else { continue };
        let is_forgotten = match &instance.ended {
            Some(ended) => ended.finished.0.elapsed().is_ok_and(|age| age > KEPT),
            None => instance.is_over(),
        };
        if is_forgotten {
            // Another command may have removed it.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The file of one instance, held by its session.
#[derive(Debug)]
pub(crate) struct ExecRecord {
    path: PathBuf,
    file: File,
    /// The end is recorded, because somebody may ask for it.
    is_kept: bool,
}

impl ExecRecord {
    /// Called in the session, before the program is started.
    pub(crate) fn create(
        root: &Root,
        container: &str,
        identity: &Identity,
        options: &ExecOptions,
    ) -> Result<Self> {
        let path = root.container_run_dir(container).join(format!("exec-{}.json", identity.id));
        let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = file.context(|| format!("create {}", path.display()))?;
        let mut record = Self { path, file, is_kept: options.detach };
        let session = Some(ProcessId::of_self()?);
        record.append(&Line::Created(CreatedRef {
            format: FORMAT,
            identity,
            session,
            options,
            registered: None,
        }))?;
        Ok(record)
    }

    pub(crate) fn started(&mut self, pid: i32) -> Result<()> {
        self.append(&Line::<()>::Process(ProcessId::of(pid)?))
    }

    /// Takes a registered instance for the calling session, which has just opened its file and found it to be free.
    pub(super) fn take(path: PathBuf, file: File) -> Result<Self> {
        let mut record = Self { path, file, is_kept: true };
        record.append(&Line::<()>::Session(ProcessId::of_self()?))?;
        Ok(record)
    }

    /// Records how the process ended. Nobody waits for a detached command, and any process may ask for a registered one, so
    /// their ends are kept for a while. The caller of another one is told its exit code, and its instance goes.
    pub(crate) fn ended(mut self, exit_code: i32) {
        if self.is_kept {
            // The end cannot be reported to anybody else.
            let _ = self.append(&Line::<()>::Ended(Ended { exit_code, finished: Timestamp::now() }));
        } else {
            self.discard();
        }
    }

    /// The process was not started. `exit_code` is for those who ask; without a reason to ask, the instance goes.
    pub(crate) fn failed(self, exit_code: i32, is_registered: bool) {
        match is_registered {
            true => self.ended(exit_code),
            false => self.discard(),
        }
    }

    fn discard(self) {
        // The end of the container may have removed it already.
        let _ = std::fs::remove_file(&self.path);
    }

    fn append<T: Serialize>(&mut self, line: &Line<T>) -> Result<()> {
        let context = || format!("write {}", self.path.display());
        let mut bytes = serde_json::to_vec(line).map_err(std::io::Error::from).context(context)?;
        bytes.push(b'\n');
        self.file.write_all(&bytes).context(context)
    }
}

/// [`Created`], by reference.
#[derive(Serialize)]
pub(super) struct CreatedRef<'a> {
    pub(super) format: u32,
    #[serde(flatten)]
    pub(super) identity: &'a Identity,
    pub(super) session: Option<ProcessId>,
    pub(super) options: &'a ExecOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) registered: Option<&'a Registered>,
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn root(name: &str) -> (Directory, Root) {
        let path = std::env::temp_dir().join(format!("hull-exec-instance-{name}-{}", std::process::id()));
        let root = Root::open(&path.join("data"), &path.join("run")).unwrap();
        std::fs::create_dir_all(root.container_run_dir("c")).unwrap();
        (Directory(path), root)
    }

    fn create(root: &Root, detach: bool) -> (String, ExecRecord) {
        let identity = Identity::new().unwrap();
        let options = ExecOptions { command: vec!["true".into()], detach, ..ExecOptions::default() };
        let record = ExecRecord::create(root, "c", &identity, &options).unwrap();
        (identity.id, record)
    }

    #[test]
    fn an_instance_is_told_at_each_stage() {
        let (_directory, root) = root("stages");
        let (id, mut record) = create(&root, true);
        let only = || all(&root, "c").pop().unwrap();
        assert_eq!((only().created.identity.id, only().is_running()), (id, true));
        record.started(std::process::id() as i32).unwrap();
        assert!(only().is_running());
        assert_eq!(only().created.identity.caller.pid, std::process::id() as i32);
        record.ended(7);
        assert_eq!(only().ended.unwrap().exit_code, 7);
        assert!(!all(&root, "c").pop().unwrap().is_running());
    }

    #[test]
    fn one_whose_process_was_reaped_runs_until_its_session_records_the_end() {
        let (_directory, root) = root("reaped");
        let (_, mut record) = create(&root, true);
        let reaped = ProcessId { start_time: 1, ..ProcessId::of_self().unwrap() };
        record.append(&Line::<()>::Process(reaped)).unwrap();
        let only = || all(&root, "c").pop().unwrap();
        assert!(only().is_running());
        record.ended(4);
        assert!(!only().is_running());
    }

    #[test]
    fn an_attached_one_goes_with_its_end_and_a_damaged_one_hides_no_other() {
        let (_directory, root) = root("damaged");
        let (_, record) = create(&root, false);
        record.ended(0);
        assert_eq!(all(&root, "c"), []);
        let (_, _kept) = create(&root, true);
        std::fs::write(root.container_run_dir("c").join("exec-x.json"), "{").unwrap();
        assert_eq!(all(&root, "c").len(), 1);
    }

    #[test]
    fn collecting_leaves_what_runs_and_what_has_just_ended() {
        let (_directory, root) = root("collect");
        let (_, mut running) = create(&root, false);
        running.started(std::process::id() as i32).unwrap();
        let (_, ended) = create(&root, true);
        ended.ended(0);
        let (old, record) = create(&root, true);
        let path = root.container_run_dir("c").join(format!("exec-{old}.json"));
        drop(record);
        let finished = Timestamp(std::time::SystemTime::now() - 2 * KEPT);
        let line = serde_json::to_string(&Line::<()>::Ended(Ended { exit_code: 0, finished })).unwrap();
        let whole = std::fs::read_to_string(&path).unwrap() + &line;
        std::fs::write(&path, whole).unwrap();
        assert_eq!(all(&root, "c").len(), 3);
        collect(&root, "c");
        assert_eq!(all(&root, "c").len(), 2);
    }
}
