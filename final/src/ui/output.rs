//! Results on stdout. `println!` would panic when the reader of a pipe has gone; these functions return an error.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use hull_storage::file::nameless;
use hull_sys::fs::link_open_file;
use hull_sys::sparse::HoleWriter;
use serde::Serialize;
use serde_json::Value;

use super::errors::Exit;
use super::reader_gone::Output;
use crate::persona::Persona;
use hull_printable as printable;
use hull_template::Template;

/// One line, in one write(2): several processes, such as those of `boot start`, may share the output.
pub fn line(line: impl std::fmt::Display) -> Result<()> {
    text(&format!("{line}\n"))
}

/// Whether `lxc --quiet` was given.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// What a verb of hull prints at its end. LXD's client prints nothing there, or something else: [`lxds`].
pub fn own(text: impl std::fmt::Display) -> Result<()> {
    if Persona::own() == Persona::Lxc { Ok(()) } else { line(text) }
}

/// What LXD's client says at the end of a verb for which hull prints nothing, or something else.
pub fn lxds(text: impl std::fmt::Display) -> Result<()> {
    if Persona::own() == Persona::Lxc && !IS_QUIET.load(Ordering::Relaxed) { line(text) } else { Ok(()) }
}

/// Several lines.
pub fn text(text: &str) -> Result<()> {
    let mut out = Output(io::stdout().lock());
    out.write_all(printable::block(text).as_bytes())?;
    Ok(out.flush()?)
}

/// Several lines with the terminal's own control sequences. The caller has made the text in them harmless.
pub fn raw(text: &str) -> Result<()> {
    let mut out = Output(io::stdout().lock());
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// JSON on one line.
pub fn json(value: &impl Serialize) -> Result<()> {
    line(json_line(value)?)
}

/// JSON on many lines.
pub fn pretty(value: &impl Serialize) -> Result<()> {
    line(printable::json(&serde_json::to_string_pretty(value)?))
}

/// What [`json`] prints.
pub fn json_line(value: &impl Serialize) -> Result<String> {
    Ok(printable::json(&serde_json::to_string(value)?).into_owned())
}

/// What `inspect` found: an indented array, or each through a template.
pub fn inspected(found: &[Value], format: Option<&str>) -> Result<()> {
    match format {
        None | Some("") => line(printable::json(&serde_json::to_string_pretty(found)?)),
        Some("json") => json(&found),
        Some(format) => {
            let template = template(format)?;
            found.iter().try_for_each(|value| line(template.render(value)?))
        }
    }
}

/// docker's `inspect`, `info` and `version` have their own exit code for an invalid template.
fn template(format: &str) -> Result<Template> {
    Template::parse(format).context(Exit(64))
}

/// One object, for people as `shown`, or in a format.
pub fn object<T: Serialize>(object: &T, format: Option<&str>, shown: impl FnOnce() -> String) -> Result<()> {
    match format {
        None | Some("") => text(&shown()),
        Some("json") => json(&serde_json::to_value(object)?),
        Some(format) => line(template(format)?.render(&serde_json::to_value(object)?)?),
    }
}

/// Writes to a file beside the target, which takes the target's name when it is complete. A failure leaves what was there. A
/// killed command leaves nothing where the file system has files without a name.
pub fn file(path: &Path, write: impl FnOnce(BufWriter<HoleWriter<File>>) -> Result<()>) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    // A device or a pipe is written to as it is; renaming would put a file in its place.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return write(buffered(File::options().write(true).open(path).with_context(cannot)?));
    }
    let (Some(name), parent) = (path.file_name(), path.parent()) else { bail!("{path:?} names no file") };
    let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // The directory is held open, because the write may change the mount namespace, and linkat(2) refuses a link from one
    // mount to another.
    let directory = File::open(parent).with_context(cannot)?;
    let unfinished = Path::new(name).with_added_extension(format!("{}.tmp", std::process::id()));
    let written = match nameless(&directory, Path::new("."), 0o666).with_context(cannot)? {
        Some(file) => {
            write(buffered(file.try_clone().with_context(cannot)?))?;
            // linkat(2) cannot replace a file, and renameat(2) can.
            link_open_file(&file, &directory, &unfinished).with_context(cannot)
        }
        None => write(buffered(File::create_new(parent.join(&unfinished)).with_context(cannot)?)),
    };
    let rename = || rustix::fs::renameat(&directory, &unfinished, &directory, name).with_context(cannot);
    let written = written.and_then(|()| rename());
    if written.is_err() {
        let _ = rustix::fs::unlinkat(&directory, &unfinished, rustix::fs::AtFlags::empty());
    }
    written
}

/// Long runs of zeros become holes in the file.
fn buffered(file: File) -> BufWriter<HoleWriter<File>> {
    BufWriter::with_capacity(128 * 1024, HoleWriter::new(file))
}

/// stdout for binary data, which is refused on a terminal. The standard library's buffer is not used, because it
/// searches all data for newlines.
pub fn binary(flag: &str) -> Result<BufWriter<Output<File>>> {
    if io::stdout().is_terminal() {
        bail!("cowardly refusing to write to a terminal: use {flag}, or redirect");
    }
    let stdout = io::stdout().as_fd().try_clone_to_owned().context("cannot duplicate stdout")?;
    Ok(BufWriter::with_capacity(128 * 1024, Output(File::from(stdout))))
}

/// Asks for confirmation. At the end of stdin, as without a terminal, the answer is no.
pub fn confirm(question: &str) -> Result<bool> {
    text(&format!("{question}\nAre you sure you want to continue? [y/N] "))?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
