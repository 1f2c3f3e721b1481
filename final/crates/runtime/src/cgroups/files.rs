//! Cgroup files, with errors that say which file, which value, and why.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot write {value:?} to {}: {}", path.display(), .errno.desc())]
    Write { path: PathBuf, value: String, errno: Errno },
    #[error("cannot {action} {}: {}", path.display(), .errno.desc())]
    Call { action: &'static str, path: PathBuf, errno: Errno },
    #[error("no cgroup hierarchy is mounted")]
    NoCgroups,
    #[error("this machine has no {0} controller to hold the limit")]
    NoController(&'static str),
    #[error("invalid limit: {0}")]
    Invalid(String),
    #[error(transparent)]
    Systemd(#[from] crate::systemd::Error),
}

impl Error {
    /// What the reader can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Write { errno, .. } | Self::Call { errno, .. }
                if matches!(errno, Errno::EACCES | Errno::EPERM | Errno::EROFS) =>
            {
                Some(
                    "limits need a cgroup of your own: as root, or where systemd delegates one: \
                     systemd-run --user --scope -p Delegate=yes hull run …"
                        .into(),
                )
            }
            Self::Write { errno: Errno::EBUSY, path, .. } if path.ends_with("memory.limit_in_bytes") => {
                Some("more than that is in use already".into())
            }
            Self::Write { errno: Errno::EINVAL | Errno::ERANGE, .. } => {
                Some("the kernel does not take this value for this limit".into())
            }
            Self::NoController(name) => Some(format!("is the kernel built, or booted, without {name}?")),
            Self::Systemd(error) => error.hint(),
            Self::NoCgroups => Some("mount -t cgroup2 none /sys/fs/cgroup".into()),
            _ => None,
        }
    }
}

pub(super) fn write(path: &Path, value: &str) -> Result<(), Error> {
    use rustix::fs::{Mode, OFlags};
    let failed = |errno: rustix::io::Errno| Error::Write {
        path: path.into(),
        value: value.into(),
        errno: Errno::from_raw(errno.raw_os_error()),
    };
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    rustix::io::retry_on_intr(|| rustix::io::write(&file, value.as_bytes())).map(drop).map_err(failed)
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    std::fs::read_to_string(path).map_err(|error| Error::Call {
        action: "read",
        path: path.into(),
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
    })
}

/// Makes a directory and those above it.
pub(super) fn make_dir(path: &Path) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::Call {
        action: "create",
        path: path.into(),
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
    };
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if let Some(parent) = path.parent() {
                make_dir(parent)?;
            }
            std::fs::create_dir(path).map_err(failed)
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(failed),
    }
}
