/// Connects the network namespace of `pid` to the bridge.
pub fn attach(&mut self, pid: Pid) -> Result<()> {
    let mut kernel = Socket::open(SockProtocol::NetlinkRoute)?;
    make_veth(&mut kernel, &self.link, pid)?;
    allow_hairpin(&mut kernel, &self.link)?;
    // The link exists, so others see that the address is taken.
    self.lock = None;
    Ok(())
}
