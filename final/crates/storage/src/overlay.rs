//! A container's root file system: its own writable directory over the image's layers; see
//! `Documentation/filesystems/overlayfs.rst`.

mod view;

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, StatVfsMountFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, move_mount,
};

use crate::directory::make_dirs;
use crate::error::{Error, IoContext, OverlayObstacle, Result};
use crate::mapped_layers::{LayerIds, MappedLayers};
use crate::tree::copy_metadata;

pub use view::LayersView;

/// statfs(2), `f_type`.
const OVERLAYFS_MAGIC: u64 = 0x794c_7630;
const EXT4_MAGIC: u64 = 0xef53;

/// The highest number of lower layers: `OVL_MAX_STACK` in the kernel's fs/overlayfs/params.h.
const MOST_LOWERS: usize = 500;

/// The number of lower layers for kernels that take all options in one string of a page. The link of a layer's
/// descriptor in /proc has up to 18 bytes, so more would fit. The rest is for the other options.
const MOST_IN_STRING: usize = 100;

/// fsconfig(2) takes strings of up to 255 bytes.
const LONGEST_STRING: usize = 255;

/// Options that are always set, whatever the kernel's defaults are. A layer is used below other layers and on other
/// kernels, so nothing in it may refer to another layer. With `metacopy` a file may have its content in another layer;
/// a kernel without it fails with EPERM. With `redirect_dir` a renamed directory refers to one in another layer;
/// without it the directory is empty. With `index` the kernel refuses a work directory that was used with other layers
/// (ESTALE).
pub(crate) const FIXED: [(&str, &str); 3] =
    [("redirect_dir", "nofollow"), ("metacopy", "off"), ("index", "off")];

/// The directories of an overlay, and its options.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// The image's layers, top first.
    pub lowers: Vec<PathBuf>,
    /// The directory for changes. It is created if it is missing, like `work`, which must be on the same file system.
    pub upper: PathBuf,
    pub work: PathBuf,
    /// Never sync: for a container whose files nobody reads again. After a crash of the machine the kernel refuses to
    /// mount the upper directory.
    pub volatile: bool,
    /// Keep the overlay's marks in `user.overlay.*`, which a user namespace may write; Linux 5.11.
    pub userxattr: bool,
    /// The ids that the files of all layers have in the overlay. `None`: as on the disk. Device nodes in mapped layers cannot be
    /// opened: a user namespace may not make any (mknod(2)), and an image must not bring its own.
    pub ids: Option<LayerIds>,
}

/// The step that failed, and the kernel's reason.
pub(crate) struct Failure {
    pub step: String,
    pub error: Errno,
}

impl Overlay {
    /// Mounts the overlay at `target`, which is created if it is missing.
    pub fn mount_at(&self, target: &Path) -> Result<()> {
        make_dirs(target, 0o755)?;
        // The kernel creates this directory with the first mount.
        let is_new = !self.work.join("work").exists();
        make_dirs(&self.upper, 0o755)?;
        make_dirs(&self.work, 0o700)?;
        let paths = Paths::open(self)?;
        if is_new {
            paths.adopt_root(self)?;
        }
        let mounted = match &self.ids {
            None => self.mount(&paths, target),
            Some(ids) => {
                let mut mapped = MappedLayers::new(ids, &self.work, target);
                let paths = paths.mapped(&mut mapped)?;
                let mounted = mapped.as_root_of_container(|| self.mount(&paths, target));
                mounted.unwrap_or_else(|error| Err(failed("take the ids of the container's root")(error)))
            }
        };
        let usable = mounted.and_then(|()| self.refuse_read_only(target));
        usable.map_err(|Failure { step, error }| Error::Overlay {
            target: target.to_owned(),
            step,
            source: error.into(),
            obstacle: self.obstacle(error),
        })
    }

    /// Refuses an overlay that is read-only. The kernel mounts one so if it could not make its work directory, and only
    /// the kernel's log says why (fs/overlayfs/super.c, `ovl_make_workdir`). The usual reason is a full disk.
    fn refuse_read_only(&self, target: &Path) -> Result<(), Failure> {
        let mounted = rustix::fs::statvfs(target).map_err(failed("statvfs"))?;
        if !mounted.f_flag.contains(StatVfsMountFlags::RDONLY) {
            return Ok(());
        }
        nix::mount::umount2(target, nix::mount::MntFlags::MNT_DETACH)
            .map_err(|errno| failed("umount")(Errno::from_raw_os_error(errno as i32)))?;
        let attempt = self.work.join("attempt");
        let made = rustix::fs::mkdir(&attempt, Mode::RWXU);
        let _ = rustix::fs::rmdir(&attempt);
        let error = made.err().unwrap_or(Errno::ROFS);
        Err(Failure { step: "make the work directory".into(), error })
    }

    fn mount(&self, paths: &Paths<'_>, target: &Path) -> Result<(), Failure> {
        match self.append_layers(paths)? {
            Some(context) => self.finish(&context, target),
            None => self.mount_with_string(paths, target),
        }
    }

    /// A configured file system context. `None` if the kernel does not take layers one by one.
    fn append_layers(&self, paths: &Paths<'_>) -> Result<Option<OwnedFd>, Failure> {
        let Some(context) = append_lowers(&paths.lowers)? else { return Ok(None) };
        let set = |key, path: &Handle<'_>| {
            fsconfig_set_string(&context, key, path.short()).map_err(|error| explained(&context, key, error))
        };
        set("upperdir", &paths.upper)?;
        set("workdir", &paths.work)?;
        set_fixed(&context)?;
        for (key, wanted) in [("volatile", self.volatile), ("userxattr", self.userxattr)] {
            if wanted {
                fsconfig_set_flag(&context, key).map_err(|error| explained(&context, key, error))?;
            }
        }
        Ok(Some(context))
    }

    fn finish(&self, context: &OwnedFd, target: &Path) -> Result<(), Failure> {
        fsconfig_create(context).map_err(|error| explained(context, "fsconfig", error))?;
        let attributes = match self.ids {
            Some(_) => MountAttrFlags::MOUNT_ATTR_NODEV,
            None => MountAttrFlags::empty(),
        };
        let tree = fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed("fsmount"))?;
        move_mount(&tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
            .map_err(failed("move_mount"))
    }

    /// mount(2) takes all options in one string of at most a page. The path of a layer has about a hundred bytes. The
    /// link of its descriptor in /proc has under twenty, and no character that needs escaping.
    fn mount_with_string(&self, paths: &Paths<'_>, target: &Path) -> Result<(), Failure> {
        let lowers: Vec<String> = paths.lowers.iter().map(Handle::link).collect();
        let mut options = format!(
            "lowerdir={},upperdir={},workdir={}{}",
            lowers.join(":"),
            paths.upper.link(),
            paths.work.link(),
            fixed_in_string()
        );
        for (option, wanted) in [(",volatile", self.volatile), (",userxattr", self.userxattr)] {
            if wanted {
                options.push_str(option);
            }
        }
        let options =
            CString::new(options).map_err(|_| Failure { step: "mount".into(), error: Errno::INVAL })?;
        let flags = match self.ids {
            Some(_) => nix::mount::MsFlags::MS_NODEV,
            None => nix::mount::MsFlags::empty(),
        };
        nix::mount::mount(Some("hull"), target, Some("overlay"), flags, Some(options.as_c_str()))
            .map_err(|errno| failed("mount")(Errno::from_raw_os_error(errno as i32)))
    }

    /// The most likely reason for an error of the kernel.
    fn obstacle(&self, error: Errno) -> Option<OverlayObstacle> {
        let kind = file_system_kind(&self.upper);
        Some(match error {
            Errno::INVAL if self.lowers.len() > MOST_LOWERS => OverlayObstacle::TooManyLayers,
            Errno::INVAL if kind == Some(OVERLAYFS_MAGIC) => OverlayObstacle::RootOnOverlay,
            Errno::INVAL if self.work.join("work/incompat/volatile").exists() => {
                OverlayObstacle::VolatileAfterCrash
            }
            Errno::INVAL if kind != Some(EXT4_MAGIC) => OverlayObstacle::RootFileSystem,
            Errno::PERM if self.userxattr => OverlayObstacle::OldKernel,
            Errno::NODEV => OverlayObstacle::NotInKernel,
            Errno::BUSY => OverlayObstacle::InUse,
            Errno::TOOBIG | Errno::NOMEM => OverlayObstacle::TooManyLayers,
            _ => return None,
        })
    }
}

/// An open directory of the stack.
struct Handle<'a> {
    path: &'a Path,
    opened: OwnedFd,
    /// It is on an idmapped mount, to which the path does not lead.
    is_mapped: bool,
}

impl<'a> Handle<'a> {
    /// Opens a directory. If it is missing, the error names it; the error of the mount would not.
    fn open(path: &'a Path) -> Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = rustix::fs::open(path, flags, Mode::empty())
            .context(|| format!("open the layer {}", path.display()))?;
        Ok(Handle { path, opened, is_mapped: false })
    }

    /// The path if the kernel takes it, because /proc/mounts shows it; else the link of the descriptor.
    fn short(&self) -> Vec<u8> {
        let path = self.path.as_os_str().as_bytes();
        // Some options read a backslash as an escape and others do not.
        let plain = !self.is_mapped && path.len() <= LONGEST_STRING && !path.contains(&b'\\');
        if plain { path.to_vec() } else { self.link().into_bytes() }
    }

    fn link(&self) -> String {
        hull_sys::fs::fd_path(self.opened.as_fd())
    }
}

struct Paths<'a> {
    lowers: Vec<Handle<'a>>,
    upper: Handle<'a>,
    work: Handle<'a>,
}

impl<'a> Paths<'a> {
    fn open(overlay: &'a Overlay) -> Result<Self> {
        Ok(Self {
            lowers: overlay.lowers.iter().map(|lower| Handle::open(lower)).collect::<Result<_>>()?,
            upper: Handle::open(&overlay.upper)?,
            work: Handle::open(&overlay.work)?,
        })
    }
}

impl<'a> Paths<'a> {
    /// The same directories on idmapped mounts. Upper and work directory must be on the same one.
    fn mapped(self, layers: &mut MappedLayers<'_>) -> Result<Paths<'a>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let above = self.upper.path.parent().unwrap_or(self.upper.path);
        let opened = rustix::fs::open(above, flags, Mode::empty());
        let above =
            layers.map_parent_of_work(&opened.context(|| format!("open {}", above.display()))?, above)?;
        let lower = |lower: Handle<'a>| {
            let opened = layers.map(&lower.opened, lower.path)?;
            Ok(Handle { path: lower.path, opened, is_mapped: true })
        };
        let below = |directory: Handle<'a>| {
            let path = directory.path;
            let opened =
                rustix::fs::openat(&above, path.file_name().unwrap_or_default(), flags, Mode::empty());
            let opened = opened.context(|| format!("open {}", path.display()))?;
            Ok(Handle { path, opened, is_mapped: true })
        };
        let (upper, work) = (below(self.upper)?, below(self.work)?);
        Ok(Paths { lowers: self.lowers.into_iter().map(lower).collect::<Result<_>>()?, upper, work })
    }

    /// Gives the upper directory the metadata of the image's root directory, because the upper directory is what an
    /// overlay shows as its root.
    fn adopt_root(&self, overlay: &Overlay) -> Result<()> {
        let Some(top) = overlay.lowers.first() else { return Ok(()) };
        let adopt = || {
            let (from, to) = (File::open(top)?, File::open(&overlay.upper)?);
            copy_metadata(from.as_fd(), to.as_fd())
        };
        adopt().context(|| format!("make {} like {}", overlay.upper.display(), top.display()))
    }
}

/// A file system context with lower layers, top first. `None` if the kernel does not take layers one by one.
fn append_lowers(lowers: &[Handle<'_>]) -> Result<Option<OwnedFd>, Failure> {
    let context = match fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(Errno::NOSYS | Errno::PERM) => return Ok(None),
        context => context.map_err(failed("fsopen"))?,
    };
    if takes_anything(&context) {
        return Ok(None);
    }
    for (n, lower) in lowers.iter().enumerate() {
        match fsconfig_set_string(&context, "lowerdir+", lower.short()) {
            // The kernel does not know the option. If the path is wrong instead, mounting with a string fails too.
            Err(Errno::INVAL) if n == 0 => return Ok(None),
            set => set.map_err(|error| explained(&context, "lowerdir+", error))?,
        }
    }
    // The first column of /proc/mounts.
    fsconfig_set_string(&context, "source", "hull").map_err(failed("source"))?;
    Ok(Some(context))
}

pub(crate) fn set_fixed(context: &OwnedFd) -> Result<(), Failure> {
    FIXED.iter().try_for_each(|(key, value)| {
        fsconfig_set_string(context, *key, *value).map_err(|error| explained(context, key, error))
    })
}

/// [`FIXED`] as the end of an option string.
pub(crate) fn fixed_in_string() -> String {
    FIXED.iter().map(|(key, value)| format!(",{key}={value}")).collect()
}

/// The highest number of lower layers that this kernel takes.
pub fn most_lowers() -> usize {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC);
    match context.is_ok_and(|context| !takes_anything(&context)) {
        true => MOST_LOWERS,
        false => MOST_IN_STRING,
    }
}

/// Before Linux 6.5 overlay accepts any option and checks it only when it is mounted, where it refuses unknown ones
/// with a line in the kernel's log each time. So this sets an option that no kernel knows.
pub(crate) fn takes_anything(context: &OwnedFd) -> bool {
    let taken = fsconfig_set_flag(context, "hull").is_ok();
    // Reads the kernel's message about it, so that the message is not taken for the reason of a later failure.
    drop(explained(context, "", Errno::INVAL));
    taken
}

pub(crate) fn failed(step: &str) -> impl FnOnce(Errno) -> Failure {
    move |error| Failure { step: step.to_owned(), error }
}

/// Adds the messages that the kernel wrote into the context's log, one per read(2); fsopen(2).
pub(crate) fn explained(context: &OwnedFd, step: &str, error: Errno) -> Failure {
    let mut step = step.to_owned();
    let mut message = [0; 512];
    while let Ok(length @ 1..) = rustix::io::read(context, &mut message[..]) {
        let text = String::from_utf8_lossy(&message[..length]);
        // "e " is an error; warnings and information have other letters.
        if let Some(text) = text.trim().strip_prefix("e ") {
            step = format!("{step}: {text}");
        }
    }
    Failure { step, error }
}

/// The kernel's name of the file system at a path, as docker spells it.
pub fn file_system_name(path: &Path) -> &'static str {
    match file_system_kind(path) {
        Some(EXT4_MAGIC) => "extfs",
        Some(0x5846_5342) => "xfs",
        Some(0x9123_683e) => "btrfs",
        Some(0x0102_1994) => "tmpfs",
        Some(0x2fc1_2fc1) => "zfs",
        Some(0xf2f5_2010) => "f2fs",
        Some(OVERLAYFS_MAGIC) => "overlayfs",
        _ => "<unknown>",
    }
}

fn file_system_kind(path: &Path) -> Option<u64> {
    rustix::fs::statfs(path).map(|stat| stat.f_type as u64).map_err(io::Error::from).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Scratch, in_mount_namespace};
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    /// An overlay of as many layers as given, each with a file of its own and all of them with `shared`.
    fn overlay(base: &Path, layers: usize) -> Overlay {
        let lowers: Vec<PathBuf> = (0..layers).map(|n| base.join(format!("layer-{n}"))).collect();
        for (n, lower) in lowers.iter().enumerate() {
            fs::create_dir_all(lower).unwrap();
            fs::write(lower.join(format!("file-{n}")), "").unwrap();
            fs::write(lower.join("shared"), n.to_string()).unwrap();
        }
        Overlay {
            lowers,
            upper: base.join("upper"),
            work: base.join("work"),
            volatile: false,
            userxattr: false,
            ids: None,
        }
    }

    #[test]
    fn the_top_layer_wins_and_changes_go_to_the_upper_directory() {
        in_mount_namespace("the_top_layer_wins_and_changes_go_to_the_upper_directory", |scratch| {
            let overlay = overlay(scratch.path(), 3);
            let target = scratch.path().join("rootfs");
            overlay.mount_at(&target).unwrap();
            assert_eq!(fs::read_to_string(target.join("shared")).unwrap(), "0");
            assert!(target.join("file-2").exists());
            fs::write(target.join("shared"), "changed").unwrap();
            assert_eq!(fs::read_to_string(overlay.upper.join("shared")).unwrap(), "changed");
            assert_eq!(fs::read_to_string(overlay.lowers[0].join("shared")).unwrap(), "0");
        });
    }

    #[test]
    fn the_root_directory_is_the_images() {
        in_mount_namespace("the_root_directory_is_the_images", |scratch| {
            let overlay = overlay(scratch.path(), 1);
            std::os::unix::fs::chown(&overlay.lowers[0], Some(12), Some(34)).unwrap();
            fs::set_permissions(&overlay.lowers[0], fs::Permissions::from_mode(0o1777)).unwrap();
            let target = scratch.path().join("rootfs");
            overlay.mount_at(&target).unwrap();
            let meta = fs::metadata(&target).unwrap();
            assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (12, 34, 0o1777));
        });
    }

    #[test]
    fn a_hundred_layers_fit_with_and_without_appending() {
        in_mount_namespace("a_hundred_layers_fit_with_and_without_appending", |scratch| {
            let base = scratch.path().join("a,path:with everything that an option string\\would trip over");
            let overlay = overlay(&base, 100);
            let (one, two) = (base.join("one"), base.join("two"));
            overlay.mount_at(&one).unwrap();
            assert!(one.join("file-99").exists());
            nix::mount::umount(&one).unwrap();

            fs::create_dir(&two).unwrap();
            let paths = Paths::open(&overlay).unwrap();
            assert!(overlay.mount_with_string(&paths, &two).is_ok());
            assert!(two.join("file-99").exists());
        });
    }

    #[test]
    fn a_root_deeper_than_a_mount_option_can_say_still_works() {
        in_mount_namespace("a_root_deeper_than_a_mount_option_can_say_still_works", |scratch| {
            let base = scratch.path().join("d".repeat(200)).join("e".repeat(200));
            overlay(&base, 2).mount_at(&base.join("rootfs")).unwrap();
            assert!(base.join("rootfs/file-1").exists());
        });
    }

    #[test]
    fn volatile_and_userxattr_are_accepted() {
        in_mount_namespace("volatile_and_userxattr_are_accepted", |scratch| {
            let overlay = Overlay { volatile: true, userxattr: true, ..overlay(scratch.path(), 1) };
            overlay.mount_at(&scratch.path().join("rootfs")).unwrap();
            let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
            let line = mounts.lines().find(|line| line.contains("rootfs overlay")).unwrap();
            // Newer kernels print volatile as fsync=volatile.
            assert!(
                line.starts_with("hull ") && line.contains("volatile") && line.contains("userxattr"),
                "{line}"
            );
        });
    }

    #[test]
    fn an_upper_directory_on_an_overlay_is_explained() {
        in_mount_namespace("an_upper_directory_on_an_overlay_is_explained", |scratch| {
            let outer = scratch.path().join("outer");
            overlay(scratch.path(), 1).mount_at(&outer).unwrap();
            let error = overlay(&outer, 1).mount_at(&outer.join("rootfs")).unwrap_err();
            assert!(
                matches!(error, Error::Overlay { obstacle: Some(OverlayObstacle::RootOnOverlay), .. }),
                "{error}"
            );
        });
    }

    #[test]
    fn a_missing_layer_is_named() {
        let scratch = Scratch::new();
        let mut overlay = overlay(scratch.path(), 1);
        overlay.lowers.push("/no/such/layer".into());
        let error = overlay.mount_at(&scratch.path().join("rootfs")).unwrap_err().to_string();
        assert!(error.starts_with("cannot open the layer /no/such/layer"), "{error}");
    }
}
