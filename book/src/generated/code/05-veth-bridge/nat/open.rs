/// Creates the table `name`. This runs on the host and before the clone, so that nothing has
/// started if it fails.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // Reserving a port changes nothing, so it comes first.
    let reserved = ports.iter().map(|(outer, _)| reserve(*outer)).collect::<Result<_>>()?;
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN)];
    batch.push(message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes()));
    // Priority -300 is before connection tracking (-200) and before any dnat: a packet to
    // 127.0.0.0/8 has come in by the bridge.
    batch.push(chain(name, "raw", "filter", libc::NF_INET_PRE_ROUTING, -300));
    batch.push(chain(name, "prerouting", "nat", libc::NF_INET_PRE_ROUTING, -100));
    batch.push(chain(name, "output", "nat", libc::NF_INET_LOCAL_OUT, -100));
    batch.push(chain(name, "postrouting", "nat", libc::NF_INET_POST_ROUTING, 100));
    // route_localnet would let a container send packets to the host's 127.0.0.1.
    batch.push(rule(name, "raw", &[interface(META_IIFNAME, EQUAL), to(&[127]), verdict(libc::NF_DROP)]));
    // Twice: for connections from elsewhere, and for those of this machine.
    for (outer, inner) in ports {
        for chain in ["prerouting", "output"] {
            batch.push(rule(name, chain, &[to_this_machine(), to_port(*outer), dnat(address, *inner)]));
        }
    }
    // Not within the bridge: containers see each other's own addresses.
    let leaves = [from(&address.octets()), interface(META_OIFNAME, NOT_EQUAL), masquerade()];
    batch.push(rule(name, "postrouting", &leaves));
    // Connections from this machine and from other containers, whose answers would not pass through
    // this host's translation.
    for source in [&[127][..], &address.octets()[..3]] {
        // With a masqueraded source the answer comes back here and is translated; otherwise it
        // would reach the client directly, from an address that it has not connected to.
        let turned = [to(&address.octets()), was_turned(), from(source), masquerade()];
        batch.push(rule(name, "postrouting", &turned));
    }
    batch.push(begin_or_end(libc::NFNL_MSG_BATCH_END));
    let published: String =
        ports.iter().map(|(outer, inner)| format!(", {outer} -> {address}:{inner}")).collect();
    table
        .call(&format!("NFT_MSG_NEWTABLE({name}, ours: masquerade {address}{published})"), batch)
        .map_err(hint)?;
    warn_of_drops(&mut table)?;
    // Last, because it is safe only after the rule above is in place.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}
