//! The machine-id and the host name, which distinguish a system from others that were made from the same image.
//!
//! Both are written into the container's own files once, before its first start. Then the file `machine-id` in the
//! container's directory records the id. A copy of a container without this file gets an identity of its own at its
//! first start; a copy with it keeps the identity. After a kill in between, both are written again, which does no harm.
//! The file `new-hostname` says that the container was renamed, and the next start writes the host name again.

use std::path::{Path, PathBuf};

use hull_storage::root::Root;

use super::files::Files;
use crate::error::{IoContext, Result};
use crate::records::ids::random_machine_id;
use crate::records::record::Record;

/// The files with the id, for systemd and for D-Bus (machine-id(5)). A file that an image lacks is not made.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Written if there is a directory for it.
const HOSTNAME: &str = "/etc/hostname";

/// The variable by which systemd learns the id that its container has (container interface of systemd).
const VARIABLE: &str = "container_uuid";

fn recorded(root: &Root, id: &str) -> PathBuf {
    root.container_dir(id).join("machine-id")
}

fn renamed(root: &Root, id: &str) -> PathBuf {
    root.container_dir(id).join("new-hostname")
}

/// The container's machine-id, once it has one.
pub(crate) fn machine_id(root: &Root, id: &str) -> Result<Option<String>> {
    let path = recorded(root, id);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).context(|| format!("read {}", path.display())),
    }
}

/// The variable that tells the init its machine-id.
pub(crate) fn variable(machine_id: &str) -> String {
    format!("{VARIABLE}={machine_id}")
}

/// Writes the machine-id and the host name of a system container that was never started, or the host name of one that
/// was renamed. `rootfs` is its mounted root.
pub(crate) fn give(root: &Root, record: &Record, rootfs: &Path) -> Result<()> {
    let renamed = renamed(root, &record.id);
    let is_new = machine_id(root, &record.id)?.is_none();
    if !is_new && !renamed.exists() {
        return Ok(());
    }
    let machine_id = random_machine_id()?;
    Files::with(record, rootfs, |files| {
        let line = format!("{machine_id}\n");
        for path in MACHINE_IDS.map(Path::new).into_iter().filter(|path| is_new && files.has_file(path)) {
            files.put(path, line.as_bytes())?;
        }
        let hostname = Path::new(HOSTNAME);
        match hostname.parent().is_some_and(|parent| files.has_directory(parent)) {
            true => files.put(hostname, format!("{}\n", record.hostname).as_bytes()),
            false => Ok(()),
        }
    })?;
    if is_new {
        let text = format!("{machine_id}\n");
        hull_storage::file::write_atomic(&recorded(root, &record.id), text.as_bytes(), 0o644)?;
    }
    match std::fs::remove_file(&renamed) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context(|| format!("remove {}", renamed.display()))
        }
        _ => Ok(()),
    }
}

/// Gives a container that is being renamed the host name that follows from its new name. Its next start writes the name
/// into the container's files.
pub(crate) fn rename(root: &Root, record: &mut Record) -> Result<()> {
    let Some(name) = super::host_name(record).filter(|name| *name != record.hostname) else { return Ok(()) };
    record.hostname = name;
    // This mark is written before the record. If storing the record fails, the next start writes the old name again.
    Ok(hull_storage::file::write_atomic(&renamed(root, &record.id), b"", 0o644)?)
}
