//! What a start prepares alike for every runtime: the container's streams, and its network.

use hull_runtime::Stdio;

use super::stdio::Streams;
use crate::engine::Engine;
use crate::error::Result;
use crate::net::Attachment;
use crate::records::options::NetworkMode;
use crate::records::record::Record;

/// The monitor's ends of stdin and the output, and the container's; with a terminal the runtime opens it.
pub(super) fn stdio(record: &Record) -> Result<(Option<Streams>, Stdio)> {
    if record.options.tty {
        return Ok((None, Stdio::Terminal));
    }
    let (streams, child) = Streams::pipes(record.options.interactive)?;
    Ok((Some(streams), Stdio::Fds { stdin: child.stdin, stdout: child.stdout, stderr: child.stderr }))
}

/// What has to be ready before the container has a network namespace.
pub(super) fn prepare_network(engine: &Engine, record: &Record, network: &mut Attachment) -> Result<()> {
    if let NetworkMode::Container(other) = &record.options.network {
        crate::net::mark_shared(engine.root(), other)?;
    }
    network.prepare(engine.network_context(), record)
}
