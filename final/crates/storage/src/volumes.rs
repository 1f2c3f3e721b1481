//! Named volumes, which outlive their containers. They follow docker's rules.
//!
//! ```text
//! volumes/<name>/volume.json   name, labels, options, time of creation, whether a user named it
//!                _data         what containers see
//!                mounted.json  of a volume that is a mount of its own: the processes that have it mounted
//!                lock          held while the image's files are copied in
//!                copying       a copy in progress; discarded if its command was killed
//!                copied        a complete copy that is being moved into _data; any command can finish this
//! ```

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::directory::make_dirs;
use crate::error::{Error, IoContext, Result};
use crate::file;
use crate::lock::Lock;
use crate::names::{is_valid, is_valid_short};
use crate::process_id::ProcessId;
use crate::root::Root;
use crate::staging::{self, Staging};
use crate::tree::{copy_directory, copy_metadata, disk_usage, remove_tree};

const FORMAT: u32 = 1;

/// The volumes of one root.
#[derive(Debug, Clone)]
pub struct Volumes {
    dir: PathBuf,
}

/// One volume, as its `volume.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Volume {
    format: u32,
    pub name: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The options of its driver: docker's `local`, which mounts something in the place of the data.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
    /// LXD's keys of a volume in a storage pool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Created for one container and removed with it by `rm -v`.
    #[serde(default)]
    pub anonymous: bool,
    /// Seconds since 1970.
    created: u64,
    /// The directory of the data. It depends on the root, so it is not recorded.
    #[serde(skip)]
    pub mountpoint: PathBuf,
    /// Why the record cannot be read. Everything but the name and the mount point is then unknown.
    #[serde(skip)]
    pub damage: Option<String>,
}

impl Volume {
    fn new(name: &str) -> Self {
        let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Self {
            format: FORMAT,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            options: BTreeMap::new(),
            config: BTreeMap::new(),
            description: String::new(),
            anonymous: false,
            created,
            mountpoint: PathBuf::new(),
            damage: None,
        }
    }

    pub fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.created)
    }
}

impl Volumes {
    pub fn new(root: &Root) -> Self {
        Self { dir: root.volumes_dir() }
    }

    /// The volumes in another directory: a storage pool's.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Creates a volume. An existing volume of this name is returned unchanged, labels and options included.
    pub fn create(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        options: &BTreeMap<String, String>,
        anonymous: bool,
    ) -> Result<Volume> {
        check_name(name)?;
        if let Some(volume) = self.find(name)? {
            return Ok(volume);
        }
        let staging = Staging::new(&self.dir)?;
        let (labels, options) = (labels.clone(), options.clone());
        let volume = Volume { labels, options, anonymous, ..Volume::new(name) };
        file::write_json_atomic(&staging.path().join("volume.json"), &volume)?;
        // Any user of any container may have to pass through. The volumes directory keeps the host's users out.
        make_dirs(&staging.path().join("_data"), 0o755)?;
        // If another command has created the volume meanwhile, that one is used.
        staging.publish(&self.volume_dir(name))?;
        self.get(name)
    }

    /// Creates a volume of a storage pool. `make` makes its data in a directory that becomes the volume's. Returns
    /// false if a volume of this name exists.
    pub fn create_with<E: From<Error>>(
        &self,
        name: &str,
        config: &BTreeMap<String, String>,
        description: &str,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<bool, E> {
        if !is_valid_short(name) {
            return Err(Error::InvalidName { what: "volume", name: name.to_owned() }.into());
        }
        let staging = Staging::new(&self.dir)?;
        let (config, description) = (config.clone(), description.to_owned());
        let volume = Volume { config, description, ..Volume::new(name) };
        make(staging.path())?;
        file::write_json_atomic(&staging.path().join("volume.json"), &volume)?;
        Ok(staging.publish(&self.volume_dir(name))?)
    }

    /// Replaces the record of a volume.
    pub fn store(&self, volume: &Volume) -> Result<()> {
        file::write_json_atomic(&self.volume_dir(&volume.name).join("volume.json"), volume)
    }

    /// The volume of this name. Fails if there is none.
    pub fn get(&self, name: &str) -> Result<Volume> {
        self.find(name)?.ok_or_else(|| Error::NoSuchVolume(name.to_owned()))
    }

    /// The volume of this name, if there is one.
    pub fn find(&self, name: &str) -> Result<Option<Volume>> {
        if !is_valid_short(name) {
            return Ok(None);
        }
        let path = self.volume_dir(name).join("volume.json");
        let Some(volume) = file::read_json::<Volume>(&path)? else { return Ok(None) };
        if volume.format > FORMAT {
            return Err(Error::NewerFormat { path, found: volume.format, known: FORMAT });
        }
        // The name of the directory counts: after an interrupted rename the record may still have the old name.
        Ok(Some(Volume { name: name.to_owned(), mountpoint: self.volume_dir(name).join("_data"), ..volume }))
    }

    /// All volumes, sorted by name, including those with a damaged record.
    pub fn list(&self) -> Result<Vec<Volume>> {
        let mut volumes = Vec::new();
        for name in crate::directory::names_in(&self.dir)? {
            // A volume that is being removed has lost its record.
            volumes.extend(self.find_any(&name)?);
        }
        Ok(volumes)
    }

    /// Like [`Self::find`], but also finds a volume whose record cannot be read.
    fn find_any(&self, name: &str) -> Result<Option<Volume>> {
        match self.find(name) {
            Err(error @ (Error::Damaged { .. } | Error::NewerFormat { .. } | Error::Io { .. })) => {
                Ok(Some(Volume {
                    created: self.made(name),
                    mountpoint: self.volume_dir(name).join("_data"),
                    damage: Some(error.to_string()),
                    ..Volume::new(name)
                }))
            }
            found => found,
        }
    }

    fn made(&self, name: &str) -> u64 {
        let modified =
            fs::metadata(self.volume_dir(name).join("volume.json")).and_then(|file| file.modified());
        let since = modified.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        since.map_or(0, |since| since.as_secs())
    }

    /// The directory of the volume's data, whether it exists or not.
    pub fn data_dir(&self, name: &str) -> Result<PathBuf> {
        if !is_valid_short(name) {
            check_name(name)?;
        }
        Ok(self.volume_dir(name).join("_data"))
    }

    /// Bytes in the volume's files.
    pub fn size(&self, name: &str) -> Result<u64> {
        disk_usage(&self.data_dir(name)?)
    }

    /// Removes a volume and its data. `users` are the containers that use it, stopped ones included; if there are any,
    /// nothing is removed.
    pub fn remove(&self, name: &str, users: &[String]) -> Result<()> {
        match self.find(name) {
            Err(Error::Damaged { .. } | Error::Io { .. }) => {}
            found => drop(found?.ok_or_else(|| Error::NoSuchVolume(name.to_owned()))?),
        }
        if !users.is_empty() {
            return Err(Error::VolumeInUse { name: name.to_owned(), users: users.to_vec() });
        }
        // The data is removed first and in place: if something is still mounted in it, the volume stays in the list.
        remove_tree(&self.data_dir(name)?)?;
        staging::remove_whole(&self.volume_dir(name))
    }

    /// The volumes that `volume prune` may remove: those that no container uses, and without `all` only the anonymous
    /// ones (docker's rule).
    pub fn unused(&self, all: bool, used: impl Fn(&str) -> bool) -> Result<Vec<Volume>> {
        let mut volumes = self.list()?;
        volumes.retain(|volume| (all || volume.anonymous) && !used(&volume.name));
        Ok(volumes)
    }

    /// Removes the remains of killed commands.
    pub fn collect(&self) -> Result<()> {
        staging::collect(&self.dir)
    }

    /// Fills an empty volume with the files that the image has at `destination`. Returns whether it did.
    ///
    /// `rootfs` is the mounted image. The destination is resolved inside it, so that a symlink there cannot bring files
    /// of the host into the volume. Owner, mode, times, attributes and links are kept, also those of the directory
    /// itself.
    pub fn copy_up(&self, name: &str, rootfs: &Path, destination: &Path) -> Result<bool> {
        let volume = self.get(name)?;
        let dir = self.volume_dir(name);
        // If two containers with the same empty volume start at once, one copies and the other finds the volume filled.
        let _lock = Lock::exclusive(&dir.join("lock"))?;
        let (copying, copied) = (dir.join("copying"), dir.join("copied"));
        if copied.exists() {
            move_into(&copied, &volume.mountpoint)?;
            return Ok(true);
        }
        remove_tree(&copying)?;
        if !is_empty(&volume.mountpoint)? {
            return Ok(false);
        }
        let Some(source) = open_source(rootfs, destination)? else { return Ok(false) };
        copy_directory(source, &in_rootfs(rootfs, destination), &copying)?;
        fs::rename(&copying, &copied).context(|| format!("fill the volume {name}"))?;
        move_into(&copied, &volume.mountpoint)?;
        Ok(true)
    }

    /// The processes that have the volume mounted, each with the path in its own mount namespace, as they were recorded
    /// last. The caller holds [`Self::lock_mounts`].
    pub fn mounted(&self, name: &str) -> Result<Vec<MountedBy>> {
        // The file names processes of this boot only. One that cannot be read names none.
        let holders: Option<Vec<MountedBy>> =
            file::read_json(&self.volume_dir(name).join("mounted.json")).unwrap_or_default();
        Ok(holders.unwrap_or_default().into_iter().filter(|holder| holder.process.is_alive()).collect())
    }

    pub fn note_mounted(&self, name: &str, holders: &[MountedBy]) -> Result<()> {
        file::write_json_atomic(&self.volume_dir(name).join("mounted.json"), &holders)
    }

    /// Held while a volume that is a mount of its own is mounted.
    pub fn lock_mounts(&self, name: &str) -> Result<Lock> {
        Lock::exclusive(&self.volume_dir(name).join("mounts.lock"))
    }

    fn volume_dir(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Fills an open, empty directory with the files that the image has at `destination`, like [`Volumes::copy_up`]. Used
/// where the directory cannot be filled by renaming: it is a part of a volume, or a mount. An interrupted copy stays.
pub fn fill_directory(directory: BorrowedFd<'_>, rootfs: &Path, destination: &Path) -> Result<bool> {
    let target = PathBuf::from(hull_sys::fs::fd_path(directory));
    if !is_empty(&target)? {
        return Ok(false);
    }
    let Some(source) = open_source(rootfs, destination)? else { return Ok(false) };
    copy_directory(source, &in_rootfs(rootfs, destination), &target)?;
    Ok(true)
}

fn in_rootfs(rootfs: &Path, destination: &Path) -> PathBuf {
    rootfs.join(destination.strip_prefix("/").unwrap_or(destination))
}

/// A process with a volume mounted in its mount namespace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MountedBy {
    pub process: ProcessId,
    pub path: PathBuf,
}

fn check_name(name: &str) -> Result<()> {
    if is_valid(name) { Ok(()) } else { Err(Error::InvalidName { what: "volume", name: name.to_owned() }) }
}

fn is_empty(dir: &Path) -> Result<bool> {
    let context = || format!("list {}", dir.display());
    Ok(fs::read_dir(dir).context(context)?.next().transpose().context(context)?.is_none())
}

/// The image's directory. `None` if the image has none there.
fn open_source(rootfs: &Path, destination: &Path) -> Result<Option<OwnedFd>> {
    let context = || format!("open {} in {}", destination.display(), rootfs.display());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(rootfs, flags, Mode::empty()).context(context)?;
    match hull_sys::fs::open_in_root(&root, destination, OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(source) => Ok(Some(source)),
        Err(nix::errno::Errno::ENOENT | nix::errno::Errno::ENOTDIR) => Ok(None),
        Err(error) => Err(error).context(context),
    }
}

/// Moves a complete copy into the volume. The volume's directory is not replaced, because a container may have it
/// mounted. If this is interrupted, the next call moves the rest.
fn move_into(copied: &Path, data: &Path) -> Result<()> {
    let context = || format!("fill {}", data.display());
    for entry in fs::read_dir(copied).context(context)? {
        let entry = entry.context(context)?;
        let target = data.join(entry.file_name());
        // A container that already had the empty volume may have created a file of this name. That file is kept.
        match fs::symlink_metadata(&target) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::rename(entry.path(), &target).context(context)?;
            }
            Err(error) => return Err(error).context(context),
        }
    }
    let (from, to) = (File::open(copied).context(context)?, File::open(data).context(context)?);
    copy_metadata(from.as_fd(), to.as_fd()).context(context)?;
    remove_tree(copied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, as_root};
    use std::os::unix::fs::{MetadataExt, symlink};

    fn volumes(scratch: &Scratch) -> Volumes {
        Volumes::new(&Root::open(&scratch.path().join("data"), &scratch.path().join("run")).unwrap())
    }

    fn image(scratch: &Scratch) -> PathBuf {
        let rootfs = scratch.path().join("rootfs");
        fs::create_dir_all(rootfs.join("srv/data/sub")).unwrap();
        fs::write(rootfs.join("srv/data/sub/file"), "image").unwrap();
        rootfs
    }

    #[test]
    fn creating_an_existing_volume_returns_it_unchanged() {
        let scratch = Scratch::new();
        let volumes = volumes(&scratch);
        let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
        volumes.create("data", &labels, &BTreeMap::new(), false).unwrap();
        let again = volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), true).unwrap();
        assert_eq!((again.labels, again.anonymous), (labels, false));
        assert_eq!(volumes.list().unwrap().len(), 1);
        assert_eq!(again.mountpoint, volumes.data_dir("data").unwrap());
    }

    #[test]
    fn a_volume_in_use_is_not_removed() {
        let scratch = Scratch::new();
        let volumes = volumes(&scratch);
        volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
        assert!(matches!(volumes.remove("data", &["web".into()]), Err(Error::VolumeInUse { .. })));
        volumes.remove("data", &[]).unwrap();
        assert!(matches!(volumes.remove("data", &[]), Err(Error::NoSuchVolume(_))));
        assert_eq!(fs::read_dir(&volumes.dir).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_record_hides_no_volume_and_can_be_removed() {
        let scratch = Scratch::new();
        let volumes = volumes(&scratch);
        for name in ["good", "half"] {
            volumes.create(name, &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
        }
        fs::write(volumes.volume_dir("half").join("volume.json"), "{\"form").unwrap();
        let damaged: Vec<_> = volumes.list().unwrap().iter().map(|volume| volume.damage.is_some()).collect();
        assert_eq!(damaged, [false, true]);
        assert_eq!(volumes.size("half").unwrap(), 0);
        volumes.remove("half", &[]).unwrap();
        assert_eq!(volumes.list().unwrap().len(), 1);
    }

    #[test]
    fn names_that_are_no_names_are_refused() {
        let scratch = Scratch::new();
        let volumes = volumes(&scratch);
        for bad in ["..", "a/b", "x", "", ".hidden"] {
            assert!(volumes.create(bad, &BTreeMap::new(), &BTreeMap::new(), false).is_err(), "{bad}");
            // The volumes of pools have LXD's names.
            assert_eq!(volumes.data_dir(bad).is_err(), bad != "x", "{bad}");
        }
    }

    #[test]
    fn an_empty_volume_takes_what_the_image_has() {
        let scratch = Scratch::new();
        let (volumes, rootfs) = (volumes(&scratch), image(&scratch));
        let volume = volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
        assert!(volumes.copy_up("data", &rootfs, Path::new("/srv/data")).unwrap());
        let file = volume.mountpoint.join("sub/file");
        assert_eq!(fs::read_to_string(&file).unwrap(), "image");
        fs::write(&file, "changed").unwrap();
        assert!(
            !volumes.copy_up("data", &rootfs, Path::new("/srv/data")).unwrap(),
            "only an empty one is filled"
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "changed");
    }

    #[test]
    fn the_volumes_directory_takes_the_owner_of_the_images() {
        as_root("the_volumes_directory_takes_the_owner_of_the_images", || {
            let scratch = Scratch::new();
            let (volumes, rootfs) = (volumes(&scratch), image(&scratch));
            std::os::unix::fs::chown(rootfs.join("srv/data"), Some(999), Some(998)).unwrap();
            let volume = volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
            volumes.copy_up("data", &rootfs, Path::new("/srv/data")).unwrap();
            let meta = fs::metadata(volume.mountpoint).unwrap();
            assert_eq!((meta.uid(), meta.gid()), (999, 998));
        });
    }

    #[test]
    fn a_symlink_in_the_image_does_not_reach_the_host() {
        let scratch = Scratch::new();
        let (volumes, rootfs) = (volumes(&scratch), image(&scratch));
        let outside = scratch.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "host").unwrap();
        symlink(&outside, rootfs.join("absolute")).unwrap();
        symlink("../../outside", rootfs.join("srv/relative")).unwrap();
        symlink("/srv/data", rootfs.join("inside")).unwrap();
        let volume = volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
        for path in ["/absolute", "/srv/relative", "/srv/../../outside", "/missing"] {
            assert!(!volumes.copy_up("data", &rootfs, Path::new(path)).unwrap(), "{path}");
        }
        assert!(is_empty(&volume.mountpoint).unwrap());
        assert!(volumes.copy_up("data", &rootfs, Path::new("/inside")).unwrap());
    }

    #[test]
    fn a_copy_that_was_cut_short_is_begun_again_or_finished() {
        let scratch = Scratch::new();
        let (volumes, rootfs) = (volumes(&scratch), image(&scratch));
        let volume = volumes.create("data", &BTreeMap::new(), &BTreeMap::new(), false).unwrap();
        let dir = volumes.volume_dir("data");
        fs::create_dir_all(dir.join("copying/half")).unwrap();
        assert!(volumes.copy_up("data", &rootfs, Path::new("/srv/data")).unwrap());
        assert!(!dir.join("copying").exists() && !volume.mountpoint.join("half").exists());

        fs::create_dir_all(dir.join("copied/late")).unwrap();
        assert!(volumes.copy_up("data", &rootfs, Path::new("/srv/data")).unwrap());
        assert!(volume.mountpoint.join("late").exists() && !dir.join("copied").exists());
    }

    #[test]
    fn prune_takes_anonymous_volumes_unless_all_are_asked_for() {
        let scratch = Scratch::new();
        let volumes = volumes(&scratch);
        for (name, anonymous) in [("named", false), ("anonymous", true), ("used", true)] {
            volumes.create(name, &BTreeMap::new(), &BTreeMap::new(), anonymous).unwrap();
        }
        let names = |all| -> Vec<String> {
            let unused = volumes.unused(all, |name| name == "used").unwrap();
            unused.into_iter().map(|volume| volume.name).collect()
        };
        assert_eq!(names(false), ["anonymous"]);
        assert_eq!(names(true), ["anonymous", "named"]);
    }
}
