//! A root: a data directory that outlives reboots, and a run directory that does not.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::directory::make_dirs;
use crate::error::{Error, IoContext, Result};
use crate::file;

/// The format of the data directory that this hull writes.
pub const FORMAT: u32 = 2;

pub(crate) const SYSTEM_DATA: &str = "/var/lib/hull";
pub(crate) const SYSTEM_RUN: &str = "/run/hull";

/// Content of `<data>/version`.
#[derive(Serialize, Deserialize)]
struct Version {
    format: u32,
}

/// An opened pair of directories. Cheap to clone; holds no lock and no descriptor.
#[derive(Debug, Clone)]
pub struct Root {
    data: PathBuf,
    run: PathBuf,
    id: String,
    /// See `layers.rs`.
    has_one_id: bool,
    /// The format that the data directory has.
    format: u32,
}

impl Root {
    /// Creates what is missing. Refuses what a newer hull wrote, and a run directory of another data directory.
    pub fn open(data: &Path, run: &Path) -> Result<Self> {
        // 0710: the root user of a container, whose id is mapped, has to pass through; nobody has to list it.
        let data = private_directory(data, 0o710)?;
        let run = private_directory(run, 0o710)?;
        claim(&run, &data)?;
        let id = root_id(&data);
        let has_one_id = hull_sys::id_map::has_one_id();
        let mut root = Self { data, run, id, has_one_id, format: FORMAT };
        make_dirs(&root.run.join("containers"), 0o710)?;
        if let Some(format) = check_version(&root.data)? {
            root.format = format;
            if root.has_one_id {
                make_dirs(&root.layers_dir(), 0o710)?;
            }
            return Ok(root);
        }
        let dirs = [
            root.containers_dir(),
            root.names_dir(),
            root.volumes_dir(),
            root.layers_dir(),
            root.blobs_dir(),
            root.image_names_dir(),
            root.unnamed_images_dir(),
        ];
        dirs.iter().try_for_each(|dir| make_dirs(dir, 0o710))?;
        // Written last: a command that finds this file finds the directories too.
        write_version(&root.data)?;
        Ok(root)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    pub fn run(&self) -> &Path {
        &self.run
    }

    /// Eight hex digits that distinguish this root from the others on the machine.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is the machine's own root, whose kernel objects have the plain names.
    pub fn is_default(&self) -> bool {
        self.data == Path::new(SYSTEM_DATA)
    }

    /// The end of the names of kernel objects: empty for the default root, else `-<id>`.
    pub fn name_suffix(&self) -> String {
        if self.is_default() { String::new() } else { format!("-{}", self.id) }
    }

    pub fn containers_dir(&self) -> PathBuf {
        self.data.join("containers")
    }

    pub fn container_dir(&self, id: &str) -> PathBuf {
        self.containers_dir().join(id)
    }

    pub fn container_run_dir(&self, id: &str) -> PathBuf {
        self.run.join("containers").join(id)
    }

    /// True if an older hull wrote this root, so that the crates which own parts of it have to upgrade them.
    pub fn is_outdated(&self) -> bool {
        self.format < FORMAT
    }

    /// Records that all parts have been upgraded.
    pub fn note_format(&self) -> Result<()> {
        file::write_json_atomic(&self.data.join("version"), &Version { format: FORMAT })
    }

    pub fn images_dir(&self) -> PathBuf {
        self.data.join("images")
    }

    pub fn image_names_dir(&self) -> PathBuf {
        self.images_dir().join("names")
    }

    pub fn unnamed_images_dir(&self) -> PathBuf {
        self.images_dir().join("unnamed")
    }

    pub fn names_dir(&self) -> PathBuf {
        self.data.join("names")
    }

    pub fn volumes_dir(&self) -> PathBuf {
        self.data.join("volumes")
    }

    pub fn layers_dir(&self) -> PathBuf {
        if self.has_one_id { self.one_id_layers_dir() } else { self.data.join("layers") }
    }

    pub(crate) fn one_id_layers_dir(&self) -> PathBuf {
        self.data.join("layers-one-id")
    }

    pub fn blobs_dir(&self) -> PathBuf {
        self.data.join("blobs/sha256")
    }
}

/// The symlink in the run directory that leads to its data directory.
const OWNER: &str = "data-root";

/// Makes sure that a run directory has one data directory. The state of another one's containers would look like that of
/// containers which are gone, and be removed.
fn claim(run: &Path, data: &Path) -> Result<()> {
    let path = run.join(OWNER);
    let context = || format!("claim {}", path.display());
    loop {
        match fs::read_link(&path) {
            Ok(owner) if owner == data => return Ok(()),
            // It was removed or moved.
            Ok(owner) if !owner.exists() => file::remove(&path)?,
            Ok(owner) => {
                let why = format!("it has the state of the containers in {}", owner.display());
                return Err(Error::ForeignRunRoot { path: run.into(), why });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                match std::os::unix::fs::symlink(data, &path) {
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                    made => return made.context(context),
                }
            }
            Err(error) => return Err(error).context(context),
        }
    }
}

/// Creates a directory, or makes sure that an existing one belongs to this user. Returns its path without symlinks,
/// from which the root's id is derived.
pub fn private_directory(dir: &Path, mode: u32) -> Result<PathBuf> {
    make_dirs(dir, mode)?;
    let context = || format!("look at {}", dir.display());
    let path = dir.canonicalize().context(context)?;
    let owner = fs::metadata(&path).context(context)?.uid();
    // The owner of a directory can replace its content. A directory of root's that this user may write to is
    // writable for everybody.
    if owner != rustix::process::geteuid().as_raw() {
        return Err(Error::ForeignDirectory { path, owner });
    }
    Ok(path)
}

/// The format of the root; `None` for a new one.
fn check_version(data: &Path) -> Result<Option<u32>> {
    let path = data.join("version");
    let Some(version) = file::read_json::<Version>(&path)? else { return Ok(None) };
    if version.format > FORMAT {
        return Err(Error::NewerFormat { path, found: version.format, known: FORMAT });
    }
    Ok(Some(version.format))
}

/// If two first commands run at the same time, one writes the file and the other finds it.
fn write_version(data: &Path) -> Result<()> {
    file::create_json(&data.join("version"), &Version { format: FORMAT })?;
    check_version(data).map(drop)
}

fn root_id(data: &Path) -> String {
    let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
    digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this process is not root, or only root of a user namespace that may not write to the machine's directories
/// (`unshare --user --map-root-user`).
pub fn is_unprivileged() -> bool {
    if !rustix::process::geteuid().is_root() {
        return true;
    }
    let dir = if Path::new(SYSTEM_DATA).exists() { SYSTEM_DATA } else { "/var/lib" };
    hull_sys::id_map::in_user_namespace() && rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_err()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::testing::Scratch;

    fn open(scratch: &Scratch, name: &str) -> Result<Root> {
        Root::open(&scratch.path().join(name), &scratch.path().join(format!("{name}-run")))
    }

    #[test]
    fn two_roots_never_share_names() {
        let scratch = Scratch::new();
        let (one, two) = (open(&scratch, "one").unwrap(), open(&scratch, "two").unwrap());
        assert_ne!(one.name_suffix(), two.name_suffix());
        assert_eq!(one.name_suffix(), format!("-{}", one.id()));
        assert_eq!(one.id().len(), 8);
    }

    #[test]
    fn a_run_directory_has_one_data_directory() {
        let scratch = Scratch::new();
        let (one, two, run) =
            (scratch.path().join("one"), scratch.path().join("two"), scratch.path().join("run"));
        Root::open(&one, &run).unwrap();
        Root::open(&one, &run).unwrap();
        let error = Root::open(&two, &run).unwrap_err().to_string();
        assert!(
            error.contains("run cannot be used with another data root") && error.contains("one"),
            "{error}"
        );
        // A root that was moved takes its run directory with it, and one that is gone needs none.
        fs::rename(&one, &two).unwrap();
        Root::open(&two, &run).unwrap();
    }

    #[test]
    fn a_root_reached_through_a_symlink_is_the_same_root() {
        let scratch = Scratch::new();
        let one = open(&scratch, "one").unwrap();
        std::os::unix::fs::symlink(scratch.path().join("one"), scratch.path().join("link")).unwrap();
        assert_eq!(one.id(), open(&scratch, "link").unwrap().id());
    }

    #[test]
    fn a_newer_format_is_refused_with_a_sentence() {
        let scratch = Scratch::new();
        let root = open(&scratch, "one").unwrap();
        fs::write(root.data().join("version"), r#"{"format":3}"#).unwrap();
        let error = open(&scratch, "one").unwrap_err();
        assert!(
            error.to_string().ends_with("was written by a newer hull (format 3; this one knows 2)"),
            "{error}"
        );
        assert_eq!(error.kind(), hull_sys::Kind::Unsupported);
    }

    #[test]
    fn other_users_cannot_look_into_the_data_directory() {
        let scratch = Scratch::new();
        let root = open(&scratch, "one").unwrap();
        let mode = fs::metadata(root.data()).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{mode:o}");
        assert_eq!(
            fs::read_to_string(root.data().join("version")).unwrap().replace(char::is_whitespace, ""),
            r#"{"format":2}"#
        );
    }

    #[test]
    fn a_directory_has_the_mode_it_was_asked_for_and_keeps_it() {
        let scratch = Scratch::new();
        let dir = scratch.path().join("a/b");
        // Group and world writable is what every usual umask takes away.
        make_dirs(&dir, 0o777).unwrap();
        make_dirs(&dir, 0o700).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o777);
        fs::write(scratch.path().join("file"), "").unwrap();
        assert!(make_dirs(&scratch.path().join("file"), 0o700).is_err());
    }

    #[test]
    fn only_the_machines_own_root_has_plain_names() {
        let root = |data: &str| Root {
            data: data.into(),
            run: "/r".into(),
            id: root_id(Path::new(data)),
            has_one_id: false,
            format: FORMAT,
        };
        assert_eq!(root(SYSTEM_DATA).name_suffix(), "");
        assert_eq!(root("/srv/hull").name_suffix().len(), 9);
    }
}
