//! The processes of a container's proxies: one for each device, forked by the monitor and ended with the run.
//!
//! Such a process has threads for its connections. The monitor itself must have only one thread, because it forks.

use std::os::fd::{AsFd, OwnedFd};

use hull_sys::process::{self, Fork};
use nix::libc::SIGKILL;
use rustix::process::{Resource, getrlimit, setrlimit};

use super::forwarding;
use crate::error::{Error, Errors, IoContext, Report, Result};
use crate::records::plugged::Proxy;
use crate::records::record::Record;

#[derive(Default)]
pub(super) struct Forwarders(Vec<Forwarder>);

struct Forwarder {
    proxy: Proxy,
    process: OwnedFd,
}

impl Forwarders {
    /// Starts the processes that the record asks for, and ends those that it does not. `pid` is the container's first
    /// process. If one cannot be started, the others are started all the same.
    pub(super) fn renew(&mut self, record: &Record, pid: i32) -> Result<()> {
        let wanted = &record.options.plugged.proxies;
        let (kept, ended): (Vec<_>, Vec<_>) =
            self.0.drain(..).partition(|one| wanted.contains(&one.proxy) && one.is_alive());
        self.0 = kept;
        // Processes are ended first, because a changed device may listen at the same address as before.
        ended.into_iter().for_each(Forwarder::end);
        let mut errors = Errors::default();
        for proxy in wanted {
            if !self.0.iter().any(|forwarder| forwarder.proxy == *proxy) {
                match start(record, proxy, pid) {
                    Ok(process) => self.0.push(Forwarder { proxy: proxy.clone(), process }),
                    Err(error) => errors.note(Err(error)),
                }
            }
        }
        errors.into_result()
    }

    /// Ends all of them at the end of the run. Otherwise they would keep the container's namespaces.
    pub(super) fn end(&mut self) {
        self.0.drain(..).for_each(Forwarder::end);
    }
}

impl Forwarder {
    /// Somebody else may have killed the process.
    fn is_alive(&self) -> bool {
        hull_sys::wait::until_readable(self.process.as_fd(), Some(std::time::Duration::ZERO)) != Ok(true)
    }

    fn end(self) {
        // A process that could not be killed dies with its parent, the monitor.
        let _ = process::pidfd_send_signal(self.process.as_fd(), SIGKILL);
        let _ = process::reap(self.process.as_fd());
        forwarding::remove_socket_files(&self.proxy);
    }
}

/// Forks the process, and waits until it listens.
fn start(record: &Record, proxy: &Proxy, pid: i32) -> Result<OwnedFd> {
    let context = || format!("start the proxy of device {}", proxy.device);
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context(context)?;
    match process::fork().context(context)? {
        Fork::Child => {
            drop(reader);
            run(record, proxy, pid, writer)
        }
        Fork::Parent { pid: child } => {
            drop(writer);
            let child = process::pidfd_open(child).context(context)?;
            let mut said = String::new();
            std::io::Read::read_to_string(&mut std::fs::File::from(reader), &mut said).context(context)?;
            match said.strip_prefix("ok") {
                Some(_) => Ok(child),
                None => {
                    let _ = process::kill_and_reap(child.as_fd());
                    match said.is_empty() {
                        true => {
                            Err(Error::Unsupported(format!("the proxy of device {} ended", proxy.device)))
                        }
                        false => Err(Error::Reported(Report::decode(&said))),
                    }
                }
            }
        }
    }
}

fn run(record: &Record, proxy: &Proxy, pid: i32, ready: OwnedFd) -> ! {
    let prepared = process::set_parent_death_signal(SIGKILL)
        // An inherited descriptor would keep the monitor's locks and pipes.
        .and_then(|()| process::close_all_but(3, &[ready.as_fd()]))
        .and_then(|()| process::default_signals())
        .context(|| format!("prepare the proxy of device {}", proxy.device))
        .and_then(|()| raise_descriptor_limit());
    let listening = prepared.and_then(|()| forwarding::Forwarding::open(record, proxy, pid));
    let said = listening.as_ref().map_or_else(Report::encode, |_| "ok".to_owned());
    let written = std::io::Write::write_all(&mut std::fs::File::from(ready), said.as_bytes());
    if let (Ok(forwarding), Ok(())) = (listening, written) {
        forwarding.serve();
    }
    process::exit_now(1)
}

/// Each connection has two descriptors.
fn raise_descriptor_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context(|| "raise the number of open files".into())
}
