//! Preparations of a start that are the same for every runtime: the streams, the network, and those for a system
//! container.

use std::path::Path;

use hull_runtime::Stdio;

use super::stdio::Streams;
use crate::engine::Engine;
use crate::error::Result;
use crate::init;
use crate::net::Attachment;
use crate::records::halt::Halt;
use crate::records::options::NetworkMode;
use crate::records::record::Record;
use crate::rootfs::mount::rootfs;

/// Prepares a system container: gives it its identity, and finds out how its init is told to end the system.
pub(super) fn system(engine: &Engine, record: &Record) -> Result<Option<Halt>> {
    let rootfs = rootfs(engine, record);
    init::identity::give(engine.root(), record, &rootfs)?;
    // After the identity: what the image says about a file counts.
    init::templates::apply(engine.root(), record, &rootfs)?;
    match record.process.args().first() {
        Some(program) => init::halt_of(&rootfs, Path::new(program)),
        None => Ok(None),
    }
}

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
