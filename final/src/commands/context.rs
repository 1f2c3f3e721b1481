//! `context`: docker's names for the servers that a client uses. Programs ask for the socket to use:
//! `docker context inspect --format '{{.Endpoints.docker.Host}}'`.

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::{Value, json};

use super::{inspect, serve};
use crate::cli::Global;
use crate::cli::context::{Context, ContextInspect, ContextList};
use crate::environment;
use crate::ui::errors::Hint;
use crate::ui::list::{self, Columns};
use crate::ui::output;

/// docker's, for what the environment says.
const NAME: &str = "default";

/// docker's, too.
const DESCRIPTION: &str = "Current DOCKER_HOST based configuration";

pub fn run(global: &Global, verb: &Context) -> Result<u8> {
    match verb {
        Context::Inspect(args) => inspect(global, args),
        Context::Ls(args) => ls(global, args),
        Context::Show(_) => output::line(NAME).map(|()| 0),
        Context::Use(args) => {
            own(&args.name)?;
            output::line(NAME)?;
            Ok(0)
        }
    }
}

/// The URL that docker's clients use here.
fn host(global: &Global) -> String {
    let given = environment::variable("DOCKER_HOST").filter(|host| !host.is_empty());
    given.unwrap_or_else(|| serve::url(&serve::default_socket(global)))
}

fn own(name: &str) -> Result<()> {
    let hint = || Hint("hull works on this machine: its one context is called default".into());
    if name == NAME { Ok(()) } else { Err(anyhow!("context {name:?} does not exist").context(hint())) }
}

fn inspect(global: &Global, args: &ContextInspect) -> Result<u8> {
    let names = if args.names.is_empty() { vec![NAME.to_owned()] } else { args.names.clone() };
    inspect::show(&names, args.format.as_deref(), |name| {
        own(name)?;
        Ok::<Value, anyhow::Error>(json!({
            "Name": NAME,
            "Metadata": {},
            "Endpoints": { "docker": { "Host": host(global), "SkipTLSVerify": false } },
            "TLSMaterial": {},
            "Storage": { "MetadataPath": "<IN MEMORY>", "TLSPath": "<IN MEMORY>" },
        }))
    })
}

const COLUMNS: Columns = Columns {
    titles: &[
        ("Name", "NAME"),
        // A title must not be true in the template of the table.
        ("Current", ""),
        ("Description", "DESCRIPTION"),
        ("DockerEndpoint", "DOCKER ENDPOINT"),
        ("Error", "ERROR"),
    ],
    shown: &["Name", "Description", "DockerEndpoint", "Error"],
};

/// A row of `context ls`, with docker's keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    current: bool,
    description: &'static str,
    docker_endpoint: String,
    error: &'static str,
    name: &'static str,
}

fn ls(global: &Global, args: &ContextList) -> Result<u8> {
    if args.quiet {
        return output::line(NAME).map(|()| 0);
    }
    let row =
        Row { current: true, description: DESCRIPTION, docker_endpoint: host(global), error: "", name: NAME };
    let template =
        "table {{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}";
    let format = args.format.as_deref().filter(|format| *format != "table");
    list::print(COLUMNS, &[row], Some(format.unwrap_or(template)))?;
    Ok(0)
}
