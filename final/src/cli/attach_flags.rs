//! `-a` of `run` and `create`: which streams the command is attached to.

use anyhow::Result;
use clap::Args;
use hull_docker::wire::config::Config;

use super::values::read;

// No doc comment: clap would print it as the help of the verb it is flattened into.
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Attach only stdin, stdout or stderr
    #[arg(short, long, value_name = "STREAM")]
    pub attach: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Stdin,
    Stdout,
    Stderr,
}

impl AttachArgs {
    /// docker's rule: without `-a`, all that there is, unless the container runs in the background.
    pub fn apply(&self, config: &mut Config, detach: bool) -> Result<()> {
        let streams =
            self.attach.iter().map(|text| read("--attach", text, parse)).collect::<Result<Vec<_>>>()?;
        let is_attached = |stream, otherwise: bool| match streams.is_empty() {
            true => otherwise && !detach,
            false => streams.contains(&stream),
        };
        config.attach_stdin = is_attached(Stream::Stdin, config.open_stdin);
        config.attach_stdout = is_attached(Stream::Stdout, true);
        config.attach_stderr = is_attached(Stream::Stderr, true);
        config.stdin_once = config.open_stdin && config.attach_stdin;
        Ok(())
    }
}

fn parse(text: &str) -> Result<Stream, String> {
    match text.to_ascii_lowercase().as_str() {
        "stdin" => Ok(Stream::Stdin),
        "stdout" => Ok(Stream::Stdout),
        "stderr" => Ok(Stream::Stderr),
        _ => Err("valid streams are STDIN, STDOUT and STDERR".into()),
    }
}
