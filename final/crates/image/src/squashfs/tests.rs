//! Damaged file systems.

use std::io::Write;
use std::process::{Command, Stdio};

use super::Squashfs;
use crate::packing::{Content, Kind};

/// A small file system of mksquashfs's with all that an inode can have, or `None` without that program.
fn made(compressor: &str) -> Option<Vec<u8>> {
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    std::fs::write(tree.join("small"), "content").unwrap();
    std::fs::hard_link(tree.join("small"), tree.join("second")).unwrap();
    std::fs::write(tree.join("deep/large"), vec![7; 300_000]).unwrap();
    std::fs::File::create(tree.join("deep/er/hole")).unwrap().set_len(1 << 20).unwrap();
    std::os::unix::fs::symlink("../small", tree.join("deep/link")).unwrap();
    // All names of a socket are left out.
    drop(std::os::unix::net::UnixListener::bind(tree.join("socket")).unwrap());
    std::fs::hard_link(tree.join("socket"), tree.join("socket-again")).unwrap();
    let image = scratch.path().join("image");
    let status = Command::new("mksquashfs")
        .args([&tree, &image])
        .args(["-comp", compressor, "-noappend", "-quiet", "-no-progress", "-all-root", "-processors", "1"])
        .stdout(Stdio::null())
        .status();
    match status {
        Ok(status) if status.success() => Some(std::fs::read(image).unwrap()),
        _ => {
            let _ = writeln!(std::io::stderr(), "skipped: mksquashfs does not run");
            None
        }
    }
}

/// Reads all of it. Returns a line for each entry.
fn read(bytes: &[u8]) -> crate::error::Result<Vec<String>> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let mut lines = Vec::new();
    Squashfs::open(file)?.send(&mut |entry, content| {
        let mut text = format!("{} {:o}", entry.path.display(), entry.mode);
        match (&entry.kind, content) {
            (Kind::File { size }, Content::Stream(stream)) => {
                let mut bytes = Vec::new();
                stream.read_to_end(&mut bytes).map_err(crate::members::own)?;
                assert_eq!(bytes.len() as u64, *size);
                text += &format!(" {size} {}", bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>());
            }
            (Kind::Symlink(target), _) => text += &format!(" -> {}", target.display()),
            (Kind::HardLink(target), _) => text += &format!(" = {}", target.display()),
            _ => {}
        }
        lines.push(text);
        Ok(())
    })?;
    Ok(lines)
}

#[test]
fn all_compressions_have_the_same_files() {
    for compressor in ["gzip", "xz", "zstd"] {
        let Some(image) = made(compressor) else { return };
        let lines = read(&image).unwrap();
        let expected = [
            " 755",
            "deep 755",
            "deep/er 755",
            "deep/er/hole 644 1048576 0",
            "deep/large 644 300000 2100000",
            "deep/link 777 -> ../small",
            "second 644 7 763",
            "small 644 = second",
        ];
        assert_eq!(lines, expected, "{compressor}");
    }
    if let Some(image) = made("lz4") {
        assert!(read(&image).unwrap_err().to_string().contains("lz4"));
    }
}

#[test]
fn a_damaged_one_is_an_error_and_nothing_worse() {
    let Some(image) = made("gzip") else { return };
    let good = read(&image).unwrap();
    let mut refused = 0;
    // What follows is padding.
    let used = u64::from_le_bytes(image[40..48].try_into().unwrap()) as usize;
    for length in (0..used).step_by(97) {
        assert!(read(&image[..length]).is_err(), "{length}");
    }
    // The tables lie at the end, behind the content, and the header at the beginning.
    let places = (0..96).chain(used.saturating_sub(1000)..used);
    for at in places {
        for flip in [1, 0x80, 0xff] {
            let mut changed = image.clone();
            changed[at] ^= flip;
            match read(&changed) {
                Err(_) => refused += 1,
                Ok(lines) => assert!(lines.len() <= good.len() * 4, "{at}"),
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn a_directory_in_itself_is_refused() {
    let Some(_) = made("gzip") else { return };
    let scratch = tempfile::tempdir().unwrap();
    let tree = scratch.path().join("tree");
    std::fs::create_dir_all(tree.join("inner")).unwrap();
    let image = scratch.path().join("image");
    // Uncompressed tables can be changed in place.
    let mut program = Command::new("mksquashfs");
    program.args([&tree, &image]).args(["-noI", "-noappend", "-quiet", "-no-progress"]);
    assert!(program.stdout(Stdio::null()).status().unwrap().success());
    let mut bytes = std::fs::read(&image).unwrap();
    let root = u64::from_le_bytes(bytes[32..40].try_into().unwrap());
    let table = u64::from_le_bytes(bytes[72..80].try_into().unwrap()) as usize;
    // The table's length, a run's header of twelve bytes, and then the offset of the first entry's inode.
    let header = u16::from_le_bytes(bytes[table..table + 2].try_into().unwrap());
    assert!(header & 0x8000 != 0, "the directory table is not compressed");
    bytes[table + 14..table + 16].copy_from_slice(&(root as u16).to_le_bytes());
    assert!(read(&bytes).unwrap_err().to_string().contains("in itself"));
}
