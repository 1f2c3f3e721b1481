//! The machine's kernel: fetched as a Debian package, unpacked below `target/vm`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::apt::Apt;
use super::machine::Machine;

/// An unpacked kernel.
pub struct Kernel {
    pub image: PathBuf,
    /// `lib/modules/<release>`.
    modules: PathBuf,
}

/// The machine's kernel, which is fetched if it is missing.
pub fn fetch(machine: &Machine) -> Result<Kernel> {
    let unpacked = machine.dir().join("kernel");
    if !unpacked.exists() {
        let apt = Apt::open(machine)?;
        apt.unpack(&apt.dependency(machine.kernel)?, &unpacked)?;
    }
    let modules = find(&unpacked.join("lib/modules"), "")?;
    Ok(Kernel { image: find(&unpacked.join("boot"), "vmlinuz-")?, modules })
}

impl Kernel {
    /// The files of `module` and of its dependencies, in the order of loading. The package has no `modules.dep`, which
    /// depmod would make, but each module names its dependencies itself, in its `.modinfo` section.
    pub fn load_order(&self, module: &str) -> Result<Vec<PathBuf>> {
        let builtin = fs::read_to_string(self.modules.join("modules.builtin"))?;
        let mut order = Vec::new();
        self.add(module, &builtin, &mut order)?;
        Ok(order)
    }

    fn add(&self, module: &str, builtin: &str, order: &mut Vec<PathBuf>) -> Result<()> {
        let name = format!("{module}.ko");
        if builtin.lines().any(|line| line.ends_with(&format!("/{name}"))) {
            return Ok(());
        }
        let list = fs::read_to_string(self.modules.join("modules.order"))?;
        let wanted = |line: &&str| line.rsplit('/').next().is_some_and(|n| n.trim_end_matches(".xz") == name);
        let line = list.lines().find(wanted).with_context(|| format!("the kernel has no module {module}"))?;
        let file = self.modules.join(line);
        for dependency in
            dependencies(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?)
        {
            self.add(&dependency, builtin, order)?;
        }
        if !order.contains(&file) {
            order.push(file);
        }
        Ok(())
    }
}

/// The `depends=` entry of a module's `.modinfo`: names with commas between them.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = module.windows(KEY.len()).position(|w| w == KEY) else { return Vec::new() };
    let value = module[at + KEY.len()..].split(|b| *b == 0).next().unwrap_or_default();
    String::from_utf8_lossy(value).split(',').filter(|n| !n.is_empty()).map(str::to_owned).collect()
}

fn find(dir: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))?;
    let mut names = entries.flatten().map(|e| e.path());
    let found = names.find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(prefix)));
    found.with_context(|| format!("no {prefix}* in {}", dir.display()))
}
