//! Rules in a container's network namespace, which redirect DNS queries to the resolver's own ports. Port 53 stays free for
//! the container's program, which may be a DNS server.

use super::batch::{Batch, Hook};
use super::kernel::NFPROTO_IPV4;
use super::rule::*;
use crate::dns::{ADDRESS, PORT};
use crate::error::Result;
use crate::netlink::Socket;
use crate::ports::Transport;

/// The name of the table. It is in the container's network namespace, where hull has no other one.
const TABLE: &str = "hull-names";

/// `enum nf_inet_hooks`: packets that the namespace's own programs send.
const OUTPUT: u32 = 3;
const DESTINATION: i32 = -100;

/// Redirects queries to the resolver's ports. `socket` is in the container's network namespace.
pub fn redirect_dns(socket: &mut Socket, udp: u16, tcp: u16) -> Result<()> {
    let mut batch = Batch::on(TABLE);
    batch.add_table(NFPROTO_IPV4);
    let hook = Hook { kind: "nat", number: OUTPUT, priority: DESTINATION };
    batch.add_chain(NFPROTO_IPV4, "output", Some(hook));
    for (transport, port) in [(Transport::Udp, udp), (Transport::Tcp, tcp)] {
        let rule = Rule::new("output")
            .meta(Meta::Transport, 0)
            .equals(0, &[transport.number()])
            .load(IP_DESTINATION, 0)
            .equals(0, &ADDRESS.octets())
            .load(DESTINATION_PORT, 0)
            .equals(0, &PORT.to_be_bytes())
            .set(0, &ADDRESS.octets())
            .set(1, &port.to_be_bytes())
            .translate(NFPROTO_IPV4, 0, 1);
        batch.add_rule(NFPROTO_IPV4, &rule);
    }
    batch.commit(socket, || "redirect DNS queries to the resolver".into())
}
