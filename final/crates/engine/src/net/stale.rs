//! Who ended containers were on their bridges, taken out of the rules many at a time.
//!
//! When an element is removed, the kernel waits until no packet uses it any more, some 10 ms. Who closes a netfilter
//! socket meanwhile waits with it, and keeps everybody else from changing any rule (`nft_rcv_nl_event` in
//! net/netfilter/nf_tables_api.c): were each container taken out by itself, no hundred of them a second could end.
//!
//! What stays for a while is the identity of a link that is gone and whose name was drawn at random: it lets nobody in or
//! out. A published port never stays. `<run>/networks/<name>/ended` has a line for each identity, written and read under
//! the lock of the network's leases, so that no address is given again while it is looked at.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use hull_network::leases::Leases;
use hull_network::netlink::Socket;
use hull_storage::file;

use super::drivers::bridge;
use super::endpoint::{self, Endpoint};
use crate::engine::Engine;
use crate::error::{IoContext, Result};
use crate::records::find::directories;

/// Of a file that is this long, in bytes, the lines are swept: some thirty.
const LONG: u64 = 16 * 1024;

/// Leaves the identities of a container that has ended, and published nothing, to a later sweep. Its addresses are given
/// back. What cannot be noted is taken out at once.
pub(super) fn leave(engine: &Engine, endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    note(engine, endpoints).or_else(|_| {
        let rules: Vec<_> = endpoints.iter().filter_map(Endpoint::rules).collect();
        Ok(bridge::table(engine).detach(filter, &rules)?)
    })
}

fn note(engine: &Engine, endpoints: &[Endpoint]) -> Result<()> {
    for endpoint in endpoints.iter().filter(|endpoint| endpoint.rules().is_some()) {
        let leases = Leases::open(engine.root().run(), &endpoint.network.name)?;
        let path = path(engine, &endpoint.network.name);
        let context = || format!("write {}", path.display());
        // Begun anew: what a full disk has cut short before it is not to swallow it.
        let mut line = vec![b'\n'];
        serde_json::to_writer(&mut line, endpoint).map_err(io::Error::from).context(context)?;
        let _lock = leases.lock()?;
        let opened = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        opened.and_then(|mut file| file.write_all(&line)).context(context)?;
    }
    Ok(())
}

/// Sweeps where much has come together; and everywhere when nobody is on any network, so that a machine at rest is clean.
pub(super) fn sweep_if_due(engine: &Engine, endpoints: &[Endpoint], filter: &mut Socket) -> Result<()> {
    if !somebody_is_left(engine)? {
        return engine.networks()?.iter().try_for_each(|network| sweep(engine, &network.name, filter));
    }
    let is_long = |name: &&str| fs::metadata(path(engine, name)).is_ok_and(|file| file.len() >= LONG);
    let names = endpoints.iter().map(|endpoint| endpoint.network.name.as_str());
    names.filter(is_long).try_for_each(|name| sweep(engine, name, filter))
}

fn somebody_is_left(engine: &Engine) -> Result<bool> {
    let containers = directories(&engine.root().run().join("containers"))?;
    Ok(containers.iter().any(|id| endpoint::changed(engine, id).is_some()))
}

/// Takes out of the rules whoever has ended on this network.
pub(super) fn sweep(engine: &Engine, network: &str, filter: &mut Socket) -> Result<()> {
    let path = path(engine, network);
    if !path.exists() {
        return Ok(());
    }
    let leases = Leases::open(engine.root().run(), network)?;
    let _lock = leases.lock()?;
    let text = match fs::read_to_string(&path) {
        // Another sweep was first.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.context(|| format!("read {}", path.display()))?,
    };
    // A line that was cut short is of a container that was taken out at once.
    let ended: Vec<Endpoint> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut taken = Vec::new();
    for address in ended.iter().flat_map(|endpoint| &endpoint.addresses) {
        if leases.is_held(*address)? {
            taken.push(*address);
        }
    }
    let rules: Vec<_> = ended.iter().filter_map(Endpoint::rules).collect();
    bridge::table(engine).detach_ended(filter, &rules, &taken)?;
    Ok(file::remove(&path)?)
}

fn path(engine: &Engine, network: &str) -> PathBuf {
    engine.network_run_dir(network).join("ended")
}
