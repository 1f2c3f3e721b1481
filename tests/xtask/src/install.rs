//! `cargo xtask install --prefix DIR`: release builds, completions, man pages and the book, where a distribution puts them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::book;
use crate::workspace::{cargo, output, run, target};

const BINARIES: [&str; 2] = ["hull", "hull-oci"];

/// A shell, and the path below a prefix where it looks for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/hull"),
    ("zsh", "share/zsh/site-functions/_hull"),
    ("fish", "share/fish/vendor_completions.d/hull.fish"),
];

/// Where the book is below a prefix. hull looks for it there (`final/src/ui/book.rs`).
const BOOK: &str = "share/doc/hull/book";

pub fn install(prefix: &Path) -> Result<()> {
    let hull = binaries(prefix)?.join("hull");
    for (shell, path) in COMPLETIONS {
        let script = output(Command::new(&hull).args(["completion", shell]))?;
        place(&prefix.join(path), script.as_bytes(), 0o644)?;
    }
    let man = prefix.join("share/man/man1");
    fs::create_dir_all(&man).with_context(|| format!("making {}", man.display()))?;
    run(Command::new(&hull).arg("man").arg(&man))?;
    println!("man pages in {}", man.display());
    place_book(&prefix.join(BOOK))
}

/// Builds the pages beside their place and renames: a reader's page stays until the new one is whole.
fn place_book(place: &Path) -> Result<()> {
    let unfinished = place.with_extension("new");
    book::build_in(&unfinished)?;
    if place.exists() {
        fs::remove_dir_all(place).with_context(|| format!("removing {}", place.display()))?;
    }
    fs::rename(&unfinished, place).with_context(|| format!("writing {}", place.display()))?;
    println!("the book in {}", place.display());
    Ok(())
}

/// Installs the programs alone; returns their directory.
pub fn binaries(prefix: &Path) -> Result<PathBuf> {
    run(&mut cargo(&["build", "--release", "--package", "hull", "--bins"]))?;
    let (release, bin) = (target()?.join("release"), prefix.join("bin"));
    for binary in BINARIES {
        place(&bin.join(binary), &fs::read(release.join(binary)).context(binary)?, 0o755)?;
    }
    Ok(bin)
}

/// Writes to another name and renames: a running `hull` keeps its file, and no reader sees half of one.
fn place(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let parent = path.parent().context("a file has a directory")?;
    fs::create_dir_all(parent).with_context(|| format!("making {}", parent.display()))?;
    let unfinished = path.with_extension("new");
    fs::write(&unfinished, content).with_context(|| format!("writing {}", unfinished.display()))?;
    fs::set_permissions(&unfinished, PermissionsExt::from_mode(mode))?;
    fs::rename(&unfinished, path).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}
