//! `serve --print-units`: a socket by which systemd starts the server when a client connects, and the server's unit.

use anyhow::Result;
use hull_storage::root::is_unprivileged;

use super::program_words;
use super::quote::{value, word};
use crate::cli::Global;
use crate::cli::serve::{Serve, Unit};
use crate::ui::output;

const NAME: &str = "hull-serve";

/// The server's own arguments are what the service runs it with. `group` may use root's socket.
pub fn print(global: &Global, args: &Serve, unit: Unit, group: Option<&str>) -> Result<u8> {
    let is_users = args.user || is_unprivileged();
    let directory = if is_users { "~/.config/systemd/user" } else { "/etc/systemd/system" };
    let header = |kind: &str| match unit {
        Unit::Both => format!("# {directory}/{NAME}.{kind}\n"),
        _ => String::new(),
    };
    let mut texts = Vec::new();
    if unit != Unit::Service {
        texts.push(header("socket") + &socket(args, group.filter(|_| !is_users), is_users));
    }
    if unit != Unit::Socket {
        texts.push(header("service") + &service(global, args)?);
    }
    if unit == Unit::Both {
        let user = if is_users { " --user" } else { "" };
        texts.push(format!(
            "# --print-units=socket and --print-units=service print one unit each, for its file. Then:\n\
             # systemctl{user} daemon-reload && systemctl{user} enable --now {NAME}.socket\n"
        ));
    }
    output::text(&texts.join("\n"))?;
    Ok(0)
}

fn socket(args: &Serve, group: Option<&str>, is_users: bool) -> String {
    let hosts: Vec<&str> =
        args.hosts.iter().map(|host| host.split_once("://").map_or(&**host, |(_, path)| path)).collect();
    let streams = match (hosts.as_slice(), is_users) {
        ([], true) => "ListenStream=%t/docker.sock\n".to_owned(),
        ([], false) => "ListenStream=/run/docker.sock\n".to_owned(),
        (hosts, _) => hosts.iter().map(|host| format!("ListenStream={}\n", value(host))).collect(),
    };
    let access = match group {
        None => "SocketMode=0600\n".to_owned(),
        Some(group) => format!("SocketMode=0660\nSocketGroup={group}\n"),
    };
    format!(
        "[Unit]\nDescription=Socket of docker's API\nDocumentation=man:hull-serve(1)\n\n\
         [Socket]\n{streams}{access}RemoveOnStop=yes\n\n\
         [Install]\nWantedBy=sockets.target\n"
    )
}

/// Containers and open connections are processes of the unit's cgroup, and outlive the server: only the server itself is
/// stopped with the unit (`KillMode=process`), however many processes there are.
fn service(global: &Global, args: &Serve) -> Result<String> {
    let mut words = vec![program_words(global)?, "serve --host fd://".to_owned()];
    let idle = args.idle.map_or_else(|| "5m".to_owned(), hull_docker::time::print_duration);
    words.push(format!("--idle {idle}"));
    words.extend(args.log.then(|| "--log".to_owned()));
    for (flag, file) in
        [("--tlscacert", &args.tlscacert), ("--tlscert", &args.tlscert), ("--tlskey", &args.tlskey)]
    {
        words.extend(file.iter().map(|file| format!("{flag} {}", word(&file.to_string_lossy()))));
    }
    let command = words.join(" ");
    Ok(format!(
        "[Unit]\nDescription=docker's API, served by hull\nDocumentation=man:hull-serve(1)\n\
         Requires={NAME}.socket\nAfter={NAME}.socket\n\n\
         [Service]\nType=notify\nExecStart={command}\nKillMode=process\nDelegate=yes\nTasksMax=infinity\n\n\
         [Install]\nAlso={NAME}.socket\n"
    ))
}
