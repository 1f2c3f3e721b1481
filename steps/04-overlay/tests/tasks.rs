//! The tasks of lesson 4, in order: what the reader's functions have to do.

// The modules have functions that no check calls. For mknod and setxattr.
#![allow(dead_code, unsafe_code)]

#[path = "../src/overlay.rs"]
mod overlay;
#[path = "../src/report.rs"]
mod report;
#[path = "../src/supervisor.rs"]
mod supervisor;

use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lesson_tasks::process::on_a_tmpfs;
use lesson_tasks::{
    Expect, Failure, Outcome, ensure, equal, isolated, lesson_lab, not_checked, run, scratch, shown, task,
    unprivileged,
};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use overlay::{Change, Overlay};

const PROGRAM: &str = env!("CARGO_BIN_EXE_step-04-overlay");

fn main() -> ExitCode {
    run(
        "04-overlay",
        &[
            task(1, "make_three creates the directories that the mount needs", three_directories),
            task(2, "A root directory cannot show the files of the host", shows_the_hosts_files).escape(),
            task(3, "options names the directories of the mount", options_of_a_mount),
            task(4, "mount_at shows the directories as one tree", mounts),
            task(5, "is_whiteout recognizes a deleted file", whiteouts),
            task(6, "opaque_mark recognizes a directory that replaces another one", marks),
            task(7, "letter says whether a path was added, changed or deleted", letters),
            task(8, "collect lists all changes", lists_changes),
        ],
    )
}

fn directory(path: PathBuf) -> PathBuf {
    fs::create_dir_all(&path).expect("own directory");
    path
}

fn file(path: PathBuf, text: &str) -> PathBuf {
    directory(path.parent().expect("it is in a directory").to_owned());
    fs::write(&path, text).expect("own directory");
    path
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The kernel lets everybody create this one device.
fn whiteout(path: &Path) -> Result<(), Failure> {
    directory(path.parent().expect("it is in a directory").to_owned());
    mknod(path, SFlag::S_IFCHR, Mode::empty(), makedev(0, 0))
        .map_err(|errno| not_checked(format_args!("a whiteout cannot be created here: {errno}")))
}

/// Sets an extended attribute. Not every file system has those of users.
fn mark(path: &Path, name: &str, value: &str) -> Result<(), Failure> {
    let c = |bytes: &[u8]| CString::new(bytes).expect("no zero byte");
    let (path, key) = (c(path.as_os_str().as_bytes()), c(name.as_bytes()));
    // SAFETY: both strings end in a zero byte, and the value is as long as we say.
    let done = unsafe { libc::setxattr(path.as_ptr(), key.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    let error = std::io::Error::last_os_error();
    (done == 0).then_some(()).ok_or_else(|| not_checked(format_args!("setxattr({name}): {error}")))
}

fn three_directories() -> Outcome {
    let dir = directory(scratch().join("web"));
    let why = "an overlay takes a directory for the changes, one for the kernel's own use, and one to be mounted on";
    overlay::make_three(&dir).expect_that("make_three succeeds", why)?;
    for name in ["upper", "work", "merged"] {
        ensure(dir.join(name).is_dir(), format_args!("there is a directory {name}"), "there is none", why)?;
    }
    let mode =
        |name: &str| fs::metadata(dir.join(name)).map_or(0, |found| found.permissions().mode() & 0o777);
    let why = "the root directory of merged has the mode of upper, and every user in the container has to get through it";
    equal("the mode of upper", "755", &*format!("{:o}", mode("upper")), why)?;
    let why =
        "only its owner may look into it, because it can hold set-user-ID programs of the container's root";
    equal("the mode of work", "700", &*format!("{:o}", mode("work")), why)?;
    let why = "the directory of --changes is used again, and its directories are there already";
    overlay::make_three(&dir).expect_that("make_three succeeds a second time", why)
}

fn shows_the_hosts_files() -> Outcome {
    isolated(|| {
        let place = on_a_tmpfs("tmpfs")?;
        let secret = file(place.join("host/secret"), "of the host");
        // A directory of the attacker's archive: its name has a colon, and behind it the path of a directory of the host.
        directory(place.join("evil"));
        let evil = PathBuf::from(format!("{}/evil:{}", place.display(), place.join("host").display()));
        file(evil.join("page"), "of the web application");
        let dir = directory(place.join("web"));
        for name in ["upper", "work", "merged"] {
            directory(dir.join(name));
        }
        // The check mounts by itself, so that only `escape` decides.
        let options = format!(
            "lowerdir={},upperdir={},workdir={},userxattr",
            overlay::escape(&text(&evil)),
            text(&dir.join("upper")),
            text(&dir.join("work"))
        );
        let why = "the kernel takes a colon for the end of a lower directory, and a comma for the end of an option, unless a \
                   backslash stands before it";
        let merged = dir.join("merged");
        mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
            .expect_that("the overlay can be mounted with the escaped path", why)?;
        let stolen = fs::read_to_string(merged.join("secret"));
        ensure(
            stolen.is_err(),
            format_args!("a container with --rootfs {} cannot read {}", evil.display(), secret.display()),
            format_args!("it reads the file: {:?}", stolen.unwrap_or_default()),
            why,
        )?;
        let page = fs::read_to_string(merged.join("page"));
        equal("the page of the web application", Some("of the web application".to_owned()), page.ok(), why)?;
        let why = "a backslash stands for itself only if it is doubled";
        equal("escape of a\\b:c,d", r"a\\b\:c\,d".to_owned(), overlay::escape(r"a\b:c,d"), why)
    })
}

fn options_of_a_mount() -> Outcome {
    let lowers = ["/top".to_owned(), "/a:b".to_owned()];
    let expected = r"lowerdir=/top:/a\:b,upperdir=/web\,1/upper,workdir=/web\,1/work";
    let why = "colons separate the lower directories, the first lies on top, and commas separate the options";
    equal("the options", expected, &*overlay::options(Path::new("/web,1"), &lowers, false), why)?;
    let why = "a user namespace may set no attribute called trusted, so the kernel has to be told to use those of users";
    let expected = format!("{expected},userxattr");
    equal(
        "the options in a user namespace",
        expected,
        overlay::options(Path::new("/web,1"), &lowers, true),
        why,
    )
}

fn mounts() -> Outcome {
    isolated(|| {
        let place = on_a_tmpfs("tmpfs")?;
        let lower = file(place.join("lower/page"), "from below\n");
        let dir = directory(place.join("web"));
        for name in ["upper", "work", "merged"] {
            directory(dir.join(name));
        }
        directory(place.join("lower/replaced"));
        let why = "mount(2) with the type overlay shows upper and the lower directories as one, at merged";
        let merged =
            overlay::mount_at(&dir, &[text(&place.join("lower"))]).expect_that("mount_at succeeds", why)?;
        equal("the path that mount_at returns", dir.join("merged"), merged.clone(), why)?;
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        equal("merged/page", "from below\n".to_owned(), read(&merged.join("page")), why)?;
        let why = "a file of a lower directory is copied to upper before it is changed, and the lower one stays as it is";
        fs::write(merged.join("page"), "changed\n").expect_that("a program can write to merged/page", why)?;
        equal("upper/page", "changed\n".to_owned(), read(&dir.join("upper/page")), why)?;
        equal("lower/page", "from below\n".to_owned(), read(&lower), why)?;
        let why = "a new directory hides the deleted one below it by a mark, and in a user namespace the kernel cannot set \
                   the mark without the option userxattr (EIO)";
        let replaced = merged.join("replaced");
        fs::remove_dir(&replaced).expect_that("a program can remove merged/replaced", why)?;
        fs::create_dir(&replaced).expect_that("a program can make merged/replaced again", why)?;
        let error = overlay::mount_at(&dir, &[text(&place.join("no-such-directory"))]).err();
        let why = "a container whose root directory was not mounted must not start";
        ensure(
            error.is_some(),
            "a lower directory that is not there is an error",
            "mount_at returned Ok",
            why,
        )
    })
}

fn metadata(path: &Path) -> fs::Metadata {
    fs::symlink_metadata(path).expect("it is there")
}

fn whiteouts() -> Outcome {
    let deleted = scratch().join("deleted");
    whiteout(&deleted)?;
    let why = "a whiteout is a character device with the numbers 0,0, which no driver has";
    equal("is_whiteout of a device 0,0", true, overlay::is_whiteout(&metadata(&deleted)), why)?;
    let why = "it is a device that programs use";
    equal("is_whiteout of /dev/null", false, overlay::is_whiteout(&metadata(Path::new("/dev/null"))), why)?;
    let empty = file(scratch().join("empty"), "");
    let why = "it is a file: its device number is 0, but it is not a character device";
    equal("is_whiteout of an empty file", false, overlay::is_whiteout(&metadata(&empty)), why)
}

fn marks() -> Outcome {
    isolated(|| {
        let place = on_a_tmpfs("tmpfs")?;
        let plain = directory(place.join("plain"));
        let why = "this directory has no attribute";
        equal("opaque_mark of a new directory", None, overlay::opaque_mark(&plain), why)?;
        let opaque = directory(place.join("opaque"));
        mark(&opaque, "user.overlay.opaque", "y")?;
        let link = place.join("link");
        std::os::unix::fs::symlink(&opaque, &link).expect("own directory");
        let why = "a link has no mark, also if the directory that it leads to has one: lgetxattr does not follow it";
        equal("opaque_mark of a link to an opaque directory", None, overlay::opaque_mark(&link), why)?;
        let why = "an overlay with the option userxattr marks an opaque directory by this attribute with the value y";
        equal("opaque_mark", Some("user.overlay.opaque"), overlay::opaque_mark(&opaque), why)?;
        let other = directory(place.join("other"));
        mark(&other, "user.overlay.opaque", "x")?;
        let why = "x has another meaning: it says that there may be whiteouts in the directory that are extended attributes";
        equal("opaque_mark of a directory with the value x", None, overlay::opaque_mark(&other), why)?;
        // Only root of the machine can set this one.
        if mark(&plain, "trusted.overlay.opaque", "y").is_ok() {
            let why = "an overlay that root has mounted uses this attribute";
            equal("opaque_mark", Some("trusted.overlay.opaque"), overlay::opaque_mark(&plain), why)?;
        }
        Ok(())
    })
}

/// The directories of an overlay that nobody has mounted: what a container has changed in a base.
fn changed() -> Result<Overlay, Failure> {
    let root = scratch();
    for name in ["lower/page", "lower/old", "lower/again"] {
        file(root.join(name), "from below");
    }
    let lowers = vec![directory(root.join("top")), root.join("lower")];
    // The upper one of the two lower directories has deleted a file before.
    whiteout(&root.join("top/again"))?;
    let changes = directory(root.join("changes"));
    directory(changes.join("work"));
    directory(changes.join("merged"));
    file(changes.join("upper/page"), "changed");
    file(changes.join("upper/new/file"), "new");
    file(changes.join("upper/again"), "made again");
    whiteout(&changes.join("upper/old"))?;
    std::os::unix::fs::symlink("/", changes.join("upper/link")).expect("own directory");
    let why = "the directories of --changes are there";
    overlay::prepare(lowers, Some(&changes), "lesson").expect_that("prepare succeeds", why)
}

fn letters() -> Outcome {
    let overlay = changed()?;
    let letter =
        |name: &str| overlay.letter(Path::new(name), &metadata(&overlay.dir.join("upper").join(name)));
    let why = "a lower directory has a file of this name";
    equal("the letter of a changed file", 'C', letter("page"), why)?;
    let why = "no lower directory has it";
    equal("the letter of a new file", 'A', letter("new/file"), why)?;
    let why = "the entry in upper is a whiteout";
    equal("the letter of a deleted file", 'D', letter("old"), why)?;
    let why = "the first lower directory that knows the name decides, and it has a whiteout: the container saw no file";
    equal("the letter of a file that a lower directory has deleted before", 'A', letter("again"), why)
}

fn lists_changes() -> Outcome {
    let overlay = changed()?;
    let mut changes: Vec<Change> = Vec::new();
    let why = "upper holds all changes";
    overlay.collect(Path::new(""), &mut changes).expect_that("collect succeeds", why)?;
    let mut listed: Vec<String> =
        changes.iter().map(|change| format!("{} {}", change.letter, change.path.display())).collect();
    listed.sort_by(|one, other| one[2..].cmp(&other[2..]));
    let expected = ["A /again", "A /link", "A /new", "A /new/file", "D /old", "C /page"];
    let why = "each entry of upper is a change, and so is each entry of its directories. A link to a directory is not followed: \
               this one leads to the root directory";
    equal("the list of changes", expected.map(String::from).to_vec(), listed, why)?;
    let new = overlay.dir.join("upper/new");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o000)).expect("own directory");
    let outcome = unprivileged(|| {
        let why =
            "a program can make its own directory unreadable, and the other changes are still of interest";
        let mut changes = Vec::new();
        overlay
            .collect(Path::new(""), &mut changes)
            .expect_that("collect skips an unreadable directory", why)?;
        equal("the number of changes without those in an unreadable directory", 5, changes.len(), why)
    });
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).expect("own directory");
    outcome?;
    for lab in lesson_lab::everyone(PROGRAM) {
        let script = "echo >>/lesson/change-me; rm /lesson/delete-me; echo >/root/new";
        let ended = lab.run(&["run", "--diff", "--", "sh", "-c", script]);
        let expected = "C /lesson\nC /lesson/change-me\nD /lesson/delete-me\nC /root\nA /root/new";
        ensure(ended.stdout == expected, format_args!("--diff prints {expected:?}"), shown(&ended), why)?;
    }
    Ok(())
}
