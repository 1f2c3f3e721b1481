//! What the rules do to packets.

use super::topology::*;
use super::*;
use crate::addresses::{self, Address};
use crate::{links, sysctl};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Udp];

fn publish(host: SocketAddr, container: &Container, port: u16) -> Vec<Published> {
    let container = SocketAddr::new(container.address, port);
    BOTH.map(|transport| Published { transport, host, container }).to_vec()
}

/// Two containers on one bridge, a third one on another.
fn three(topology: &mut Topology) -> [Container; 3] {
    topology.bridge("hull0", "10.9.0.1");
    topology.bridge("hull1", "10.8.0.1");
    let containers = [
        topology.add_container("hull0", "veth1", "10.9.0.2", "10.9.0.1"),
        topology.add_container("hull0", "veth2", "10.9.0.3", "10.9.0.1"),
        topology.add_container("hull1", "veth3", "10.8.0.2", "10.8.0.1"),
    ];
    for container in &containers {
        for transport in BOTH {
            serve(&container.namespace, transport, at("0.0.0.0", 80));
        }
    }
    containers
}

#[test]
fn a_published_port_answers_from_everywhere() {
    // With br_netfilter bridges call the IP rules, and without it they do not.
    for called in ["0", "1"] {
        in_own_namespace("a_published_port_answers_from_everywhere", || answers_from_everywhere(called));
    }
}

fn answers_from_everywhere(called_by_bridges: &str) {
    let _ = std::fs::write("/proc/sys/net/bridge/bridge-nf-call-iptables", called_by_bridges);
    let mut topology = Topology::new();
    let [one, two, three] = three(&mut topology);
    topology.attach(&one, network("hull0"), &publish(at("0.0.0.0", 8080), &one, 80));
    topology.attach(&two, network("hull0"), &[]);
    topology.attach(&three, network("hull1"), &[]);
    for transport in BOTH {
        let ask = |from, to| ask(from, transport, at(to, 8080));
        // A container cannot answer to the host's loopback address, so the source is translated.
        assert_eq!(ask(&topology.host, "127.0.0.1"), "10.9.0.1");
        assert_eq!(ask(&topology.host, HOST_ON_LAN), HOST_ON_LAN);
        assert_eq!(ask(&topology.neighbour, HOST_ON_LAN), NEIGHBOUR);
        for container in [&one, &two] {
            assert_eq!(ask(&container.namespace, HOST_ON_LAN), "10.9.0.1");
            assert_eq!(ask(&container.namespace, "10.9.0.1"), "10.9.0.1");
        }
        ask(&three.namespace, HOST_ON_LAN);
        ask(&three.namespace, "10.8.0.1");
    }
}

#[test]
fn a_port_published_on_one_address_is_on_no_other() {
    in_own_namespace("a_port_published_on_one_address_is_on_no_other", || {
        let mut topology = Topology::new();
        let [one, ..] = three(&mut topology);
        topology.attach(&one, network("hull0"), &publish(at("127.0.0.1", 8080), &one, 80));
        for transport in BOTH {
            ask(&topology.host, transport, at("127.0.0.1", 8080));
            refused(&topology.host, transport, at(HOST_ON_LAN, 8080));
            refused(&topology.neighbour, transport, at(HOST_ON_LAN, 8080));
        }
    });
}

#[test]
fn containers_go_out_with_the_hosts_address_and_nobody_comes_in() {
    in_own_namespace("containers_go_out_with_the_hosts_address_and_nobody_comes_in", || {
        let mut topology = Topology::new();
        let [one, two, three] = three(&mut topology);
        for (container, bridge) in [(&one, "hull0"), (&two, "hull0"), (&three, "hull1")] {
            topology.attach(container, network(bridge), &[]);
        }
        // The neighbour has a route to the containers, so only a rule can stop it.
        inside(&topology.neighbour, || oracle("ip", &["route", "add", "10.0.0.0/8", "via", HOST_ON_LAN]));
        for transport in BOTH {
            serve(&topology.neighbour, transport, at("0.0.0.0", 80));
            assert_eq!(ask(&one.namespace, transport, at(NEIGHBOUR, 80)), HOST_ON_LAN);
            assert_eq!(ask(&one.namespace, transport, at("10.9.0.3", 80)), "10.9.0.2");
            assert_eq!(ask(&topology.host, transport, at("10.9.0.2", 80)), "10.9.0.1");
            refused(&topology.neighbour, transport, at("10.9.0.2", 80));
            refused(&one.namespace, transport, at("10.8.0.2", 80));
            refused(&three.namespace, transport, at("10.9.0.2", 80));
        }
    });
}

#[test]
fn an_internal_network_has_no_outside() {
    in_own_namespace("an_internal_network_has_no_outside", || {
        let mut topology = Topology::new();
        let [one, two, three] = three(&mut topology);
        let internal = Network { internal: true, ..network("hull0") };
        topology.attach(&one, internal.clone(), &[]);
        topology.attach(&two, internal, &[]);
        topology.attach(&three, network("hull1"), &publish(at("0.0.0.0", 8080), &three, 80));
        for transport in BOTH {
            serve(&topology.neighbour, transport, at("0.0.0.0", 80));
            serve(&topology.host, transport, at("0.0.0.0", 90));
            assert_eq!(ask(&one.namespace, transport, at("10.9.0.3", 80)), "10.9.0.2");
            assert_eq!(ask(&topology.host, transport, at("10.9.0.2", 80)), "10.9.0.1");
            ask(&one.namespace, transport, at("10.9.0.1", 90));
            refused(&one.namespace, transport, at(HOST_ON_LAN, 90));
            refused(&one.namespace, transport, at(NEIGHBOUR, 80));
            refused(&one.namespace, transport, at("10.8.0.2", 80));
            refused(&three.namespace, transport, at("10.9.0.2", 80));
            refused(&one.namespace, transport, at(HOST_ON_LAN, 8080));
        }
    });
}

#[test]
fn the_hosts_loopback_cannot_be_reached_through_the_gateway() {
    in_own_namespace("the_hosts_loopback_cannot_be_reached_through_the_gateway", || {
        let mut topology = Topology::new();
        let [one, ..] = three(&mut topology);
        for transport in BOTH {
            serve(&topology.host, transport, at("127.0.0.1", 90));
        }
        // A container with CAP_NET_ADMIN can change its own routes and sysctls.
        inside(&one.namespace, || {
            oracle("ip", &["route", "del", "127.0.0.0/8", "table", "local", "dev", "lo"]);
            oracle("ip", &["addr", "del", "127.0.0.1/8", "dev", "lo"]);
            oracle("ip", &["route", "add", "127.0.0.0/8", "via", "10.9.0.1", "src", "10.9.0.2"]);
            std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
        });
        // Without the rules the attack succeeds.
        for transport in BOTH {
            ask(&one.namespace, transport, at("127.0.0.1", 90));
        }
        topology.attach(&one, network("hull0"), &publish(at("127.0.0.1", 8080), &one, 80));
        for transport in BOTH {
            refused(&one.namespace, transport, at("127.0.0.1", 90));
            ask(&topology.host, transport, at("127.0.0.1", 8080));
        }
    });
}

#[test]
fn a_container_cannot_be_another_one() {
    in_own_namespace("a_container_cannot_be_another_one", || {
        let mut topology = Topology::new();
        let [one, two, _] = three(&mut topology);
        inside(&one.namespace, || oracle("ip", &["addr", "add", "10.9.0.77/24", "dev", "eth0"]));
        let as_77 = || {
            inside(&one.namespace, || {
                let socket = std::net::UdpSocket::bind(at("10.9.0.77", 0)).unwrap();
                socket.set_read_timeout(Some(NEVER)).unwrap();
                let _ = socket.send_to(b"?", at("10.9.0.3", 80));
                socket.recv(&mut [0; 64])
            })
        };
        eventually(as_77).expect("without rules it can");
        topology.attach(&one, network("hull0"), &[]);
        topology.attach(&two, network("hull0"), &[]);
        assert!(as_77().is_err(), "another address");
        ask(&one.namespace, Transport::Udp, at("10.9.0.3", 80));
        // An ARP announcement of another container's address has no effect.
        inside(&one.namespace, || {
            oracle("ip", &["addr", "add", "10.9.0.1/32", "dev", "eth0"]);
            oracle("ip", &["addr", "del", "10.9.0.2/24", "dev", "eth0"]);
            oracle("ip", &["addr", "add", "10.9.0.2/24", "dev", "eth0"]);
        });
        ask(&two.namespace, Transport::Udp, at("10.9.0.2", 80));
        let gateway = eventually(|| {
            let known = inside(&two.namespace, || {
                let _ = std::net::UdpSocket::bind(at("0.0.0.0", 0)).unwrap().send_to(b"?", at("10.9.0.1", 9));
                oracle("ip", &["neigh", "show", "10.9.0.1"])
            });
            if known.contains("lladdr") { Ok(known) } else { Err(known) }
        });
        assert!(gateway.as_ref().is_ok_and(|known| known.contains("02:42:0a:09:00:01")), "{gateway:?}");
        // With another source MAC address no frame passes.
        inside(&one.namespace, || {
            oracle("ip", &["addr", "del", "10.9.0.1/32", "dev", "eth0"]);
            oracle("ip", &["link", "set", "eth0", "address", "02:42:0a:09:00:07"]);
        });
        refused(&one.namespace, Transport::Udp, at("10.9.0.3", 80));
    });
}

#[test]
fn a_container_that_is_taken_off_is_no_longer_published() {
    in_own_namespace("a_container_that_is_taken_off_is_no_longer_published", || {
        let mut topology = Topology::new();
        let [one, ..] = three(&mut topology);
        let published = publish(at("0.0.0.0", 8080), &one, 80);
        topology.attach(&one, network("hull0"), &published);
        ask(&topology.host, Transport::Tcp, at("127.0.0.1", 8080));
        let endpoint = Endpoint {
            network: network("hull0"),
            link: &one.link,
            mac: one.mac,
            addresses: &[one.address],
            link_local: &[],
            published: &published,
        };
        topology.table.detach(&mut topology.filter, &[endpoint]).unwrap();
        refused(&topology.host, Transport::Tcp, at("127.0.0.1", 8080));
    });
}

#[test]
fn ipv6_is_served_as_ipv4_is() {
    in_own_namespace("ipv6_is_served_as_ipv4_is", || {
        let mut topology = Topology::new();
        let [one, two, _] = three(&mut topology);
        sysctl::enable_forwarding(true).unwrap();
        let give = |socket: &mut Socket, name: &str, text: &str| {
            let link = links::get(socket, name).unwrap().index;
            addresses::add(socket, Address { link, ip: ip(text), prefix: 64 }).unwrap();
        };
        give(&mut topology.route, "hull0", "fd00:9::1");
        give(&mut topology.route, "lan0", "fd00:1::1");
        for (namespace, text, gateway) in [
            (&one.namespace, "fd00:9::2", Some("fd00:9::1")),
            (&two.namespace, "fd00:9::3", Some("fd00:9::1")),
            (&topology.neighbour, "fd00:1::2", None),
        ] {
            inside(namespace, || {
                give(&mut crate::testing::route_socket(), "eth0", text);
                gateway.map(|gateway| oracle("ip", &["-6", "route", "add", "default", "via", gateway]));
            });
        }
        let v6 = Container { address: ip("fd00:9::2"), ..one };
        serve(&v6.namespace, Transport::Tcp, at("::", 90));
        serve(&topology.neighbour, Transport::Tcp, at("::", 90));
        topology.attach(&v6, network("hull0"), &publish(at("::", 8080), &v6, 90));
        topology.attach(&Container { address: ip("fd00:9::3"), ..two }, network("hull0"), &[]);
        let ask = |from, to, port| ask(from, Transport::Tcp, at(to, port));
        assert_eq!(ask(&topology.neighbour, "fd00:1::1", 8080), "fd00:1::2");
        assert_eq!(ask(&topology.host, "fd00:1::1", 8080), "fd00:1::1");
        assert_eq!(ask(&v6.namespace, "fd00:1::2", 90), "fd00:1::1");
        assert_eq!(ask(&v6.namespace, "fd00:9::1", 8080), "fd00:9::1");
    });
}

/// Those of docker's rules that drop packets.
const DOCKERS: [&str; 5] = [
    "-P FORWARD DROP",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-A FORWARD -o docker0 -j DROP",
    "-A FORWARD -i docker0 -j ACCEPT",
];

#[test]
fn packets_pass_where_iptables_drops_what_is_forwarded() {
    const NAME: &str = "packets_pass_where_iptables_drops_what_is_forwarded";
    if !has(NAME, "iptables-nft") {
        return;
    }
    for rules in [&DOCKERS[..], &DOCKERS[..1]] {
        in_own_namespace(NAME, || {
            let iptables = |rule: &str| oracle("iptables-nft", &rule.split(' ').collect::<Vec<_>>());
            rules.iter().for_each(|rule| drop(iptables(rule)));
            let before = iptables("-S");
            let mut topology = Topology::new();
            let [one, two, _] = three(&mut topology);
            topology.attach(&one, network("hull0"), &publish(at("0.0.0.0", 8080), &one, 80));
            topology.attach(&two, network("hull0"), &[]);
            serve(&topology.neighbour, Transport::Tcp, at("0.0.0.0", 80));
            refused(&one.namespace, Transport::Tcp, at(NEIGHBOUR, 80));
            for _ in 0..2 {
                accept_forwarded(&mut topology.filter, "hull0", true).unwrap();
            }
            ask(&one.namespace, Transport::Tcp, at(NEIGHBOUR, 80));
            ask(&one.namespace, Transport::Tcp, at("10.9.0.3", 80));
            for from in [&topology.neighbour, &one.namespace, &two.namespace] {
                ask(from, Transport::Tcp, at(HOST_ON_LAN, 8080));
            }
            // iptables can still list its table, which has two more rules.
            assert_eq!(iptables("-S").lines().count(), before.lines().count() + 2);
            remove_accept_forwarded(&mut topology.filter, "hull0").unwrap();
            assert_eq!(iptables("-S"), before);
        });
    }
}

#[test]
fn where_nobody_drops_there_is_nothing_to_be_added() {
    in_own_namespace("where_nobody_drops_there_is_nothing_to_be_added", || {
        let mut filter = socket();
        accept_forwarded(&mut filter, "hull0", true).unwrap();
        remove_accept_forwarded(&mut filter, "hull0").unwrap();
        if has("where_nobody_drops_there_is_nothing_to_be_added", "nft") {
            assert_eq!(oracle("nft", &["list", "ruleset"]), "");
        }
    });
}

#[test]
fn udp_goes_where_a_port_leads_now_and_not_where_it_led() {
    in_own_namespace("udp_goes_where_a_port_leads_now_and_not_where_it_led", || {
        let mut topology = Topology::new();
        let [one, two, _] = three(&mut topology);
        let port = |container| publish(at("0.0.0.0", 8080), container, 80);
        topology.attach(&one, network("hull0"), &port(&one));
        // For the kernel, all packets of one client's socket are one connection.
        let client = inside(&topology.neighbour, || std::net::UdpSocket::bind(at("0.0.0.0", 7000)).unwrap());
        client.set_read_timeout(Some(NEVER)).unwrap();
        let ask = || {
            client.send_to(b"?", at(HOST_ON_LAN, 8080))?;
            client.recv(&mut [0; 64])
        };
        eventually(ask).unwrap();
        topology.attach(&two, network("hull0"), &port(&two));
        inside(&one.namespace, || oracle("ip", &["link", "set", "eth0", "down"]));
        // Late answers to earlier packets are skipped.
        while client.recv(&mut [0; 64]).is_ok() {}
        assert!(ask().is_err(), "what is remembered leads to who is gone");
        crate::conntrack::forget_udp(&mut topology.filter, &[53, 8080]).unwrap();
        eventually(ask).unwrap();
        crate::conntrack::forget_udp(&mut topology.filter, &[]).unwrap();
    });
}
