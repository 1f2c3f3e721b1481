//! Debian packages that are unpacked and never installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::machine::Machine;
use crate::workspace::{output, run};

/// apt as it is on this machine, or, for another architecture, with its own lists and state, so that this machine need not
/// know the other architecture.
pub struct Apt {
    dir: PathBuf,
    options: Vec<String>,
}

impl Apt {
    /// apt for the packages of `machine`. For another architecture, this fetches the lists.
    pub fn open(machine: &Machine) -> Result<Self> {
        let dir = machine.dir().join("apt");
        let mut options = vec!["-oAPT::Sandbox::User=root".to_owned(), "-qq".to_owned()];
        let Some(architecture) = machine.debian else { return Ok(Self { dir, options }) };
        for name in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(name))?;
        }
        options.extend([
            format!("-oAPT::Architecture={architecture}"),
            format!("-oAPT::Architectures={architecture}"),
            format!("-oDir::State={}", dir.join("state").display()),
            // No package counts as installed there.
            "-oDir::State::status=/dev/null".to_owned(),
            format!("-oDir::Cache={}", dir.join("cache").display()),
        ]);
        let apt = Self { dir, options };
        run(apt.command("apt-get").arg("update")).context("fetching the lists of packages")?;
        Ok(apt)
    }

    /// The package that the metapackage depends on.
    pub fn dependency(&self, metapackage: &str) -> Result<String> {
        let depends = output(self.command("apt-cache").args(["depends", metapackage]))?;
        let name = depends.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
        Ok(name.with_context(|| format!("apt knows no package behind {metapackage}"))?.trim().to_owned())
    }

    /// Unpacks one package into `tree`.
    pub fn unpack(&self, package: &str, tree: &Path) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        eprintln!("fetching {package}");
        run(self.command("apt-get").args(["download", package]).current_dir(&self.dir))?;
        self.extract(&self.dir, tree)
    }

    /// Unpacks packages and all of their dependencies into `tree`. Only for another architecture, where no package counts as
    /// installed.
    pub fn unpack_all(&self, packages: &[&str], tree: &Path) -> Result<()> {
        let mut install = self.command("apt-get");
        install.args(["install", "--yes", "--download-only", "--no-install-recommends"]).args(packages);
        run(&mut install)?;
        self.extract(&self.dir.join("cache/archives"), tree)
    }

    /// Unpacks the packages in `from`, and removes them. They are unpacked beside `tree` first, so that an interrupted run
    /// does not leave a half full tree.
    fn extract(&self, from: &Path, tree: &Path) -> Result<()> {
        let unfinished = tree.with_extension("new");
        let _ = fs::remove_dir_all(&unfinished);
        fs::create_dir_all(&unfinished)?;
        for entry in fs::read_dir(from)? {
            let archive = entry?.path();
            if archive.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg-deb").arg("-x").args([&archive, &unfinished]))?;
                fs::remove_file(&archive)?;
            }
        }
        fs::rename(&unfinished, tree).with_context(|| format!("making {}", tree.display()))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options);
        command
    }
}
