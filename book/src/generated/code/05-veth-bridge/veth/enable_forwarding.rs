/// Switches ip_forward on. Without it, the kernel drops a packet that comes in through one link and
/// has to leave through another.
fn enable_forwarding(kernel: &mut Socket) -> Result<()> {
    if fs::read_to_string(FORWARDING).with_context(|| format!("read {FORWARDING}"))?.trim() != "0" {
        return Ok(());
    }
    // This note comes first, so that the process of the last container can switch forwarding off
    // again, even if this process is killed.
    let alias = Message::new(libc::RTM_SETLINK, libc::NLM_F_ACK, &ifinfo(index(BRIDGE)?, 0));
    let alias = alias.attr(libc::IFLA_IFALIAS, SWITCHED_ON);
    kernel.call(&format!("RTM_SETLINK({BRIDGE}, alias {SWITCHED_ON:?})"), vec![alias])?;
    switch(FORWARDING, "1")
}
