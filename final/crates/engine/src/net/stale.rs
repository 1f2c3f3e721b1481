//! Stale rules: those of ended containers, removed many at a time.
//!
//! When an element of a set is removed, the kernel waits some 10 ms until no packet uses it any more. A process that closes
//! a netfilter socket in that time waits too, and keeps all others from changing rules (`nft_rcv_nl_event` in
//! net/netfilter/nf_tables_api.c). If each container's rules were removed by themselves, fewer than a hundred containers a
//! second could end.
//!
//! A stale rule permits nothing: it names a link that is gone and whose name was drawn at random. The rules of published
//! ports never become stale. `<run>/networks/<name>/ended` has a line for each stale endpoint. The file is written and read
//! under the lock of the network's leases, so that no address is leased again in the meantime.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hull_network::leases::Leases;
use hull_network::netlink::Socket;
use hull_storage::file;
use hull_storage::root::Root;

use super::context::table;
use super::endpoint::{self, Endpoint};
use super::store;
use crate::error::{IoContext, Result};
use crate::records::find::directories;

/// The file's size in bytes from which on its endpoints' rules are removed: some thirty endpoints.
const LIMIT: u64 = 16 * 1024;

/// Lists the endpoints of a container that has ended and published nothing, for a later removal of their rules. Their
/// addresses are released already. If they cannot be listed, their rules are removed at once.
pub(super) fn defer_removal(root: &Root, endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    list(root, endpoints).or_else(|_| Ok(table(root).detach(filter, &endpoint::rules(endpoints))?))
}

fn list(root: &Root, endpoints: &[Endpoint]) -> Result<()> {
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.rules().is_some()) {
        let leases = Leases::open(root.run(), &endpoint.network.name)?;
        let path = path(root, &endpoint.network.name);
        let context = || format!("write {}", path.display());
        // The line begins with a newline, so that it stays readable behind a line that a full disk has cut short.
        let mut line = vec![b'\n'];
        serde_json::to_writer(&mut line, endpoint).map_err(io::Error::from).context(context)?;
        let _lock = leases.lock()?;
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        opened.and_then(|mut file| file.write_all(&line)).context(context)?;
    }
    Ok(())
}

/// Removes the stale rules of those of the endpoints' networks that have many; and of all networks when no container is
/// on any, so that an idle machine has none.
pub(super) fn remove_if_due(root: &Root, endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    if !has_containers(root)? {
        return store::all(root)?.iter().try_for_each(|network| remove(root, &network.name, filter));
    }
    let has_many = |name: &&str| fs::metadata(path(root, name)).is_ok_and(|file| file.len() >= LIMIT);
    let names = endpoints.iter().map(|endpoint| endpoint.network.name.as_str());
    names.filter(has_many).try_for_each(|name| remove(root, name, filter))
}

fn has_containers(root: &Root) -> Result<bool> {
    let containers = directories(&root.run().join("containers"))?;
    Ok(containers.iter().any(|id| endpoint::modified(root, id).is_some()))
}

/// Removes all stale rules of a network.
pub(super) fn remove(root: &Root, network: &str, filter: &mut Socket) -> Result<()> {
    let path = path(root, network);
    if !path.exists() {
        return Ok(());
    }
    let leases = Leases::open(root.run(), network)?;
    let _lock = leases.lock()?;
    let text = match fs::read_to_string(&path) {
        // Another process has removed them.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.context(|| format!("read {}", path.display()))?,
    };
    // The endpoint of a line that was cut short was detached at once.
    let stale: Vec<Endpoint> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut leased = Vec::new();
    for address in stale.iter().flat_map(|endpoint| &endpoint.addresses) {
        if leases.is_held(*address)? {
            leased.push(*address);
        }
    }
    table(root).detach_stale(filter, &endpoint::rules(&stale), &leased)?;
    Ok(file::remove(&path)?)
}

fn path(root: &Root, network: &str) -> PathBuf {
    store::run_dir(root, network).join("ended")
}
