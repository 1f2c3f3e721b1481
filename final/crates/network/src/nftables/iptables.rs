//! iptables' own rules beside hull's. Each table is asked about a packet, and one "no" is enough: where `ip filter` drops
//! what is forwarded, as docker makes it do, no "yes" of ours can help. Two rules in that table can, for each bridge:
//!
//! ```text
//! -o BRIDGE -j ACCEPT    first: what may come in, hull's own table decides
//! -i BRIDGE -j ACCEPT    last: docker's own rules, which keep others out of its networks, have been asked before
//! ```
//!
//! They are such that iptables(8) can show them, and tagged, so that they are found and removed again.

use super::batch::Batch;
use super::kernel::*;
use super::rule::{Meta, Rule};
use crate::error::Result;
use crate::links::check_name;
use crate::netlink::{Message, Reply, Socket};

const TABLE: &str = "filter";
const FORWARD: &str = "FORWARD";
/// docker asks this chain before its own, and leaves it to others.
const DOCKER_USER: &str = "DOCKER-USER";
/// `struct nfgenmsg`.
const FIXED: usize = 4;

/// Whose packets: IPv4's, and IPv6's where the network has it.
pub fn families(ipv6: bool) -> &'static [u8] {
    if ipv6 { &[NFPROTO_IPV4, NFPROTO_IPV6] } else { &[NFPROTO_IPV4] }
}

/// Lets a bridge's packets through where they would be dropped.
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
        batch.commit(socket, || format!("let {bridge} through the table {TABLE} of iptables"))?;
    }
    Ok(())
}

/// Takes the rules of a bridge away again.
pub fn forget_forwarded(socket: &mut Socket, bridge: &str) -> Result<()> {
    for family in families(true) {
        let mut batch = Batch::on(TABLE);
        for chain in [DOCKER_USER, FORWARD] {
            for direction in ["to", "from"] {
                for handle in handles(socket, *family, chain, &tag(bridge, direction))? {
                    batch.delete_rule(*family, chain, handle);
                }
            }
        }
        batch.commit(socket, || format!("take {bridge} out of the table {TABLE} of iptables"))?;
    }
    Ok(())
}

/// As a comment of nft(8): kind 0, length, text with its zero byte.
fn tag(bridge: &str, direction: &str) -> Vec<u8> {
    let text = format!("hull: {direction} {bridge}\0");
    [&[0, text.len() as u8], text.as_bytes()].concat()
}

/// As iptables compares a whole name: with the zero byte behind it.
fn terminated(name: &str) -> Vec<u8> {
    [name.as_bytes(), &[0]].concat()
}

/// The chains of the table, and what each does with what no rule speaks of.
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

/// The rules of a chain that have this tag. A chain that is not there has none.
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
