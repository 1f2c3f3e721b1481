/// Creates the table `name` for a container with this address. This function runs on the host
/// before the clone, so that no container has started if it fails.
pub fn open(name: &str, address: Ipv4Addr, ports: &[Port]) -> Result<Nat> {
    // The reservation comes first, because it changes nothing on the host.
    let reserved =
        ports.iter().map(|(outer, _)| reserve(*outer).and_then(refuse_connections)).collect::<Result<_>>()?;
    let mut content = chains(name);
    content.extend(masquerade(name, address));
    for port in ports {
        content.extend(dnat(name, address, *port));
    }
    if !ports.is_empty() {
        content.extend(reply_through_host(name, address));
        content.extend(guard_loopback(name));
    }
    let mut table = Socket::open(SockProtocol::NetlinkNetFilter).map_err(hint)?;
    let published: String =
        ports.iter().map(|(outer, inner)| format!(", {outer} -> {address}:{inner}")).collect();
    let call = format!("NFT_MSG_NEWTABLE({name}, ours: masquerade {address}{published})");
    nft::create_table(&mut table, &call, name, content).map_err(hint)?;
    warn_of_drops(&mut table)?;
    // This setting comes last, because it is safe only behind the rule of guard_loopback.
    if !ports.is_empty() {
        route_localnet()?;
    }
    Ok(Nat { _table: table, _ports: reserved })
}
