//! Cgroup files, with errors that say which file, which value, and why.

use std::path::{Path, PathBuf};

use hull_sys::Kind;
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
    /// The cgroup has processes in it, so it cannot enable controllers for its children (cgroup-v2.rst, "No Internal Process
    /// Constraint").
    #[error("cannot make cgroups with limits in {}: {why}", directory.display())]
    NoRoom { directory: PathBuf, why: String },
    #[error("invalid limit: {0}")]
    Invalid(String),
    #[error("{0}")]
    Unusable(String),
    #[error("{first}; cannot restore the limits before: {failure}")]
    NotRestored { first: Box<Error>, failure: Box<Error> },
    #[error(transparent)]
    Systemd(#[from] crate::systemd::Error),
}

impl Error {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Write { errno, .. } | Self::Call { errno, .. } => Kind::from_errno(*errno as i32),
            Self::NoCgroups | Self::NoController(_) | Self::Unusable(_) => Kind::Unsupported,
            Self::NoRoom { .. } => Kind::InUse,
            Self::Invalid(_) => Kind::Invalid,
            Self::Systemd(error) => error.kind(),
            Self::NotRestored { first, .. } => first.kind(),
        }
    }

    /// What the user can do next.
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
            Self::Write { errno: Errno::EOPNOTSUPP, path, .. } if is_weight(path) => {
                Some("the device's scheduler has no weights: /sys/block/…/queue/scheduler selects bfq".into())
            }
            Self::Write { errno: Errno::ENODEV, .. } => {
                Some("the kernel limits whole disks, not their partitions".into())
            }
            Self::Write { errno: Errno::EINVAL, path, .. } if path.ends_with("cpu.rt_runtime_us") => {
                Some("all cgroups together have what cpu.rt_runtime_us says at the hierarchy's root".into())
            }
            Self::Write { errno: Errno::EINVAL | Errno::ERANGE, .. } => {
                Some("the kernel does not take this value for this limit".into())
            }
            Self::NoController(name) => Some(format!("is the kernel built, or booted, without {name}?")),
            Self::Systemd(error) => error.hint(),
            Self::NotRestored { first, .. } => first.hint(),
            Self::NoRoom { .. } => {
                Some("choose an empty cgroup with --cgroup-parent, or start hull in one of its own".into())
            }
            Self::NoCgroups => Some("mount -t cgroup2 none /sys/fs/cgroup".into()),
            _ => None,
        }
    }
}

fn is_weight(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains("weight"))
}

pub(super) fn write(path: &Path, value: &str) -> Result<(), Error> {
    write_each(path, [value])
}

/// Writes the `line` of a device's rate; the rate 0 takes a limit away, and a device that the kernel does not limit has none.
pub(super) fn write_rate(path: &Path, line: &str, rate: u64) -> Result<(), Error> {
    match write(path, line) {
        Err(Error::Write { errno: Errno::ENODEV, .. }) if rate == 0 => Ok(()),
        written => written,
    }
}

/// Writes several lines to a file that accepts one line in each write(2).
pub(super) fn write_each<V: AsRef<str>>(
    path: &Path,
    values: impl IntoIterator<Item = V>,
) -> Result<(), Error> {
    use rustix::fs::{Mode, OFlags};
    let failed = |value: &str, errno: rustix::io::Errno| Error::Write {
        path: path.into(),
        value: value.into(),
        errno: Errno::from_raw(errno.raw_os_error()),
    };
    let mut file = None;
    for value in values {
        let value = value.as_ref();
        let file = match &file {
            Some(file) => file,
            None => file.insert(
                rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
                    .map_err(|errno| failed(value, errno))?,
            ),
        };
        rustix::io::retry_on_intr(|| rustix::io::write(file, value.as_bytes()))
            .map_err(|errno| failed(value, errno))?;
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<String, Error> {
    hull_sys::fs::read_kernel_text(path).map_err(|error| Error::Call {
        action: "read",
        path: path.into(),
        errno: Errno::from_raw(error.raw_os_error().unwrap_or(0)),
    })
}

/// Makes a directory and the directories above it.
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
