/// `name` is the table's.
/// On the host, and before the clone: whatever refuses, no container has begun.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // What may fail without having changed anything comes first.
    let reserved = ports.iter().map(|(outer, _)| reserve(*outer)).collect::<Result<_>>()?;
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let mut batch = vec![begin_or_end(libc::NFNL_MSG_BATCH_BEGIN)];
    batch.push(message(libc::NFT_MSG_NEWTABLE, name).attr(TABLE_FLAGS, TABLE_OWNER.to_be_bytes()));
    // Before connection tracking (-200), and so before any dnat: what still says 127.0.0.0/8 here has come in
    // by a veth pair like that.
    batch.push(chain(name, "raw", "filter", libc::NF_INET_PRE_ROUTING, -300));
    batch.push(chain(name, "prerouting", "nat", libc::NF_INET_PRE_ROUTING, -100));
    batch.push(chain(name, "output", "nat", libc::NF_INET_LOCAL_OUT, -100));
    batch.push(chain(name, "postrouting", "nat", libc::NF_INET_POST_ROUTING, 100));
    // With route_localnet a container could send packets to the host's own 127.0.0.1.
    batch.push(rule(name, "raw", &[interface(META_IIFNAME, EQUAL), to(&[127]), verdict(libc::NF_DROP)]));
    // Twice, for what comes from elsewhere and for what this machine says to itself.
    for (outer, inner) in ports {
        for chain in ["prerouting", "output"] {
            batch.push(rule(name, chain, &[to_this_machine(), to_port(*outer), dnat(address, *inner)]));
        }
    }
    // Not what stays on the bridge: two containers see each other by their own addresses.
    let leaves = [from(&address.octets()), interface(META_OIFNAME, NOT_EQUAL), masquerade()];
    batch.push(rule(name, "postrouting", &leaves));
    // Whoever would be answered by a way that does not lead back through us: this machine, and the container's siblings.
    for source in [&[127][..], &address.octets()[..3]] {
        // Then conntrack turns the answer back here, on its way; otherwise it would go straight to them, from
        // an address that they have not asked.
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
    // Last, and only for those who need it: until the rules are there a container could use it.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}
