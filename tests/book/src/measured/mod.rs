//! The times that the book shows. `cargo xtask book --measure` measures them and writes them to `book/measured`, and the pages
//! show them as tables. The tests check that hull still makes the calls that were measured.
//!
//! ```text
//! start      the calls that divide a start, and when each was made   book/measured/start.json    generated/measured/start.md
//! watch        the two tracers: ftrace for times, strace for the order
//! speed      hull compared with its baseline, and with others                  book/measured/speed.json    generated/measured/speed.md
//! ```

pub mod speed;
pub mod start;
mod watch;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::book;
use crate::transcripts::Prompt;
use crate::transcripts::lab::Shell;

/// The text of `generated/measured/NAME`.
pub fn table(path: &Path) -> Result<String> {
    match path.to_str() {
        Some("start.md") => start::table(&read()?),
        Some("speed.md") => speed::table(&read_from("speed")?),
        Some("others.md") => speed::others(&read_from("speed")?),
        _ => bail!("no generator makes {}", path.display()),
    }
}

/// The machine on which the times were measured: only the properties on which the times depend.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// "6.12"
    pub kernel: String,
    pub processors: usize,
    /// The load average of the last minute: how many processes wanted a processor.
    pub load: f64,
}

impl Machine {
    fn this() -> Result<Self> {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("asking for the kernel")?;
        let kernel = release.split('.').take(2).collect::<Vec<_>>().join(".");
        let load = fs::read_to_string("/proc/loadavg").context("asking for the load")?;
        let load = load.split(' ').next().and_then(|load| load.parse().ok()).context("a load is a number")?;
        Ok(Self { kernel, processors: std::thread::available_parallelism()?.get(), load })
    }

    fn shown(&self) -> String {
        let Self { kernel, processors, load } = self;
        // An otherwise idle machine has a load below one.
        let busy = if *load < 2.0 { String::new() } else { format!(", busy with other work (load {load})") };
        format!("Linux {kernel}, {processors} processors{busy}")
    }
}

/// The start that was measured last.
pub fn read() -> Result<start::Start> {
    read_from("start")
}

/// Measures everything with the programs in that directory, and stores the results.
pub fn measure(binaries: &Path, ratios: &str) -> Result<()> {
    write("start", &start::measure(binaries)?)?;
    write("speed", &speed::measure(binaries, ratios)?)
}

fn path(name: &str) -> PathBuf {
    book().join("measured").join(name).with_extension("json")
}

fn read_from<T: for<'a> Deserialize<'a>>(name: &str) -> Result<T> {
    let path = path(name);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))
}

fn write<T: Serialize>(name: &str, measured: &T) -> Result<()> {
    let path = path(name);
    fs::create_dir_all(path.parent().context("a file has a directory")?)?;
    let text = serde_json::to_string_pretty(measured)? + "\n";
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// A shell as root with the image `busybox` in hull's store.
fn shell(binaries: &Path) -> Result<Shell> {
    let mut shell = Shell::with_programs(Prompt::Root, binaries)?;
    let image = "make-image image && hull load -qi image && hull tag $(hull images -q) busybox && hull run --rm busybox true";
    succeed(&mut shell, image)?;
    Ok(shell)
}

fn succeed(shell: &mut Shell, command: &str) -> Result<Vec<String>> {
    let mut printed = shell.enter(&format!("( {command} ); echo $?"))?;
    let code = printed.pop();
    ensure!(code.as_deref() == Some("0"), "{command}: {printed:?}");
    Ok(printed)
}

fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|one, other| one.partial_cmp(other).unwrap_or(std::cmp::Ordering::Equal));
    values.get(values.len() / 2).copied()
}
