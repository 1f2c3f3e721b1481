use serde_json::Value;

use super::*;
use crate::netlink::Protocol;
use crate::testing::{has, in_own_namespace, inside, new_namespace, oracle};

mod packets;
mod topology;

fn socket() -> Socket {
    Socket::open(Protocol::Netfilter).unwrap()
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn network(bridge: &str) -> Network<'_> {
    Network { bridge, internal: false, masquerade: true, inter_container: true, tunnel: None }
}

/// The namespace's ruleset as nft(8) lists it, without handles and other numbers that differ each time.
fn ruleset() -> Vec<Value> {
    let mut listed: Value = serde_json::from_str(&oracle("nft", &["-j", "list", "ruleset"])).unwrap();
    let Value::Array(mut objects) = listed["nftables"].take() else { panic!("{listed}") };
    for object in &mut objects {
        for kind in object.as_object_mut().unwrap().values_mut() {
            kind.as_object_mut().unwrap().remove("handle");
        }
    }
    objects
}

#[test]
fn the_rules_are_what_nft_makes_of_the_written_ones() {
    const NAME: &str = "the_rules_are_what_nft_makes_of_the_written_ones";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        Table::new("").ensure(&mut socket()).unwrap();
        let mut ours = ruleset();
        let mut text = include_str!("../ruleset.nft").to_owned();
        if !understands_targets() {
            text = text.lines().filter(|line| !line.contains("icmpv6 taddr")).collect::<Vec<_>>().join("\n");
            ours.retain(|object| !object.to_string().contains(r#""offset":64,"len":128"#));
        }
        let mut theirs = inside(&new_namespace(), || {
            oracle("nft", &[&text]);
            ruleset()
        });
        // nft has no type for a VXLAN's number: its own ruleset has an "integer", and ours the type that nft prints it as.
        for set in ours.iter_mut().chain(&mut theirs).filter_map(|object| object.get_mut("set")) {
            let fields = set["type"].as_array_mut().into_iter().flatten();
            fields.filter(|field| *field == "integer").for_each(|field| *field = "ipv4_addr".into());
        }
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs);
        }
        assert_eq!(ours.len(), theirs.len());
    });
}

/// nft(8) has a name for this field since 1.0.8.
fn understands_targets() -> bool {
    let check = std::process::Command::new("nft")
        .args([
            "-c",
            "add table bridge t; add chain bridge t c; \
        add rule bridge t c icmpv6 type nd-neighbor-advert icmpv6 taddr ::1",
        ])
        .output();
    check.is_ok_and(|output| output.status.success())
}

#[test]
fn making_the_table_again_changes_nothing_and_keeps_elements() {
    const NAME: &str = "making_the_table_again_changes_nothing_and_keeps_elements";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        let (table, mut socket) = (Table::new(""), socket());
        let published = [Published {
            transport: Transport::Tcp,
            host: address("0.0.0.0:80"),
            container: address("10.9.0.2:8080"),
        }];
        table.attach(&mut socket, &[endpoint(&published)]).unwrap();
        let before = ruleset();
        table.ensure(&mut socket).unwrap();
        assert_eq!(ruleset(), before);
        // Rules that another tool has flushed are restored.
        oracle("nft", &["flush", "chain", "inet", "hull", "forward"]);
        table.ensure(&mut socket).unwrap();
        assert_eq!(ruleset(), before);
    });
}

const ADDRESSES: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(10, 9, 0, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 9, 0, 0, 0, 0, 0, 2)),
];

fn endpoint(published: &[Published]) -> Endpoint<'_> {
    let mac = Mac([2, 0x42, 10, 9, 0, 2]);
    Endpoint {
        network: network("hull0"),
        link: "veth1",
        mac,
        addresses: &ADDRESSES,
        link_local: &[],
        published,
    }
}

/// The elements of one set, as nft(8) prints them.
fn elements(family: &str, kind: &str, name: &str) -> String {
    let listed = oracle("nft", &["list", kind, family, "hull", name]);
    let Some((_, elements)) = listed.split_once("elements = {") else { return String::new() };
    elements.split('}').next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_container_is_its_elements_and_leaves_none() {
    const NAME: &str = "a_container_is_its_elements_and_leaves_none";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        let (table, mut socket) = (Table::new(""), socket());
        let publish = |transport, host, container| Published {
            transport,
            host: address(host),
            container: address(container),
        };
        let published = [
            publish(Transport::Tcp, "0.0.0.0:8080", "10.9.0.2:80"),
            publish(Transport::Udp, "127.0.0.1:53", "10.9.0.2:5353"),
            publish(Transport::Tcp, "[::]:8080", "[fd00:9::2]:80"),
            publish(Transport::Sctp, "[fd00:1::1]:9", "[fd00:9::2]:10"),
        ];
        table.ensure(&mut socket).unwrap();
        let empty = ruleset();
        table.attach(&mut socket, &[endpoint(&published)]).unwrap();
        for (family, kind, name, expected) in [
            ("inet", "set", "bridges", "\"hull0\""),
            ("inet", "set", "same", "\"hull0\" . \"hull0\""),
            ("inet", "set", "open", "\"hull0\" . \"hull0\""),
            ("inet", "set", "masquerading", "\"hull0\""),
            ("inet", "set", "internal", ""),
            ("inet", "set", "members4", "\"hull0\" . 10.9.0.2"),
            ("inet", "set", "members6", "\"hull0\" . fd00:9::2"),
            ("inet", "map", "ports4", "tcp . 8080 : 10.9.0.2 . 80"),
            ("inet", "map", "ports4_at", "udp . 127.0.0.1 . 53 : 10.9.0.2 . 5353"),
            ("inet", "map", "ports6", "tcp . 8080 : fd00:9::2 . 80"),
            ("inet", "map", "ports6_at", "sctp . fd00:1::1 . 9 : fd00:9::2 . 10"),
            ("bridge", "set", "links", "\"veth1\""),
            ("bridge", "set", "macs", "\"veth1\" . 02:42:0a:09:00:02"),
            ("bridge", "set", "addresses4", "\"veth1\" . 10.9.0.2"),
        ] {
            assert_eq!(elements(family, kind, name), expected, "{name}");
        }
        let six = elements("bridge", "set", "addresses6");
        for expected in ["fd00:9::2", "fe80::42:aff:fe09:2", "\"veth1\" . ::"] {
            assert!(six.contains(expected), "{six}");
        }
        table.detach(&mut socket, &[endpoint(&published)]).unwrap();
        table.detach(&mut socket, &[endpoint(&published)]).unwrap();
        table.remove_network(&mut socket, &network("hull0")).unwrap();
        table.remove_network(&mut socket, &network("hull0")).unwrap();
        assert_eq!(ruleset(), empty);
        table.delete(&mut socket).unwrap();
        table.delete(&mut socket).unwrap();
        assert_eq!(oracle("nft", &["list", "ruleset"]), "");
        table.detach(&mut socket, &[endpoint(&published)]).unwrap();
    });
}

#[test]
fn a_tunnel_is_its_number_and_its_peers_and_goes_with_its_network() {
    const NAME: &str = "a_tunnel_is_its_number_and_its_peers_and_goes_with_its_network";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        let (table, mut socket) = (Table::new(""), socket());
        table.ensure(&mut socket).unwrap();
        let empty = ruleset();
        let peers = ["192.0.2.7", "192.0.2.8"].map(|ip| ip.parse().unwrap());
        let with = |tunnel| Network { tunnel: Some(tunnel), ..network("hl-far") };
        let far = with(Tunnel { port: 4789, id: 0x12_34_56, peers: &peers });
        table.add_network(&mut socket, &far).unwrap();
        assert_eq!(elements("inet", "set", "tunnels"), "4789 . 18.52.86.0");
        let listed = elements("inet", "set", "peers4");
        for peer in ["192.0.2.7", "192.0.2.8"] {
            assert!(listed.contains(&format!("4789 . 18.52.86.0 . {peer}")), "{listed}");
        }
        table.remove_network(&mut socket, &far).unwrap();
        assert_eq!(ruleset(), empty);
        let peers = ["2001:db8::7".parse().unwrap()];
        let far = with(Tunnel { port: 4790, id: 7, peers: &peers });
        table.add_network(&mut socket, &far).unwrap();
        assert_eq!(elements("inet", "set", "peers6"), "4790 . 0.0.7.0 . 2001:db8::7");
        let endpoint = Endpoint { network: far.clone(), ..endpoint(&[]) };
        let seen = table.status(&mut socket, &endpoint).unwrap();
        let tunnel = seen.iter().find(|seen| seen.set == "tunnels").unwrap();
        assert_eq!((tunnel.element.as_str(), tunnel.present), ("4790 . 7", true));
        table.remove_network(&mut socket, &far).unwrap();
        assert_eq!(ruleset(), empty);
    });
}

#[test]
fn an_endpoint_that_cannot_be_leaves_nothing() {
    const NAME: &str = "an_endpoint_that_cannot_be_leaves_nothing";
    in_own_namespace(NAME, || {
        let mixed = [Published {
            transport: Transport::Tcp,
            host: address("[::]:80"),
            container: address("10.9.0.2:80"),
        }];
        let mut socket = socket();
        let error = Table::new("").attach(&mut socket, &[endpoint(&mixed)]).unwrap_err();
        assert!(error.to_string().contains("no translation"), "{error}");
        let bad_name = Endpoint { link: "a-name-that-is-too-long", ..endpoint(&[]) };
        assert!(matches!(
            Table::new("").attach(&mut socket, &[bad_name]),
            Err(Error::InvalidLinkName { .. })
        ));
    });
}

#[test]
fn what_a_killed_container_left_of_a_port_is_replaced() {
    const NAME: &str = "what_a_killed_container_left_of_a_port_is_replaced";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        let (table, mut socket) = (Table::new(""), socket());
        for container in ["10.9.0.2:80", "10.9.0.7:81"] {
            let published = [Published {
                transport: Transport::Tcp,
                host: address("0.0.0.0:8080"),
                container: address(container),
            }];
            table.attach(&mut socket, &[endpoint(&published)]).unwrap();
        }
        assert_eq!(elements("inet", "map", "ports4"), "tcp . 8080 : 10.9.0.7 . 81");
    });
}

#[test]
fn two_roots_have_tables_of_their_own() {
    const NAME: &str = "two_roots_have_tables_of_their_own";
    if !has(NAME, "nft") {
        return;
    }
    in_own_namespace(NAME, || {
        let mut socket = socket();
        let (one, two) = (Table::new(""), Table::new("-0badcafe"));
        one.attach(&mut socket, &[endpoint(&[])]).unwrap();
        let before = ruleset();
        two.attach(&mut socket, &[endpoint(&[])]).unwrap();
        two.delete(&mut socket).unwrap();
        assert_eq!(ruleset(), before);
    });
}

#[test]
fn five_thousand_ports_are_one_transaction() {
    in_own_namespace("five_thousand_ports_are_one_transaction", || {
        let (table, mut socket) = (Table::new(""), socket());
        let publish = |port: u16| Published {
            transport: Transport::Tcp,
            host: SocketAddr::from(([0; 4], port)),
            container: SocketAddr::from(([10, 9, 0, 2], port)),
        };
        let published: Vec<_> = (10_000..15_000).map(publish).collect();
        table.attach(&mut socket, &[endpoint(&published)]).unwrap();
        table.detach(&mut socket, &[endpoint(&published)]).unwrap();
    });
}
