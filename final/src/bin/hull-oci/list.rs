//! `state` and `list`: print containers as JSON (OCI runtime-spec, runtime.md, "State") or as a table.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::bundle::OCI_VERSION;
use crate::cli::{self, Format};
use crate::state::{Container, Root, State, Status};

/// The properties that the specification defines, and then those that runc adds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    oci_version: &'static str,
    id: String,
    /// 0 if no process runs.
    pid: i32,
    status: Status,
    bundle: PathBuf,
    rootfs: PathBuf,
    created: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    owner: String,
}

impl Shown {
    fn of(container: &Container, state: State) -> Self {
        let status = container.status(&state);
        let pid = state.init.as_ref().filter(|_| status != Status::Stopped).map_or(0, |init| init.pid);
        Self {
            oci_version: OCI_VERSION,
            pid,
            status,
            owner: owner(container),
            id: state.id,
            bundle: state.bundle,
            rootfs: state.rootfs,
            created: state.created,
            annotations: state.annotations,
        }
    }
}

/// The owner of the container's directory, by name if the user has one.
fn owner(container: &Container) -> String {
    let Ok(metadata) = std::fs::metadata(&container.directory) else { return String::new() };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(metadata.uid())).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("#{}", metadata.uid()))
}

pub fn state(root: &Root, args: &cli::Id) -> Result<u8> {
    let container = root.container(&args.id)?;
    let state = container.read()?;
    print(&serde_json::to_string_pretty(&Shown::of(&container, state))?)
}

pub fn list(root: &Root, args: &cli::List) -> Result<u8> {
    let mut code = 0;
    let mut shown = Vec::new();
    for container in root.containers()? {
        match container.read() {
            Ok(state) => shown.push(Shown::of(&container, state)),
            // Another process has removed it meanwhile.
            Err(_) if !container.exists() => {}
            Err(error) => {
                let _ = std::io::stderr().write_all(format!("hull-oci: {error:#}\n").as_bytes());
                code = 1;
            }
        }
    }
    let text = match (args.quiet, args.format) {
        (true, _) => shown.iter().map(|one| one.id.as_str()).collect::<Vec<_>>().join("\n"),
        (false, Format::Json) => serde_json::to_string(&shown)?,
        (false, Format::Table) => table(&shown),
    };
    if !text.is_empty() {
        print(&text)?;
    }
    Ok(code)
}

fn table(shown: &[Shown]) -> String {
    let heading = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"].map(str::to_owned);
    let row = |one: &Shown| {
        let bundle = one.bundle.display().to_string();
        [
            one.id.clone(),
            one.pid.to_string(),
            one.status.to_string(),
            bundle,
            one.created.clone(),
            one.owner.clone(),
        ]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(shown.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0).max(11);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$} "));
        format!("{}{}", cells.collect::<String>(), row[5])
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Prints to stdout. A closed pipe is no failure.
pub fn print(text: &str) -> Result<u8> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(0),
    }
}
