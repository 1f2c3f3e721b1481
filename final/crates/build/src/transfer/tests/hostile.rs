//! Sources that mean harm, or change while they are read.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, FileType, Mode, makedev};

use super::{Copy, world};

/// Ends the other thread, also when an assertion has failed.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn nothing_but_regular_files_is_opened() {
    world("nothing_but_regular_files_is_opened", |world| {
        world.files(&["d/f=1"]);
        rustix::fs::mknodat(CWD, world.context("d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        // A user namespace makes no devices.
        let has_devices = !hull_sys::id_map::in_user_namespace();
        if has_devices {
            let (kind, null) = (FileType::CharacterDevice, makedev(1, 3));
            rustix::fs::mknodat(CWD, world.context("d/null"), kind, Mode::RUSR, null).unwrap();
        }
        let _listener = std::os::unix::net::UnixListener::bind(world.context("d/socket")).unwrap();
        let copy = Copy { sources: &["d"], destination: "/x", ..Copy::default() };
        let mut expected = vec!["400 0:0 x/fifo special", "644 0:0 x/f 1", "755 0:0 x/"];
        if has_devices {
            expected.insert(1, "400 0:0 x/null special");
        }
        assert_eq!(world.copied(&copy), expected);
        let copy = Copy { sources: &["d/fifo"], destination: "/x", ..Copy::default() };
        assert_eq!(world.copied(&copy), ["400 0:0 x special"]);
    });
}

#[test]
fn a_name_or_a_device_that_would_delete_is_refused() {
    world("a_name_or_a_device_that_would_delete_is_refused", |world| {
        world.files(&["a/.wh.passwd=1", "b/f=1"]);
        rustix::fs::mknodat(CWD, world.context("b/gone"), FileType::CharacterDevice, Mode::RUSR, 0).unwrap();
        for source in ["a", "b"] {
            let error = world.refused(&Copy { sources: &[source], destination: "/x", ..Copy::default() });
            assert!(error.contains("it would delete a file of the layers below"), "{error}");
        }
    });
}

#[test]
fn a_path_that_no_container_can_use_is_refused() {
    world("a_path_that_no_container_can_use_is_refused", |world| {
        let top = fs::File::open(world.context("")).unwrap();
        let mut at: std::os::fd::OwnedFd = top.into();
        let name = "n".repeat(200);
        for _ in 0..25 {
            rustix::fs::mkdirat(&at, &name, Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, &name, rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap();
        }
        let error = world.refused(&Copy { sources: &["."], destination: "/x", ..Copy::default() });
        assert!(error.contains("longer than 4095 bytes"), "{error}");
        let deep = "d/".repeat(500_000);
        let error = world.refused(&Copy { sources: &["."], destination: &deep, ..Copy::default() });
        assert!(error.contains("longer than 4095 bytes") && error.len() < 200, "{error}");
    });
}

#[test]
fn a_directory_that_becomes_a_symlink_leads_nowhere() {
    world("a_directory_that_becomes_a_symlink_leads_nowhere", |world| {
        world.files(&["d/s/f=inside", "e->/"]);
        let secret = world.scratch.path().join("secret");
        fs::create_dir(&secret).unwrap();
        fs::write(secret.join("f"), "outside").unwrap();
        std::os::unix::fs::symlink(&secret, world.context("link")).unwrap();
        let (real, link) = (world.context("d/s"), world.context("link"));
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let flags = rustix::fs::RenameFlags::EXCHANGE;
                    let _ = rustix::fs::renameat_with(CWD, &real, CWD, &link, flags);
                }
            });
            for _ in 0..200 {
                // Errors and symlinks are fine, the secret is not.
                if let Ok((directory, tar, _)) =
                    world.copy(&Copy { sources: &["d"], destination: "/x", ..Copy::default() })
                {
                    let content = fs::read_to_string(directory.join("x/s/f"));
                    assert!(
                        fs::symlink_metadata(directory.join("x/s")).is_ok_and(|meta| meta.is_symlink())
                            || content.is_ok_and(|content| content == "inside")
                    );
                    assert!(!tar.windows(7).any(|bytes| bytes == b"outside"));
                    fs::remove_dir_all(directory).unwrap();
                }
                let _ = world.copy(&Copy { sources: &["d/s/f"], destination: "/x", ..Copy::default() }).map(
                    |(directory, ..)| {
                        assert_eq!(fs::read_to_string(directory.join("x")).unwrap(), "inside");
                    },
                );
            }
        });
    });
}

#[test]
fn a_file_that_changes_while_it_is_read_is_whole_or_an_error() {
    world("a_file_that_changes_while_it_is_read_is_whole_or_an_error", |world| {
        let path = world.context("f");
        fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let _stop = Stop(&stop);
            scope.spawn(|| {
                let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
                while !stop.load(Ordering::Relaxed) {
                    file.set_len(1 << 10).unwrap();
                    file.set_len(1 << 20).unwrap();
                }
            });
            let mut whole = 0;
            for _ in 0..100 {
                // That the directory and the tar are the same is asserted by it.
                match world.copy(&Copy { sources: &["f"], destination: "/x", ..Copy::default() }) {
                    Ok(_) => whole += 1,
                    Err(error) => assert!(error.to_string().contains("became shorter"), "{error}"),
                }
            }
            assert!(whole > 0);
        });
    });
}

#[test]
fn an_owner_without_an_id_is_named() {
    world("an_owner_without_an_id_is_named", |world| {
        world.files(&["f=1"]);
        let copy = Copy { sources: &["f"], destination: "/x", chown: Some("4000000000"), ..Copy::default() };
        match hull_sys::id_map::in_user_namespace() {
            false => assert_eq!(world.copied(&copy), ["644 4000000000:4000000000 x 1"]),
            true => {
                let error = world.refused(&copy);
                assert!(error.contains("the owner 4000000000:4000000000 has no id"), "{error}");
            }
        }
    });
}

/// What the race above meets only now and then.
#[test]
fn a_symlink_in_a_path_that_had_none_is_an_error() {
    world("a_symlink_in_a_path_that_had_none_is_an_error", |world| {
        world.files(&["d/f=1", "inside->d", "outside->/etc"]);
        let tree = world.tree();
        for path in ["inside", "outside", "outside/ssl", "../context/d"] {
            assert!(crate::transfer::open::open_directory(&tree, path.as_ref()).is_err(), "{path}");
        }
        assert!(crate::transfer::open::open_file(&tree, "outside/passwd".as_ref()).is_err());
        assert!(crate::transfer::open::open_directory(&tree, "d".as_ref()).is_ok());
    });
}
