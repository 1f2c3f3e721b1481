//! Which container has which address: a file for each leased address.
//!
//! ```text
//! <run>/networks/<name>/lock            held while addresses are allocated or released
//!                       last            the address that was allocated last, of each family
//!                       leases/<ip>     its holder; or, for a minute, when it was released
//! ```
//!
//! - **The address after the last one is allocated, not the lowest free one.** Neighbours cache which MAC address an IP
//!   address has. If an address were reused at once, they would send to the container that had it before.
//! - For the same reason a released address is **kept free for a minute**, unless there is no other.
//! - A lease names its holder's process by pid and start time, and ends with it. So a killed monitor's leases need no
//!   cleanup: a process that finds one replaces it.
//! - If somebody empties the run directory, the containers that are still attached are found in the kernel. Their addresses
//!   are in use for as long as their links exist.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hull_storage::directory::make_dirs;
use hull_storage::file;
use hull_storage::lock::Lock;
use hull_storage::process_id::ProcessId;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Result};
use crate::pool::Pool;

/// How many seconds a released address is kept free.
const QUARANTINE: u64 = 60;

/// The container that an address is leased to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The container's id.
    pub container: String,
    /// The names by which other containers on the network find it.
    pub names: Vec<String>,
    /// The process with which the lease ends: the container's monitor.
    pub process: ProcessId,
}

/// A leased address.
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
    /// When it was released, in seconds of `CLOCK_BOOTTIME`, because that clock is never set back.
    Released(u64),
    /// The file is damaged. A container may have the address, so it is not allocated.
    #[serde(skip)]
    Unreadable,
}

/// Content of `last`.
#[derive(Default, Serialize, Deserialize)]
struct Last {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
    /// When expired files were last removed.
    #[serde(rename = "swept")]
    cleaned: u64,
}

/// The state of an address.
enum State {
    Free,
    Released { since: u64 },
    Held(Holder),
    InUseByLink { link: String },
    Unknown,
}

impl Leases {
    /// `run` is the run directory. The network's directories in it are created if they are missing.
    pub fn open(run: &Path, network: &str) -> Result<Self> {
        if !hull_storage::names::is_valid_short(network) {
            let name = network.to_owned();
            return Err(hull_storage::Error::InvalidName { what: "network", name }.into());
        }
        let dir = run.join("networks").join(network);
        make_dirs(&run.join("networks"), 0o710)?;
        make_dirs(&dir, 0o710)?;
        make_dirs(&dir.join("leases"), 0o710)?;
        Ok(Self { dir })
    }

    /// Whether no address has been allocated since the run directory was created or emptied.
    pub fn is_new(&self) -> bool {
        !self.dir.join("last").exists()
    }

    /// Records the addresses of containers that are attached already, each with its link, before the first one is allocated.
    pub fn adopt(&self, attached: impl Iterator<Item = (IpAddr, String)>) -> Result<()> {
        let _lock = self.lock()?;
        let now = now();
        for (address, link) in attached {
            if let State::Free = self.state(address, now)? {
                self.write(address, &Record::InUseByLink(link))?;
            }
        }
        // Another process may have allocated an address meanwhile.
        let last = self.last()?;
        Ok(file::write_json_atomic(&self.dir.join("last"), &last)?)
    }

    /// Allocates a free address of the pool's range.
    pub fn allocate(&self, pool: &Pool, holder: &Holder) -> Result<IpAddr> {
        self.allocate_at(pool, holder, now())
    }

    /// Allocates exactly this address, unless another container has it.
    pub fn allocate_address(&self, pool: &Pool, address: IpAddr, holder: &Holder) -> Result<()> {
        pool.check(address)?;
        let _lock = self.lock()?;
        match self.state(address, now())? {
            State::Held(other) if other.container != holder.container => {
                Err(Error::AddressTaken { address, container: other.container })
            }
            State::InUseByLink { link } => Err(Error::AddressTakenByLink { address, link }),
            State::Unknown => Err(Error::AddressUnknown { address, path: self.path(address) }),
            // An address that is requested explicitly is not kept free.
            _ => self.write(address, &Record::Held(holder.clone())),
        }
    }

    /// Ends the container's lease. The address is left as it is if another container has it, or none.
    pub fn release(&self, address: IpAddr, container: &str) -> Result<()> {
        self.release_at(address, container, now())
    }

    /// While the lock is held, no address is allocated or released.
    pub fn lock(&self) -> Result<Lock> {
        Ok(Lock::exclusive(&self.dir.join("lock"))?)
    }

    /// Whether a container whose monitor is alive has the address.
    pub fn is_held(&self, address: IpAddr) -> Result<bool> {
        Ok(match self.read(address)? {
            Some(Record::Held(holder)) => holder.process.is_alive(),
            Some(Record::Unreadable) => true,
            _ => false,
        })
    }

    /// The leases whose processes are alive. Takes no lock.
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

    /// When an address was last allocated or released.
    pub fn modified(&self) -> Option<SystemTime> {
        std::fs::metadata(self.dir.join("leases")).and_then(|dir| dir.modified()).ok()
    }

    /// Changes the names by which other containers find this one.
    pub fn rename(&self, address: IpAddr, container: &str, names: &[String]) -> Result<()> {
        let _lock = self.lock()?;
        match self.read(address)? {
            Some(Record::Held(holder)) if holder.container == container => {
                self.write(address, &Record::Held(Holder { names: names.to_vec(), ..holder }))
            }
            _ => Ok(()),
        }
    }

    /// Removes the files of ended processes and of expired releases.
    pub fn collect(&self) -> Result<()> {
        let _lock = self.lock()?;
        self.remove_expired(now())
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

    /// The first free address, else the one that was released longest ago.
    fn choose(&self, pool: &Pool, previous: Option<IpAddr>, now: u64) -> Result<IpAddr> {
        let mut oldest: Option<(u64, IpAddr)> = None;
        for address in pool.addresses_after(previous) {
            match self.state(address, now)? {
                State::Free => return Ok(address),
                State::Released { since } if oldest.is_none_or(|(earliest, _)| since < earliest) => {
                    oldest = Some((since, address));
                }
                State::Released { .. } | State::Held(_) | State::InUseByLink { .. } | State::Unknown => {}
            }
        }
        let none_left = || Error::NoAddressLeft { pool: pool.range().to_string() };
        oldest.map(|(_, address)| address).ok_or_else(none_left)
    }

    fn release_at(&self, address: IpAddr, container: &str, now: u64) -> Result<()> {
        let _lock = self.lock()?;
        match self.read(address)? {
            Some(Record::Held(holder)) if holder.container != container => {}
            // The caller's container had this address.
            Some(Record::Held(_) | Record::Unreadable) => self.write(address, &Record::Released(now))?,
            _ => {}
        }
        // Once a minute, so that a busy network does not fill its directory.
        let mut last = self.last()?;
        if now.saturating_sub(last.cleaned) > QUARANTINE {
            self.remove_expired(now)?;
            last.cleaned = now;
            file::write_json_atomic(&self.dir.join("last"), &last)?;
        }
        Ok(())
    }

    fn remove_expired(&self, now: u64) -> Result<()> {
        for address in self.addresses()? {
            if let State::Free = self.state(address, now)? {
                file::remove(&self.path(address))?;
            }
        }
        Ok(file::collect(&self.dir.join("leases"))?)
    }

    /// Called under the lock. An address whose holder has ended counts as released from now on.
    fn state(&self, address: IpAddr, now: u64) -> Result<State> {
        match self.read(address)? {
            None => Ok(State::Free),
            Some(Record::Unreadable) => Ok(State::Unknown),
            // A time in the future is from an earlier boot.
            Some(Record::Released(since)) if since > now || now - since >= QUARANTINE => Ok(State::Free),
            Some(Record::Released(since)) => Ok(State::Released { since }),
            Some(Record::Held(holder)) if holder.process.is_alive() => Ok(State::Held(holder)),
            Some(Record::InUseByLink(link)) if exists(&link) => Ok(State::InUseByLink { link }),
            Some(Record::Held(_) | Record::InUseByLink(_)) => {
                self.write(address, &Record::Released(now))?;
                Ok(State::Released { since: now })
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
            // It only affects which free address is chosen.
            Err(hull_storage::Error::Damaged { .. }) => Ok(Last::default()),
            last => Ok(last?.unwrap_or_default()),
        }
    }

    fn path(&self, address: IpAddr) -> PathBuf {
        self.dir.join("leases").join(address.to_string())
    }

    /// Other files in the directory are temporary files of processes that are writing a lease.
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

fn exists(link: &str) -> bool {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None);
    socket.is_ok_and(|socket| name_to_index(&socket, link).is_ok())
}

fn now() -> u64 {
    rustix::time::clock_gettime(rustix::time::ClockId::Boottime).tv_sec as u64
}

#[cfg(test)]
mod tests;
