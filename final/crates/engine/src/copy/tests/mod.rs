//! Copies between a host directory and a made-up container root that does what it can to get out.

use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::*;

mod tars;

const PLAIN: CopyOptions = CopyOptions { archive: false, follow_link: false };
const ARCHIVE: CopyOptions = CopyOptions { archive: true, follow_link: false };
const FOLLOW: CopyOptions = CopyOptions { archive: false, follow_link: true };

/// `host` and `root` side by side: `../host` from inside is one step out of the container.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("hull-copy-{}-{count}", std::process::id()));
        fs::create_dir_all(path.join("host")).unwrap();
        fs::create_dir_all(path.join("root/tmp")).unwrap();
        Self(path)
    }

    fn host(&self, path: &str) -> PathBuf {
        self.0.join("host").join(path)
    }

    fn root(&self, path: &str) -> PathBuf {
        self.0.join("root").join(path)
    }

    fn container(&self) -> View {
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        View::container(rustix::fs::open(self.root(""), flags, Mode::empty()).unwrap(), "box")
    }

    fn copy_in(&self, from: &str, to: &str, options: CopyOptions) -> Result<()> {
        // Pushed as text: a trailing `/.` must arrive.
        let from = format!("{}/host/{from}", self.0.display());
        copy_in(&self.container(), Path::new(to), CopySource::Host(from.as_ref()), options)
    }

    fn copy_out(&self, from: &str, to: &str, options: CopyOptions) -> Result<()> {
        let to = format!("{}/host/{to}", self.0.display());
        copy_out(&self.container(), Path::new(from), CopyTarget::Host(to.as_ref()), options)
    }

    /// The copy's tar as paths.
    fn tar(&self, from: &str) -> Vec<String> {
        let mut bytes = Vec::new();
        send_tar(&self.container(), Path::new(from), &mut bytes, PLAIN).unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let path = |entry: tar::Entry<'_, _>| entry.path().unwrap().display().to_string();
        archive.entries().unwrap().map(|entry| path(entry.unwrap())).collect()
    }

    fn receive(&self, tar: tar::Builder<Vec<u8>>, to: &str) -> Result<()> {
        receive_tar(&tar.into_inner().unwrap()[..], &self.container(), Path::new(to), PLAIN)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn as_root(name: &str, test: impl FnOnce(&Scratch)) {
    if rustix::process::geteuid().is_root() {
        return test(&Scratch::new());
    }
    assert!(std::env::var_os("HULL_TESTS_MUST_RUN").is_none(), "{name} cannot run: needs root");
    eprintln!("SKIP {name}: needs root");
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn trees_go_in_and_out_by_dockers_rules() {
    as_root("trees_go_in_and_out_by_dockers_rules", |s| {
        fs::create_dir_all(s.host("tree/a")).unwrap();
        fs::write(s.host("tree/a/file"), "one").unwrap();
        s.copy_in("tree", "/tmp", PLAIN).unwrap();
        s.copy_in("tree/.", "/tmp/flat", PLAIN).unwrap();
        s.copy_in("tree/.", "/tmp/flat/", PLAIN).unwrap();
        s.copy_in("tree", "relative", PLAIN).unwrap();
        for path in ["tmp/tree/a/file", "tmp/flat/a/file", "relative/a/file"] {
            assert_eq!(read(s.root(path)), "one", "{path}");
        }
        s.copy_out("/tmp/tree/a/file", "out", PLAIN).unwrap();
        s.copy_out("/tmp/tree", "new/", PLAIN).unwrap();
        assert_eq!((read(s.host("out")), read(s.host("new/a/file"))), ("one".into(), "one".into()));
        for (from, to, why) in [
            ("/no/such", "x", "/no/such"),
            ("/tmp/tree/a/file", "missing/", "no such directory"),
            ("/tmp/tree/a/file", "out/", "not a directory"),
            ("/tmp/tree", "out", "cannot copy a directory to a file"),
            ("/tmp/tree/a/file", "missing/x", "missing"),
        ] {
            let error = s.copy_out(from, to, PLAIN).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(s.tar("/tmp/tree"), ["tree/", "tree/a/", "tree/a/file"]);
        assert_eq!(s.tar("/tmp/tree/."), ["./", "a/", "a/file"]);
        assert_eq!(s.tar("/tmp/tree/a/file"), ["file"]);
    });
}

#[test]
fn what_stands_in_the_way_is_not_replaced_by_another_kind() {
    as_root("what_stands_in_the_way_is_not_replaced_by_another_kind", |s| {
        fs::create_dir_all(s.host("tree/sub")).unwrap();
        fs::write(s.host("tree/file"), "").unwrap();
        fs::create_dir_all(s.root("tree/file")).unwrap();
        let error = s.copy_in("tree", "/", PLAIN).unwrap_err().to_string();
        assert!(error.contains("cannot overwrite a directory"), "{error}");
        fs::remove_dir(s.root("tree/file")).unwrap();
        fs::write(s.root("tree/sub"), "").unwrap();
        let error = s.copy_in("tree", "/", PLAIN).unwrap_err().to_string();
        assert!(error.contains("cannot overwrite a non-directory"), "{error}");
    });
}

#[test]
fn symlinks_of_the_container_stay_inside() {
    as_root("symlinks_of_the_container_stay_inside", |s| {
        fs::write(s.host("secret"), "of the machine").unwrap();
        let secret = s.host("secret");
        symlink(&secret, s.root("tmp/absolute")).unwrap();
        symlink("../../host/secret", s.root("tmp/relative")).unwrap();
        symlink("../../../../../../../../../..", s.root("tmp/up")).unwrap();
        symlink("loop", s.root("tmp/loop")).unwrap();
        symlink("/proc/self/root", s.root("tmp/magic")).unwrap();
        let up = format!("/tmp/up{}", secret.display());
        let magic = format!("/tmp/magic{}", secret.display());
        for path in ["/tmp/absolute", "/tmp/relative", "/tmp/loop", &up, &magic, "/../host/secret"] {
            let copied = s.copy_out(path, "stolen", FOLLOW);
            assert!(copied.is_err() && !s.host("stolen").exists(), "{path}");
        }

        symlink(s.host(""), s.root("tmp/door")).unwrap();
        symlink("../../host", s.root("tmp/gap")).unwrap();
        symlink(s.host("made"), s.root("tmp/dangling")).unwrap();
        fs::write(s.host("gift"), "gift").unwrap();
        for path in ["/tmp/door/landed", "/tmp/gap/landed", "/tmp/door", "/tmp/dangling", "/tmp/loop"] {
            let _ = s.copy_in("gift", path, PLAIN);
        }
        let mut names: Vec<_> = fs::read_dir(s.host("")).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["gift", "secret"]);
        assert_eq!(read(secret), "of the machine");
    });
}

#[test]
fn a_symlink_is_copied_as_one_unless_asked() {
    as_root("a_symlink_is_copied_as_one_unless_asked", |s| {
        fs::create_dir(s.root("dir")).unwrap();
        fs::write(s.root("dir/file"), "x").unwrap();
        symlink("/dir", s.root("link")).unwrap();
        s.copy_out("/link", "as-link", PLAIN).unwrap();
        s.copy_out("/link/", "by-slash", PLAIN).unwrap();
        s.copy_out("/link", "by-flag", FOLLOW).unwrap();
        assert_eq!(fs::read_link(s.host("as-link")).unwrap(), Path::new("/dir"));
        assert_eq!((read(s.host("by-slash/file")), read(s.host("by-flag/file"))), ("x".into(), "x".into()));
        // At the destination the file it points to is replaced, and the symlink stays.
        symlink("dir/file", s.root("to-file")).unwrap();
        fs::write(s.host("new"), "new").unwrap();
        s.copy_in("new", "/to-file", PLAIN).unwrap();
        assert_eq!(read(s.root("dir/file")), "new");
        assert!(s.root("to-file").is_symlink());
    });
}

#[test]
fn owners_and_what_privileges_leave_the_container_need_the_archive_flag() {
    as_root("owners_and_what_privileges_leave_the_container_need_the_archive_flag", |s| {
        fs::create_dir(s.root("d")).unwrap();
        fs::write(s.root("d/tool"), "x").unwrap();
        std::os::unix::fs::chown(s.root("d/tool"), Some(1234), Some(4321)).unwrap();
        fs::set_permissions(s.root("d/tool"), fs::Permissions::from_mode(0o6755)).unwrap();
        let file = File::open(s.root("d/tool")).unwrap();
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        hull_sys::fs::set_xattr(&file, c"security.capability", &capability).unwrap();
        hull_sys::fs::set_xattr(&file, c"user.note", b"kept").unwrap();
        let null = rustix::fs::makedev(1, 3);
        let mode = Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(CWD, s.root("d/null"), FileType::CharacterDevice, mode, null).unwrap();
        fs::set_permissions(s.root("d/null"), fs::Permissions::from_mode(0o666)).unwrap();
        s.copy_out("/d", "plain", PLAIN).unwrap();
        s.copy_out("/d", "kept", ARCHIVE).unwrap();

        let look = |path: &str| {
            let meta = fs::symlink_metadata(s.host(path)).unwrap();
            (meta.uid(), meta.gid(), meta.mode() & 0o7777)
        };
        assert_eq!((look("plain/tool"), look("plain/null")), ((0, 0, 0o755), (0, 0, 0o600)));
        assert_eq!((look("kept/tool"), look("kept/null")), ((1234, 4321, 0o6755), (0, 0, 0o666)));
        let attributes = |path: &str| -> Vec<String> {
            let found = hull_sys::fs::xattrs(File::open(s.host(path)).unwrap()).unwrap();
            let mut names: Vec<_> = found.into_iter().map(|(name, _)| name.into_string().unwrap()).collect();
            names.retain(|name| name != "security.selinux");
            names.sort();
            names
        };
        assert_eq!(attributes("plain/tool"), ["user.note"]);
        assert_eq!(attributes("kept/tool"), ["security.capability", "user.note"]);

        // Into the container as docker does it.
        s.copy_in("kept/tool", "/tmp", PLAIN).unwrap();
        let meta = fs::metadata(s.root("tmp/tool")).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (0, 0, 0o6755));
        assert_eq!(attributes("../root/tmp/tool"), ["security.capability", "user.note"]);
        fs::create_dir(s.host("sticky")).unwrap();
        fs::set_permissions(s.host("sticky"), fs::Permissions::from_mode(0o3777)).unwrap();
        s.copy_in("sticky", "/tmp", PLAIN).unwrap();
        assert_eq!(fs::metadata(s.root("tmp/sticky")).unwrap().mode() & 0o7777, 0o3777);
    });
}

#[test]
fn fifos_and_hard_links_arrive_and_sockets_do_not() {
    as_root("fifos_and_hard_links_arrive_and_sockets_do_not", |s| {
        let tree = s.root("tree");
        fs::create_dir(&tree).unwrap();
        rustix::fs::mknodat(CWD, tree.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o622), 0).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap();
        fs::write(tree.join("one"), "x").unwrap();
        fs::hard_link(tree.join("one"), tree.join("two")).unwrap();
        symlink("/nowhere", tree.join("link")).unwrap();
        s.copy_out("/tree", "", PLAIN).unwrap();
        let meta = |path: &str| fs::symlink_metadata(s.host(path)).unwrap();
        assert!(meta("tree/fifo").file_type().is_fifo());
        assert_eq!(meta("tree/one").ino(), meta("tree/two").ino());
        assert!(!s.host("tree/socket").exists());
        // A FIFO in the destination's place is neither opened nor waited for.
        fs::write(s.host("file"), "x").unwrap();
        assert!(s.copy_in("file", "/tree/fifo", PLAIN).is_err());
        // Out as a tar and in again: the same tree.
        let mut bytes = Vec::new();
        send_tar(&s.container(), Path::new("/tree"), &mut bytes, PLAIN).unwrap();
        receive_tar(&bytes[..], &s.container(), Path::new("/tmp"), PLAIN).unwrap();
        let meta = |path: &str| fs::symlink_metadata(s.root("tmp/tree").join(path)).unwrap();
        assert!(meta("fifo").file_type().is_fifo() && meta("link").is_symlink());
        assert_eq!(meta("one").ino(), meta("two").ino());
    });
}

#[test]
fn a_directory_is_not_copied_into_itself() {
    as_root("a_directory_is_not_copied_into_itself", |s| {
        let error = copy_in(&s.container(), Path::new("/tmp"), CopySource::Host(&s.root("")), PLAIN);
        assert!(error.unwrap_err().to_string().contains("into itself"));
    });
}

#[test]
fn what_the_kernel_makes_is_not_copied() {
    as_root("what_the_kernel_makes_is_not_copied", |s| {
        let machine = View::container(rustix::fs::open("/", OFlags::PATH, Mode::empty()).unwrap(), "box");
        for path in ["/proc/version", "/sys/kernel"] {
            let error = copy_out(&machine, Path::new(path), CopyTarget::Host(&s.host("")), PLAIN)
                .unwrap_err()
                .to_string();
            assert!(error.contains("made by the kernel"), "{error}");
        }
        fs::write(s.host("file"), "x").unwrap();
        let error =
            copy_in(&machine, Path::new("/proc"), CopySource::Host(&s.host("file")), PLAIN).unwrap_err();
        assert!(error.to_string().contains("kernel's own"), "{error}");
    });
}

/// The container turns a directory into a symlink and back, as fast as it can.
#[test]
fn a_race_over_a_directory_is_not_won_by_the_container() {
    as_root("a_race_over_a_directory_is_not_won_by_the_container", |s| {
        fs::create_dir_all(s.host("tree/a/b")).unwrap();
        fs::write(s.host("tree/a/b/file"), "x").unwrap();
        fs::create_dir_all(s.host("safe/a/b")).unwrap();
        fs::write(s.host("safe/a/b/secret"), "of the machine").unwrap();
        fs::create_dir_all(s.root("tmp/tree/a/b")).unwrap();
        let (door, aside) = (s.root("tmp/tree/a"), s.root("tmp/aside"));
        let link = s.root("tmp/link");
        symlink(s.host("safe/a"), &link).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    let _ = fs::rename(&door, &aside).and_then(|()| fs::rename(&link, &door));
                    let _ = fs::rename(&door, &link).and_then(|()| fs::rename(&aside, &door));
                }
            });
            for _ in 0..500 {
                // Each may fail; none may succeed in the wrong place.
                let _ = s.copy_in("tree", "/tmp", PLAIN);
                let _ = s.copy_out("/tmp/tree/a/b/.", "out", PLAIN);
                let _ = s.copy_out("/tmp/tree", "out", FOLLOW);
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(fs::read_dir(s.host("safe/a/b")).unwrap().count(), 1);
        assert!(!s.host("out/secret").exists());
        // A symlink may have been copied as what it is.
        assert!(s.host("out/tree/a").is_symlink() || !s.host("out/tree/a/b/secret").exists());
    });
}

#[test]
fn names_of_the_container_do_not_reach_a_terminal_as_they_are() {
    as_root("names_of_the_container_do_not_reach_a_terminal_as_they_are", |s| {
        fs::create_dir_all(s.host("tree")).unwrap();
        fs::create_dir_all(s.root("tree/\x1b[2J")).unwrap();
        fs::write(s.host("tree/\x1b[2J"), "").unwrap();
        let error = s.copy_in("tree", "/", PLAIN).unwrap_err().to_string();
        assert!(error.contains("u{1b}") && !error.contains('\x1b'), "{error}");
    });
}

/// The mount is in a namespace that is not ours, as a running container's are: there unlink(2) would remove it.
#[test]
fn a_mount_of_the_container_is_neither_replaced_nor_removed() {
    as_root("a_mount_of_the_container_is_neither_replaced_nor_removed", |s| {
        use nix::mount::{MsFlags, mount};
        fs::write(s.root("mounted"), "below").unwrap();
        fs::write(s.host("file"), "x").unwrap();
        // CLONE_NEWNS brings CLONE_FS: the namespace is that thread's alone, and its root is reached by descriptor.
        let open = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            mount(Some(&s.host("file")), &s.root("mounted"), None::<&str>, MsFlags::MS_BIND, None::<&str>)
                .unwrap();
            let flags = OFlags::PATH | OFlags::DIRECTORY;
            rustix::fs::open(s.root(""), flags, Mode::empty()).unwrap()
        };
        let (sender, receiver) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            // The namespace ends with its last thread.
            scope.spawn(move || sender.send(open()).map(|()| wait.recv()));
            let container = View::container(receiver.recv().unwrap(), "box");
            let from = s.host("file");
            let from = CopySource::Host(&from);
            let error = copy_in(&container, Path::new("/mounted"), from, PLAIN).unwrap_err();
            assert!(error.to_string().contains("something is mounted there"), "{error}");
            drop(done);
        });
        assert_eq!(read(s.root("mounted")), "below");
    });
}
