//! Exec instances that one process creates, another one starts, and others inspect and resize.
//!
//! ```text
//! <run root>/containers/<container>/exec-<id>.json   an instance like any other
//! <run root>/exec/<id>.json                          the same file (link(2)): found by the id alone, and still there when
//!                                                    the container has ended
//!                 <id>.sock                          the session's socket, for the size of its terminal
//! ```
//!
//! docker keeps the end of a command for five to ten minutes, also when the container has ended meanwhile: a client asks
//! for the exit code when the stream of a command has ended, which may have been the end of the container too.

use std::fs::{DirEntry, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_storage::root::Root;
use rustix::fs::FlockOperation;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;

use super::exec_instance::{CreatedRef, ExecInstance, ExecRecord, FORMAT, Identity, KEPT, Line, Registered};
use super::options::ExecOptions;
use crate::error::{Error, Errors, IoContext, Result};

fn directory(root: &Root) -> PathBuf {
    root.run().join("exec")
}

fn file(root: &Root, id: &str) -> PathBuf {
    directory(root).join(format!("{id}.json"))
}

/// Where the session of an instance listens.
pub(crate) fn socket(root: &Root, id: &str) -> PathBuf {
    directory(root).join(format!("{id}.sock"))
}

/// Records an instance that is not started yet.
pub(crate) fn register(
    root: &Root,
    identity: &Identity,
    options: &ExecOptions,
    registered: &Registered,
) -> Result<()> {
    let path = file(root, &identity.id);
    let context = || format!("create {}", path.display());
    match std::fs::DirBuilder::new().create(directory(root)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error).context(context),
        _ => {}
    }
    let created =
        CreatedRef { format: FORMAT, identity, session: None, options, registered: Some(registered) };
    let mut line =
        serde_json::to_vec(&Line::Created(created)).map_err(std::io::Error::from).context(context)?;
    line.push(b'\n');
    let mut opened =
        OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path).context(context)?;
    let name = root.container_run_dir(&registered.container).join(format!("exec-{}.json", identity.id));
    let written = opened.write_all(&line).and_then(|()| std::fs::hard_link(&path, &name)).context(context);
    written.inspect_err(|_| {
        // The first error is the one to report. What stays is collected.
        let _ = std::fs::remove_file(&path);
    })
}

/// The instance with this whole id, registered or not, and the id of its container.
pub(crate) fn find(root: &Root, id: &str) -> Result<(String, ExecInstance)> {
    let none = || Error::NoSuchExec(id.to_owned());
    if id.len() != 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(none());
    }
    let registered = ExecInstance::read(&file(root, id))
        .and_then(|instance| Some((instance.container()?.to_owned(), instance)));
    let (container, instance) =
        registered.or_else(|| find_unregistered(root, &format!("exec-{id}.json"))).ok_or_else(none)?;
    // One that was never started goes with the run of its container, and all go with the container.
    let is_lost = instance.session.is_none() && instance.is_over();
    match is_lost || !root.container_dir(&container).exists() {
        true => Err(none()),
        false => Ok((container, instance)),
    }
}

/// One of the command line.
fn find_unregistered(root: &Root, name: &str) -> Option<(String, ExecInstance)> {
    let containers = std::fs::read_dir(root.run().join("containers")).into_iter().flatten().flatten();
    containers.into_iter().find_map(|entry| {
        let instance = ExecInstance::read(&entry.path().join(name))?;
        Some((entry.file_name().into_string().ok()?, instance))
    })
}

/// Reports the next change of an instance. `None` where a user's inotify instances are used up (inotify(7)).
pub(crate) fn watch(root: &Root, id: &str) -> Option<OwnedFd> {
    let watch = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
    inotify::add_watch(&watch, file(root, id), WatchFlags::MODIFY | WatchFlags::DELETE_SELF).ok()?;
    Some(watch)
}

/// Takes an instance for the calling session. Only the first session gets it.
pub(crate) fn take(root: &Root, id: &str) -> Result<ExecRecord> {
    let path = file(root, id);
    let context = || format!("open {}", path.display());
    let mut file = match OpenOptions::new().read(true).append(true).open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(Error::NoSuchExec(id.to_owned())),
        opened => opened.context(context)?,
    };
    // Held for as long as the session lives.
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Err(Error::ExecStarted { id: id.to_owned(), is_over: false }),
        locked => locked.context(context)?,
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).context(context)?;
    let instance = ExecInstance::parse(&bytes).ok_or_else(|| Error::NoSuchExec(id.to_owned()))?;
    may_start(&instance)?;
    ExecRecord::take(path, file)
}

/// An error if the instance was started before.
pub(crate) fn may_start(instance: &ExecInstance) -> Result<()> {
    match instance.session {
        Some(_) => {
            Err(Error::ExecStarted { id: instance.created.identity.id.clone(), is_over: instance.is_over() })
        }
        None => Ok(()),
    }
}

/// Removes the instances whose time is over, and those of containers that were removed, unless they were changed in the last
/// minutes. Reads only what may be removed.
pub(crate) fn collect(root: &Root) -> Result<()> {
    let mut errors = Errors::default();
    for entry in std::fs::read_dir(directory(root)).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_wanted = match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => is_recent(&entry) || may_be_asked_for(root, &path),
            _ => path.with_extension("json").exists(),
        };
        if !is_wanted {
            errors.note(hull_storage::file::remove(&path));
        }
    }
    errors.into_result()
}

fn is_recent(file: &DirEntry) -> bool {
    let written = file.metadata().and_then(|metadata| metadata.modified());
    written.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age < KEPT))
}

fn may_be_asked_for(root: &Root, path: &Path) -> bool {
    ExecInstance::read(path).is_some_and(|instance| {
        let exists = instance.container().is_some_and(|one| root.container_dir(one).exists());
        exists && !instance.is_over()
    })
}

#[cfg(test)]
mod tests {
    use hull_docker::wire::exec::ExecRequest;
    use hull_storage::process_id::ProcessId;

    use super::*;

    struct Directory(PathBuf);

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn root(name: &str) -> (Directory, Root) {
        let path = std::env::temp_dir().join(format!("hull-exec-registry-{name}-{}", std::process::id()));
        let root = Root::open(&path.join("data"), &path.join("run")).unwrap();
        for directory in [root.container_run_dir("c"), root.container_dir("c")] {
            std::fs::create_dir_all(directory).unwrap();
        }
        (Directory(path), root)
    }

    fn registered(root: &Root, init: ProcessId) -> String {
        let identity = Identity::new().unwrap();
        let registered = Registered { container: "c".into(), init, request: ExecRequest::default() };
        register(root, &identity, &ExecOptions::default(), &registered).unwrap();
        identity.id
    }

    fn ended_process() -> ProcessId {
        ProcessId { start_time: 1, ..ProcessId::of_self().unwrap() }
    }

    #[test]
    fn an_instance_is_started_once_and_its_end_outlives_the_containers_directory() {
        let (_directory, root) = root("once");
        let id = registered(&root, ProcessId::of_self().unwrap());
        assert_eq!(find(&root, &id).unwrap().1.session, None);
        let mut record = take(&root, &id).unwrap();
        assert!(matches!(take(&root, &id), Err(Error::ExecStarted { is_over: false, .. })));
        record.started(std::process::id() as i32).unwrap();
        assert!(find(&root, &id).unwrap().1.is_running());
        std::fs::remove_dir_all(root.container_run_dir("c")).unwrap();
        record.ended(9);
        assert_eq!(find(&root, &id).unwrap().1.ended.unwrap().exit_code, 9);
        assert!(matches!(take(&root, &id), Err(Error::ExecStarted { is_over: true, .. })));
        collect(&root).unwrap();
        assert!(find(&root, &id).is_ok(), "its end is kept for a while");
        std::fs::remove_dir_all(root.container_dir("c")).unwrap();
        assert!(matches!(find(&root, &id), Err(Error::NoSuchExec(_))));
        make_old(&file(&root, &id));
        collect(&root).unwrap();
        assert!(!file(&root, &id).exists());
    }

    fn make_old(path: &Path) {
        let opened = std::fs::File::options().append(true).open(path).unwrap();
        opened.set_modified(SystemTime::now() - 2 * KEPT).unwrap();
    }

    #[test]
    fn one_that_was_not_started_goes_with_the_run() {
        let (_directory, root) = root("run");
        let (gone, waiting) =
            (registered(&root, ended_process()), registered(&root, ProcessId::of_self().unwrap()));
        assert!(matches!(find(&root, &gone), Err(Error::NoSuchExec(_))));
        std::fs::write(socket(&root, &gone), "").unwrap();
        for id in [&gone, &waiting] {
            make_old(&file(&root, id));
        }
        collect(&root).unwrap();
        collect(&root).unwrap();
        assert!(!socket(&root, &gone).exists() && !file(&root, &gone).exists());
        assert!(find(&root, &waiting).is_ok());
    }

    #[test]
    fn only_a_whole_id_is_looked_for() {
        let (_directory, root) = root("ids");
        for id in ["", "../../x", "0123", &"g".repeat(64)] {
            assert!(matches!(find(&root, id), Err(Error::NoSuchExec(_))), "{id}");
        }
    }
}
