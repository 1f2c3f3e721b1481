//! Saving a container's processes to a directory.

use std::path::Path;

use super::criu::{Criu, Request, Worker};
use super::outside::{self, Outside};
use super::{Directories, make};
use super::{Options, field, request};
use crate::cgroups::Cgroup;
use crate::error::Result;
use crate::spec::Spec;

/// A container that is to be saved.
#[derive(Debug)]
pub struct Dump<'a> {
    /// Its first process.
    pub pid: i32,
    pub spec: &'a Spec,
    pub rootfs: &'a Path,
    pub cgroup: &'a Cgroup,
    pub options: &'a Options,
    /// Whether the container keeps running. Otherwise its processes have ended afterwards.
    pub leave_running: bool,
    /// Whether only memory is saved and the container keeps running, to shorten a later checkpoint.
    pub before: bool,
    /// An earlier checkpoint, relative to the images: only memory that has changed since is saved.
    pub parent: Option<&'a Path>,
}

const LOG: &str = "dump.log";

/// Saves a container. A failure leaves the container as it was.
pub fn dump(criu: &Criu, dump: &Dump<'_>) -> Result<()> {
    let options = dump.options;
    outside::check_namespaces(dump.spec)?;
    make(&options.images)?;
    let directories = Directories::open(options, LOG)?;
    let mut message = request(options, &directories, dump.rootfs);
    message.number(field::PID, dump.pid as u64);
    message.flag(field::LEAVE_RUNNING, dump.leave_running);
    if let Some(parent) = dump.parent {
        message.bytes(field::PARENT, parent.as_os_str().as_encoded_bytes());
        message.flag(field::TRACK_MEMORY, true);
    }
    if let Some(freezer) = dump.cgroup.freezer() {
        message.bytes(field::FREEZER, freezer.as_os_str().as_encoded_bytes());
    }
    let outside = Outside::of(dump.pid, dump.spec)?;
    for external in &outside.externals {
        message.bytes(field::EXTERNAL, external.as_bytes());
    }
    for (mounted, name) in &outside.mounts {
        message.pair(field::MOUNT, mounted.as_encoded_bytes(), name.as_encoded_bytes());
    }
    if !dump.before {
        outside.write(&options.images)?;
    }
    let worker = Worker::start(criu, None)?;
    let kind = if dump.before { Request::PreDump } else { Request::Dump };
    let answer = worker.ask(kind, &message, &mut |_| Ok(()))?;
    match answer.success {
        true => Ok(()),
        false => Err(directories.failure("save it", &answer).into()),
    }
}
