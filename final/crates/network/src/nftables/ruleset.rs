//! The rules, which do not depend on the containers. `ruleset.nft` beside this file has them in the language of nft(8), and a
//! test compares what the two produce in the kernel.

use std::net::Ipv6Addr;

use super::batch::{Batch, Hook};
use super::kernel::{NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFPROTO_IPV6};
use super::rule::*;
use super::sets;

/// `enum nf_inet_hooks`.
const PREROUTING: u32 = 0;
const INPUT: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// Priorities of hooks (linux/netfilter_ipv4.h and netfilter_bridge.h): before connection tracking, at each translation.
const RAW: i32 = -300;
const DESTINATION: i32 = -100;
const FILTER: i32 = 0;
const SOURCE: i32 = 100;
const BRIDGE_FILTER: i32 = -200;

/// linux/netfilter/nf_conntrack_common.h.
const ESTABLISHED_OR_RELATED: u32 = 2 | 4;
const IPS_DST_NAT: u32 = 1 << 5;

/// Types of addresses in the routing tables (linux/rtnetlink.h).
const RTN_LOCAL: u32 = 2;
const RTN_BROADCAST: u32 = 3;
const RTN_MULTICAST: u32 = 5;

const ETHERTYPE_IP: [u8; 2] = [0x08, 0x00];
const ETHERTYPE_ARP: [u8; 2] = [0x08, 0x06];
const ETHERTYPE_IP6: [u8; 2] = [0x86, 0xdd];
/// The begin of an ARP packet for IPv4 on Ethernet, with addresses of six and of four bytes.
const ARP_FOR_IP: [u8; 6] = [0, 1, 8, 0, 6, 4];
const UDP: u8 = 17;
const ICMP6: u8 = 58;
const ROUTER_ADVERTISEMENT: u8 = 134;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

const CHAINS: [(u8, &str, Option<Hook>); 8] = [
    (NFPROTO_INET, "guard", hook("filter", PREROUTING, RAW)),
    (NFPROTO_INET, "published", None),
    (NFPROTO_INET, "prerouting", hook("nat", PREROUTING, DESTINATION)),
    (NFPROTO_INET, "output", hook("nat", OUTPUT, DESTINATION)),
    (NFPROTO_INET, "input", hook("filter", INPUT, FILTER)),
    (NFPROTO_INET, "forward", hook("filter", FORWARD, FILTER)),
    (NFPROTO_INET, "postrouting", hook("nat", POSTROUTING, SOURCE)),
    (NFPROTO_BRIDGE, "ports", hook("filter", PREROUTING, BRIDGE_FILTER)),
];

const fn hook(kind: &'static str, number: u32, priority: i32) -> Option<Hook> {
    Some(Hook { kind, number, priority })
}

/// Creates what is missing and replaces all rules, in one transaction, so that no packet meets a table without rules.
/// Elements stay.
pub fn put(batch: &mut Batch<'_>) {
    for family in [NFPROTO_INET, NFPROTO_BRIDGE] {
        batch.add_table(family);
    }
    sets::ALL.iter().for_each(|set| batch.add_set(set));
    CHAINS.iter().for_each(|(family, name, hook)| batch.add_chain(*family, name, *hook));
    for (family, rules) in [(NFPROTO_INET, inet_rules()), (NFPROTO_BRIDGE, bridge_rules())] {
        batch.delete_rules(family);
        rules.iter().for_each(|rule| batch.add_rule(family, rule));
    }
}

fn inet_rules() -> Vec<Rule> {
    [guard(), published(), tunnels(), input(), forward(), postrouting()].into_iter().flatten().collect()
}

/// Drops packets from containers to and from 127.0.0.0/8. With `route_localnet` on a bridge the kernel would accept them, and
/// containers could reach what listens on the host's loopback only. At this hook no translation has been undone yet, so such
/// an address was written by the container itself.
fn guard() -> Vec<Rule> {
    let other_links = Rule::new("guard").meta(Meta::InputName, 0).not_among("bridges", 0).accept();
    let to_loopback = Rule::new("guard").family(NFPROTO_IPV4).load(IP_DESTINATION_FIRST_BYTE, 0);
    let from_loopback = Rule::new("guard").family(NFPROTO_IPV4).load(IP_SOURCE_FIRST_BYTE, 0);
    // With the host's source address after masquerading, a container's packet would be taken for a peer's.
    let into_tunnel = Rule::new("guard").meta(Meta::Transport, 0).equals(0, &[UDP]);
    let into_tunnel = into_tunnel.load(DESTINATION_PORT, 0).load(VXLAN_NUMBER, 1).among("tunnels", 0).drop();
    let to_loopback = to_loopback.equals(0, &[127]).drop();
    vec![other_links, to_loopback, from_loopback.equals(0, &[127]).drop(), into_tunnel]
}

/// Forwards connections to the host's addresses: those from elsewhere pass `prerouting`, the host's own pass `output`. A port
/// that is published on one address takes precedence over the same port on all addresses.
fn published() -> Vec<Rule> {
    let local = |chain| Rule::new(chain).destination_is(RTN_LOCAL).jump("published");
    let transport = |family| Rule::new("published").family(family).meta(Meta::Transport, 0);
    let at4 = transport(NFPROTO_IPV4).load(IP_DESTINATION, 1).load(DESTINATION_PORT, 2);
    let any4 = transport(NFPROTO_IPV4).load(DESTINATION_PORT, 1);
    let at6 = transport(NFPROTO_IPV6).load(IP6_DESTINATION, 1).load(DESTINATION_PORT, 5);
    let any6 = transport(NFPROTO_IPV6).load(DESTINATION_PORT, 1);
    vec![
        local("prerouting"),
        // The kernel delivers packets to ::1 only if they came from `lo` (`rt6_need_strict`), so an answer would be lost.
        // Without forwarding, the monitor's socket accepts the connection, or the client is refused at once and tries
        // 127.0.0.1.
        Rule::new("output")
            .family(NFPROTO_IPV6)
            .load(IP6_DESTINATION, 0)
            .equals(0, &Ipv6Addr::LOCALHOST.octets())
            .accept(),
        local("output"),
        at4.replaced_by("ports4_at", 0).translate(NFPROTO_IPV4, 0, 1),
        any4.replaced_by("ports4", 0).translate(NFPROTO_IPV4, 0, 1),
        at6.replaced_by("ports6_at", 0).translate(NFPROTO_IPV6, 0, 4),
        any6.replaced_by("ports6", 0).translate(NFPROTO_IPV6, 0, 4),
    ]
}

/// Accepts VXLAN packets of hull's networks from their peers only: VXLAN itself has no authentication. Packets with other
/// numbers at the same port are not hull's. At this hook fragments are reassembled, and packets from all links pass.
fn tunnels() -> Vec<Rule> {
    let frame = |family| {
        let udp = Rule::new("input").family(family).meta(Meta::Transport, 0).equals(0, &[UDP]);
        let ours = udp.load(DESTINATION_PORT, 0).load(VXLAN_NUMBER, 1).among("tunnels", 0);
        ours.load(DESTINATION_PORT, 0).load(VXLAN_NUMBER, 1)
    };
    vec![
        frame(NFPROTO_IPV4).load(IP_SOURCE, 2).not_among("peers4", 0).drop(),
        frame(NFPROTO_IPV6).load(IP6_SOURCE, 2).not_among("peers6", 0).drop(),
    ]
}

/// From an internal network a container reaches only the gateway's address, and none of the host's other addresses.
fn input() -> Vec<Rule> {
    vec![
        Rule::new("input").meta(Meta::InputName, 0).not_among("internal", 0).accept(),
        Rule::new("input").destination_here_is(RTN_LOCAL).accept(),
        Rule::new("input").destination_is(RTN_BROADCAST).accept(),
        Rule::new("input").destination_is(RTN_MULTICAST).accept(),
        Rule::new("input").drop(),
    ]
}

/// Decides which networks the host forwards between. Accepting a packet here does not undo a drop in another table.
fn forward() -> Vec<Rule> {
    let rule = || Rule::new("forward");
    let from_to = || rule().meta(Meta::InputName, 0).meta(Meta::OutputName, 4);
    vec![
        from_to().among("open", 0).accept(),
        rule().meta(Meta::InputName, 0).among("internal", 0).drop(),
        rule().meta(Meta::OutputName, 0).among("internal", 0).drop(),
        // Packets from containers may leave for everything but another network. Packets to a container are accepted if they
        // belong to a known connection, or came to a published port.
        rule().meta(Meta::OutputName, 0).not_among("bridges", 0).accept(),
        rule().connection_has(Connection::State, ESTABLISHED_OR_RELATED).accept(),
        rule().connection_has(Connection::Status, IPS_DST_NAT).accept(),
        rule().drop(),
    ]
}

/// Changes the source of packets whose answers would otherwise not come back to this host.
fn postrouting() -> Vec<Rule> {
    let rule = || Rule::new("postrouting");
    let from_to = |rule: Rule| rule.meta(Meta::InputName, 0).meta(Meta::OutputName, 4);
    let to_bridge = rule().meta(Meta::OutputName, 0).among("bridges", 0).family(NFPROTO_IPV4);
    let translated = |family| {
        let translated = rule().connection_has(Connection::Status, IPS_DST_NAT).family(family);
        translated.meta(Meta::OutputName, 0)
    };
    let outward = rule().meta(Meta::InputName, 0).among("masquerading", 0);
    vec![
        // From 127.0.0.1 of the host, which for a container is its own loopback.
        to_bridge.load(IP_SOURCE_FIRST_BYTE, 0).equals(0, &[127]).masquerade(),
        // To a port that a container on the same network has published: it would answer its neighbour directly, from an
        // address to which the neighbour has no connection. The test is by address and not by input link, which is unknown
        // here if bridges call these rules (br_netfilter).
        translated(NFPROTO_IPV4).load(IP_SOURCE, 4).among("members4", 0).masquerade(),
        translated(NFPROTO_IPV6).load(IP6_SOURCE, 4).among("members6", 0).masquerade(),
        // The same for a container on another host of a VXLAN network, whose address is not in the sets here.
        from_to(rule().connection_has(Connection::Status, IPS_DST_NAT)).among("same", 0).masquerade(),
        from_to(outward).not_among("same", 0).masquerade(),
    ]
}

/// Checks frames from containers: the source has to be the container's MAC address and one of its IP addresses, in ARP and
/// neighbour discovery too. Frames from one container to another pass only this table, and not the `inet` one.
fn bridge_rules() -> Vec<Rule> {
    let rule = || Rule::new("ports");
    let name = |rule: Rule| rule.meta(Meta::InputName, 0);
    let ether = |kind: [u8; 2]| rule().load(ETHER_TYPE, 0).equals(0, &kind);
    let icmp6 = |kind: u8| {
        let icmp6 = ether(ETHERTYPE_IP6).meta(Meta::Transport, 0).equals(0, &[ICMP6]);
        icmp6.load(ICMP6_TYPE, 0).equals(0, &[kind])
    };
    let arp = || ether(ETHERTYPE_ARP).load(ARP_FORMAT, 0).equals(0, &ARP_FOR_IP);
    vec![
        name(rule()).not_among("links", 0).accept(),
        name(rule()).load(ETHER_SOURCE, 4).not_among("macs", 0).drop(),
        name(ether(ETHERTYPE_IP)).load(IP_SOURCE, 4).among("addresses4", 0).accept(),
        name(arp()).load(ARP_SOURCE_MAC, 4).not_among("macs", 0).drop(),
        name(arp()).load(ARP_SOURCE, 4).among("addresses4", 0).accept(),
        // The only router on a container's network is the host.
        icmp6(ROUTER_ADVERTISEMENT).drop(),
        icmp6(REDIRECT).drop(),
        name(icmp6(NEIGHBOUR_ADVERTISEMENT)).load(ICMP6_TARGET, 4).not_among("addresses6", 0).drop(),
        name(ether(ETHERTYPE_IP6)).load(IP6_SOURCE, 4).among("addresses6", 0).accept(),
        rule().drop(),
    ]
}
