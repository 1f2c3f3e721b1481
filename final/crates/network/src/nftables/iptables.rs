//! Rules in iptables' own table. A packet has to be accepted by each table: if `ip filter` drops forwarded packets, as docker
//! configures it, accepting them in hull's table does not help. Two rules in that table do, for each bridge:
//!
//! ```text
//! -o BRIDGE -j ACCEPT    the first rule: hull's own table decides what enters the bridge
//! -i BRIDGE -j ACCEPT    the last rule: docker's rules come before, and keep containers out of docker's networks
//! ```
//!
//! iptables(8) can list them. A tag identifies them, so that they can be removed.

use super::batch::Batch;
use super::kernel::*;
use super::rule::{Meta, Rule};
use crate::error::Result;
use crate::links::check_name;
use crate::netlink::{Message, Reply, Socket};

const TABLE: &str = "filter";
const FORWARD: &str = "FORWARD";
/// docker calls this chain before its own, and leaves its rules to the administrator.
const DOCKER_USER: &str = "DOCKER-USER";
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// The families of a network: IPv4, and IPv6 if the network has it.
pub fn families(ipv6: bool) -> &'static [u8] {
    if ipv6 { &[NFPROTO_IPV4, NFPROTO_IPV6] } else { &[NFPROTO_IPV4] }
}

/// Has iptables accept a bridge's forwarded packets, if its policy is to drop them.
pub fn accept_forwarded(socket: &mut Socket, bridge: &str, ipv6: bool) -> Result<()> {
    check_name(bridge)?;
    for family in families(ipv6) {
        let chains = chains(socket, *family)?;
        let drops = chains.iter().any(|(name, policy)| name == FORWARD && *policy == Some(NF_DROP));
        if !drops {
            continue;
        }
        let has_docker = chains.iter().any(|(name, _)| name == DOCKER_USER);
        let first = if has_docker { DOCKER_USER } else { FORWARD };
        let mut batch = Batch::on(TABLE);
        for (chain, key, direction) in [(first, Meta::OutputName, "to"), (FORWARD, Meta::InputName, "from")] {
            let tag = tag(bridge, direction);
            if handles(socket, *family, chain, &tag)?.is_empty() {
                let rule = Rule::new(chain).meta(key, 0).equals(0, &terminated(bridge)).accept().tagged(&tag);
                match direction {
                    "to" => batch.insert_rule(*family, &rule),
                    _ => batch.add_rule(*family, &rule),
                }
            }
        }
        batch.commit(socket, || format!("accept packets of {bridge} in the table {TABLE} of iptables"))?;
    }
    Ok(())
}

/// Removes the rules of a bridge.
pub fn remove_accept_forwarded(socket: &mut Socket, bridge: &str) -> Result<()> {
    for family in families(true) {
        let mut batch = Batch::on(TABLE);
        for chain in [DOCKER_USER, FORWARD] {
            for direction in ["to", "from"] {
                for handle in handles(socket, *family, chain, &tag(bridge, direction))? {
                    batch.delete_rule(*family, chain, handle);
                }
            }
        }
        batch
            .commit(socket, || format!("remove the rules of {bridge} from the table {TABLE} of iptables"))?;
    }
    Ok(())
}

/// A rule's comment as nft(8) stores it in the user data: type 0, length, text with its terminating zero.
fn tag(bridge: &str, direction: &str) -> Vec<u8> {
    let text = format!("hull: {direction} {bridge}\0");
    [&[0, text.len() as u8], text.as_bytes()].concat()
}

/// A link's name with its terminating zero, which iptables includes in the comparison of a whole name.
fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// The chains of the table, each with its policy.
fn chains(socket: &mut Socket, family: u8) -> Result<Vec<(String, Option<u32>)>> {
    let message = Message::new(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, 0, &[family, 0, 0, 0]);
    Ok(socket.dump(
        message,
        || "list the chains of other tables".into(),
        |reply| {
            let attributes = reply.attributes(FIXED);
            (attributes.get(NFTA_CHAIN_TABLE)?.text()? == TABLE).then_some(())?;
            let policy = attributes.get(NFTA_CHAIN_POLICY).and_then(|value| value.be32());
            Some((attributes.get(NFTA_CHAIN_NAME)?.text()?.to_owned(), policy))
        },
    )?)
}

/// The handles of the rules in a chain that have this tag. A missing chain has none.
fn handles(socket: &mut Socket, family: u8, chain: &str, tag: &[u8]) -> Result<Vec<u64>> {
    let mut message = Message::new(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, 0, &[family, 0, 0, 0]);
    message.put_text(NFTA_RULE_TABLE, TABLE);
    message.put_text(NFTA_RULE_CHAIN, chain);
    let read = |reply: Reply<'_>| {
        let attributes = reply.attributes(FIXED);
        (attributes.get(NFTA_RULE_USERDATA)?.0 == tag).then_some(())?;
        attributes.get(NFTA_RULE_HANDLE)?.array().map(u64::from_be_bytes)
    };
    match socket.dump(message, || format!("list the rules of {chain}"), read) {
        Err(error) if error.errno() == Some(libc::ENOENT) => Ok(Vec::new()),
        found => Ok(found?),
    }
}
