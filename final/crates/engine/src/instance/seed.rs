//! Files for cloud-init, from which it configures a system at its first boot: the data source NoCloud.

use std::ffi::OsStr;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use hull_sys::fs::open_in_root;
use hull_sys::fs_ids;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use crate::error::{Error, IoContext, Result};
use crate::records::record::Record;

/// The directory in which cloud-init looks (its documentation, "NoCloud").
const DIRECTORY: [&str; 5] = ["var", "lib", "cloud", "seed", "nocloud-net"];

/// The files, each with the keys that have its content. The first key that is set counts.
const FILES: [(&str, &[&str]); 3] = [
    ("user-data", &["cloud-init.user-data", "user.user-data"]),
    ("vendor-data", &["cloud-init.vendor-data", "user.vendor-data"]),
    ("network-config", &["cloud-init.network-config", "user.network-config"]),
];

/// A configuration with nothing in it.
const NOTHING: &str = "#cloud-config\n{}\n";

/// Writes the files into the root that is mounted at `rootfs`, before a process of the container runs. Nothing is written for a
/// container without such keys.
pub(crate) fn write(record: &Record, rootfs: &Path) -> Result<()> {
    let files = files(record);
    if files.is_empty() {
        return Ok(());
    }
    let (uid, gid) = record.mapped_ids().map_or((0, 0), |maps| maps.root());
    let written = fs_ids::with(uid, gid, || write_all(rootfs, &files));
    let context = || format!("write {} in container {}", DIRECTORY.join("/"), record.name);
    written.map_err(std::io::Error::from).context(context)?.map_err(|error| match error {
        Error::Io { source, .. } => Error::Io { action: context(), source },
        other => other,
    })
}

/// The names of the files and their contents. `None`: the file is removed.
fn files(record: &Record) -> Vec<(&'static str, Option<String>)> {
    let key = |names: &[&str]| names.iter().find_map(|name| record.instance.key(name));
    let more = record.instance.key("user.meta-data");
    if more.is_none() && FILES.iter().all(|(_, names)| key(names).is_none()) {
        return vec![];
    }
    // For another instance-id cloud-init configures the system again, as a new machine.
    let meta = format!("instance-id: {}\nlocal-hostname: {}\n", record.id, record.hostname);
    let mut files = vec![("meta-data", Some(meta + more.unwrap_or_default()))];
    for (name, names) in FILES {
        let content = key(names).map(str::to_owned);
        // cloud-init ignores a directory that lacks a required file, so these files always exist.
        files.push((name, content.or_else(|| (name != "network-config").then(|| NOTHING.into()))));
    }
    files
}

fn write_all(rootfs: &Path, files: &[(&str, Option<String>)]) -> Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = rustix::fs::open(rootfs, flags, Mode::empty());
    let mut directory = open.context(|| format!("open {}", rootfs.display()))?;
    // A part of the path may be a symlink, which is followed within the root.
    let root = directory.try_clone().context(|| "open the root".into())?;
    let mut path = std::path::PathBuf::new();
    for name in DIRECTORY {
        path.push(name);
        directory = enter(&root, &directory, &path, name)?;
    }
    for (name, content) in files {
        put(&directory, name, content.as_deref())?;
    }
    Ok(())
}

fn enter(root: &OwnedFd, parent: &OwnedFd, path: &Path, name: &str) -> Result<OwnedFd> {
    let open = || open_in_root(root, path, OFlags::RDONLY | OFlags::DIRECTORY).map_err(std::io::Error::from);
    match open() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))
                .context(|| format!("create {}", path.display()))?;
            open().context(|| format!("open {}", path.display()))
        }
        opened => opened.context(|| format!("open {}", path.display())),
    }
}

/// Replaces the file. A symlink that the container may have put there is not followed.
fn put(directory: &OwnedFd, name: &str, content: Option<&str>) -> Result<()> {
    match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
            let why = format!("there is a directory in its place: {}/{name}", DIRECTORY.join("/"));
            return Err(Error::Invalid { what: format!("file {name}"), why });
        }
        Ok(_) => {
            rustix::fs::unlinkat(directory, name, AtFlags::empty()).context(|| format!("remove {name}"))?
        }
        Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error).context(|| format!("look at {name}")),
    }
    let Some(content) = content else { return Ok(()) };
    let created = hull_sys::tree::create_file(directory.as_fd(), OsStr::new(name));
    let mut file = created.context(|| format!("create {name}"))?;
    file.write_all(content.as_bytes()).context(|| format!("write {name}"))
}
