//! The machine-id and the host name, which distinguish a system from others that were made from the same image.
//!
//! Both are written into the container's own files once, before its first start. Then the file `machine-id` in the
//! container's directory records the id. A copy of a container without this file gets an identity of its own at its
//! first start; a copy with it keeps the identity. After a kill in between, both are written again, which does no harm.
//! The file `new-hostname` says that the container was renamed, and the next start writes the host name again.

use std::io::Write;
use std::path::{Path, PathBuf};

use hull_storage::root::Root;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};

use crate::error::{IoContext, Result};
use crate::records::ids::random_machine_id;
use crate::records::record::Record;

/// The files with the id, for systemd and for D-Bus (machine-id(5)). A file that an image lacks is not made.
const MACHINE_IDS: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Every user may read the files, and only root may change them.
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);

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
    let write = || {
        for path in MACHINE_IDS.map(Path::new).into_iter().filter(|_| is_new) {
            replace(rootfs, path, &machine_id, OnlyIf::Present)?;
        }
        replace(rootfs, Path::new("/etc/hostname"), &record.hostname, OnlyIf::DirectoryIs)
    };
    match record.id_maps.as_ref().map(|maps| maps.root()) {
        // The kernel makes files on idmapped layers only for ids that are mapped.
        Some((uid, gid)) => hull_sys::fs_ids::with(uid, gid, write)
            .context(|| "take the ids of the container's root".into())??,
        None => write()?,
    }
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

/// When a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnlyIf {
    /// If a regular file is there. A symlink is none.
    Present,
    /// If the directory for it exists.
    DirectoryIs,
}

/// Writes a line to a new file, which replaces what is at `path`. Any part of the path may be a symlink of the image:
/// the directory is resolved beneath the root, and a symlink at the end is replaced and not followed.
fn replace(rootfs: &Path, path: &Path, line: &str, only_if: OnlyIf) -> Result<()> {
    let context = || format!("write {} of the container", path.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(rootfs, flags, Mode::empty()).context(context)?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let Ok(directory) = hull_sys::fs::openat2(&root, parent, flags, Mode::empty(), resolve) else {
        return Ok(());
    };
    let found = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW);
    let is_file = found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    if only_if == OnlyIf::Present && !is_file {
        return Ok(());
    }
    let new = format!(".{}.hull", name.to_string_lossy());
    // A killed start may have left this file.
    let _ = rustix::fs::unlinkat(&directory, &new, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&directory, &new, flags, FILE_MODE).context(context)?;
    rustix::fs::fchmod(&file, FILE_MODE).context(context)?;
    std::fs::File::from(file).write_all(format!("{line}\n").as_bytes()).context(context)?;
    rustix::fs::renameat(&directory, &new, &directory, name).context(context)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_an_image_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "the host's").unwrap();
        symlink(&secret, root.path().join("etc/hostname")).unwrap();
        replace(root.path(), Path::new("/etc/hostname"), "box", OnlyIf::DirectoryIs).unwrap();
        assert_eq!(fs::read_to_string(&secret).unwrap(), "the host's");
        assert_eq!(fs::read_to_string(root.path().join("etc/hostname")).unwrap(), "box\n");
        symlink(outside.path(), root.path().join("var")).unwrap();
        replace(root.path(), Path::new("/var/hostname"), "box", OnlyIf::DirectoryIs).unwrap();
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        // A link is no machine-id, and stays what it is.
        symlink("/etc/hostname", root.path().join("etc/machine-id")).unwrap();
        replace(root.path(), Path::new("/etc/machine-id"), "1", OnlyIf::Present).unwrap();
        assert!(root.path().join("etc/machine-id").is_symlink());
    }
}
