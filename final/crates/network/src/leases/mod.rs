//! Who has which address: one file for each.
//!
//! ```text
//! <run>/networks/<name>/lock            held while addresses are given or taken back
//!                       last            the address given last, of each family
//!                       leases/<ip>     its holder; or, for a minute, when it was released
//! ```
//!
//! - **Next after last, never the lowest free.** Neighbours remember which MAC address had an IP address; one that comes
//!   back at once is answered by their memory of a container that is gone.
//! - For the same reason a released address **rests for a minute**, unless there is no other.
//! - A lease names its holder by pid and start time. The dead hold nothing, so what a kill leaves is taken back by whoever
//!   comes across it.
//! - Where nothing is known, because somebody has emptied the run directory, those who are still plugged in are asked of
//!   the kernel. Such a lease lasts as long as the cable.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use hull_storage::root::make_dirs;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, Result};
use crate::pool::Pool;

/// How long a released address rests, in seconds.
const REST: u64 = 60;

/// Who an address is given to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The container's id.
    pub container: String,
    /// What others on the network call it.
    pub names: Vec<String>,
    /// The lease ends with this process, however it ends.
    pub process: ProcessId,
}

/// An address and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    pub address: IpAddr,
    pub holder: Holder,
}

/// The addresses of one network.
#[derive(Debug, Clone)]
pub struct Leases {
    dir: PathBuf,
}

/// Content of `leases/<ip>`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Record {
    Held(Holder),
    /// In use by an existing link: a container is at its other end, but nothing else is known of it.
    #[serde(rename = "wired")]
    InUseByLink(String),
    /// In seconds of `CLOCK_BOOTTIME`: no correction of the clock turns it back.
    Released(u64),
    /// The file is damaged. A container may have the address, so no other one gets it.
    #[serde(skip)]
    Unreadable,
}

/// Content of `last`.
#[derive(Default, Serialize, Deserialize)]
struct Last {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    /// When files of addresses that have rested were last removed.
    swept: u64,
}

/// What one file says.
enum State {
    Free,
    Resting { since: u64 },
    Held(Holder),
    InUseByLink { link: String },
    Unknown,
}

impl Leases {
    /// `run` is the run directory; the directories of the network are made where they are missing.
    pub fn open(run: &Path, network: &str) -> Result<Self> {
        if !hull_storage::names::is_valid(network) {
            let name = network.to_owned();
            return Err(hull_storage::Error::InvalidName { what: "network", name }.into());
        }
        let dir = run.join("networks").join(network);
        make_dirs(&run.join("networks"), 0o710)?;
        make_dirs(&dir, 0o710)?;
        make_dirs(&dir.join("leases"), 0o710)?;
        Ok(Self { dir })
    }

    /// Whether it has never given an address, or forgotten all.
    pub fn is_new(&self) -> bool {
        !self.dir.join("last").exists()
    }

    /// Learns who has an address and by which link, before the first one is given.
    pub fn adopt(&self, wired: impl Iterator<Item = (IpAddr, String)>) -> Result<()> {
        let _lock = self.lock()?;
        let now = now();
        for (address, link) in wired {
            if let State::Free = self.state(address, now)? {
                self.write(address, &Record::InUseByLink(link))?;
            }
        }
        // Others may have been quicker.
        let last = self.last()?;
        Ok(file::write_json_atomic(&self.dir.join("last"), &last)?)
    }

    /// Gives a free address of the pool's range.
    pub fn allocate(&self, pool: &Pool, holder: &Holder) -> Result<IpAddr> {
        self.allocate_at(pool, holder, now())
    }

    /// Gives exactly this address. Who has it already keeps it.
    pub fn allocate_address(&self, pool: &Pool, address: IpAddr, holder: &Holder) -> Result<()> {
        pool.check(address)?;
        let _lock = self.lock()?;
        match self.state(address, now())? {
            State::Held(other) if other.container != holder.container => {
                Err(Error::AddressTaken { address, container: other.container })
            }
            State::InUseByLink { link } => {
                Err(Error::AddressTaken { address, container: format!("at the other end of {link}") })
            }
            State::Unknown => {
                let container = format!("(unknown, because {} is damaged)", self.path(address).display());
                Err(Error::AddressTaken { address, container })
            }
            // Who asks for an address by name gets it, rested or not.
            _ => self.write(address, &Record::Held(holder.clone())),
        }
    }

    /// Ends the container's lease; an address that is another's, or nobody's, stays as it is.
    pub fn release(&self, address: IpAddr, container: &str) -> Result<()> {
        self.release_at(address, container, now())
    }

    /// While it is held, no address is given or taken back.
    pub fn lock(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.dir.join("lock"))?)
    }

    /// Whether somebody alive has the address.
    pub fn is_held(&self, address: IpAddr) -> Result<bool> {
        Ok(match self.read(address)? {
            Some(Record::Held(holder)) => holder.process.is_alive(),
            Some(Record::Unreadable) => true,
            _ => false,
        })
    }

    /// The leases of the living. Takes no lock.
    pub fn list(&self) -> Result<Vec<Lease>> {
        let mut found = Vec::new();
        for address in self.addresses()? {
            if let Some(Record::Held(holder)) = self.read(address)?
                && holder.process.is_alive()
            {
                found.push(Lease { address, holder });
            }
        }
        Ok(found)
    }

    /// Ends all leases of a container whose own files are damaged. Returns their addresses.
    pub fn release_all(&self, container: &str) -> Result<Vec<IpAddr>> {
        let mut released = Vec::new();
        for address in self.addresses()? {
            if matches!(self.read(address)?, Some(Record::Held(holder)) if holder.container == container) {
                self.release(address, container)?;
                released.push(address);
            }
        }
        Ok(released)
    }

    /// When a lease was last given or taken back.
    pub fn changed(&self) -> Option<SystemTime> {
        std::fs::metadata(self.dir.join("leases")).and_then(|dir| dir.modified()).ok()
    }

    /// Others are to find the container by these names.
    pub fn rename(&self, address: IpAddr, container: &str, names: &[String]) -> Result<()> {
        let _lock = self.lock()?;
        match self.read(address)? {
            Some(Record::Held(holder)) if holder.container == container => {
                self.write(address, &Record::Held(Holder { names: names.to_vec(), ..holder }))
            }
            _ => Ok(()),
        }
    }

    /// Removes what the dead left and what has rested.
    pub fn collect(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.sweep(now())
    }

    fn allocate_at(&self, pool: &Pool, holder: &Holder, now: u64) -> Result<IpAddr> {
        let _lock = self.lock()?;
        let mut last = self.last()?;
        let previous = if pool.subnet().is_ipv6() { last.v6 } else { last.v4 };
        let address = self.choose(pool, previous, now)?;
        self.write(address, &Record::Held(holder.clone()))?;
        *(if address.is_ipv6() { &mut last.v6 } else { &mut last.v4 }) = Some(address);
        file::write_json_atomic(&self.dir.join("last"), &last)?;
        Ok(address)
    }

    /// The first that is free; else the one that has rested longest.
    fn choose(&self, pool: &Pool, previous: Option<IpAddr>, now: u64) -> Result<IpAddr> {
        let mut rested: Option<(u64, IpAddr)> = None;
        for address in pool.addresses_after(previous) {
            match self.state(address, now)? {
                State::Free => return Ok(address),
                State::Resting { since } if rested.is_none_or(|(longest, _)| since < longest) => {
                    rested = Some((since, address));
                }
                State::Resting { .. } | State::Held(_) | State::InUseByLink { .. } | State::Unknown => {}
            }
        }
        let none_left = || Error::NoAddressLeft { pool: pool.range().to_string() };
        rested.map(|(_, address)| address).ok_or_else(none_left)
    }

    fn release_at(&self, address: IpAddr, container: &str, now: u64) -> Result<()> {
        let _lock = self.lock()?;
        match self.read(address)? {
            Some(Record::Held(holder)) if holder.container != container => {}
            // The caller's container had this address.
            Some(Record::Held(_) | Record::Unreadable) => self.write(address, &Record::Released(now))?,
            _ => {}
        }
        // Once in a while, so that a busy network does not fill its directory: one look at each of its files.
        let mut last = self.last()?;
        if now.saturating_sub(last.swept) > REST {
            self.sweep(now)?;
            last.swept = now;
            file::write_json_atomic(&self.dir.join("last"), &last)?;
        }
        Ok(())
    }

    fn sweep(&self, now: u64) -> Result<()> {
        for address in self.addresses()? {
            if let State::Free = self.state(address, now)? {
                file::remove(&self.path(address))?;
            }
        }
        Ok(file::collect(&self.dir.join("leases"))?)
    }

    /// Under the lock. The rest of an address whose holder was killed begins when it is found.
    fn state(&self, address: IpAddr, now: u64) -> Result<State> {
        match self.read(address)? {
            None => Ok(State::Free),
            Some(Record::Unreadable) => Ok(State::Unknown),
            // A time to come is of an earlier boot.
            Some(Record::Released(since)) if since > now || now - since >= REST => Ok(State::Free),
            Some(Record::Released(since)) => Ok(State::Resting { since }),
            Some(Record::Held(holder)) if holder.process.is_alive() => Ok(State::Held(holder)),
            Some(Record::InUseByLink(link)) if is_there(&link) => Ok(State::InUseByLink { link }),
            Some(Record::Held(_) | Record::InUseByLink(_)) => {
                self.write(address, &Record::Released(now))?;
                Ok(State::Resting { since: now })
            }
        }
    }

    fn write(&self, address: IpAddr, record: &Record) -> Result<()> {
        Ok(file::write_json_atomic(&self.path(address), record)?)
    }

    fn read(&self, address: IpAddr) -> Result<Option<Record>> {
        match file::read_json(&self.path(address)) {
            Err(hull_storage::Error::Damaged { .. }) => Ok(Some(Record::Unreadable)),
            record => Ok(record?),
        }
    }

    fn last(&self) -> Result<Last> {
        match file::read_json(&self.dir.join("last")) {
            // Only a preference is lost with it.
            Err(hull_storage::Error::Damaged { .. }) => Ok(Last::default()),
            last => Ok(last?.unwrap_or_default()),
        }
    }

    fn path(&self, address: IpAddr) -> PathBuf {
        self.dir.join("leases").join(address.to_string())
    }

    /// What else lies in the directory is somebody's temporary file.
    fn addresses(&self) -> Result<Vec<IpAddr>> {
        let dir = self.dir.join("leases");
        let context = || format!("list {}", dir.display());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&dir).context(context)? {
            let name = entry.context(context)?.file_name();
            found.extend(name.to_str().and_then(|name| name.parse::<IpAddr>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }
}

fn is_there(link: &str) -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    socket.is_ok_and(|socket| name_to_index(&socket, link).is_ok())
}

fn now() -> u64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec as u64
}

#[cfg(test)]
mod tests;
