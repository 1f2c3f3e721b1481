use std::net::{IpAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use super::*;
use crate::addresses::{self, Address};
use crate::routes::{self, Route};
use crate::testing::{has, in_own_namespace, inside, new_namespace, on_link, oracle, route_socket};
use crate::{namespace, netlink, sysctl};

const MAC: Mac = Mac([0x02, 0x42, 10, 9, 0, 1]);

fn bridge(socket: &mut Socket) -> Link {
    create_bridge(socket, &Bridge { name: "hull0", mac: MAC, mtu: 1400 }).unwrap();
    let index = get(socket, "hull0").unwrap().index;
    set_up(socket, index).unwrap();
    get(socket, "hull0").unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_bridge_has_its_mac_and_mtu_from_the_start_and_keeps_them() {
    in_own_namespace("a_bridge_has_its_mac_and_mtu_from_the_start_and_keeps_them", || {
        let mut socket = route_socket();
        let made = bridge(&mut socket);
        assert_eq!(
            (made.kind.as_deref(), made.mac, made.mtu, made.up),
            (Some("bridge"), Some(MAC), 1400, true)
        );
        let inner = new_namespace();
        let peer = Peer {
            name: "eth0",
            mac: Some(Mac([2, 0, 0, 0, 0, 1])),
            namespace: Namespace::Fd(inner.as_fd()),
        };
        let veth = Veth { name: "veth1", master: Some(made.index), mtu: 1400, peer };
        create_veth(&mut socket, &veth).unwrap();
        let after = find_by_index(&mut socket, made.index).unwrap().unwrap();
        assert_eq!((after.mac, after.mtu), (Some(MAC), 1400));
        let port = get(&mut socket, "veth1").unwrap();
        assert_eq!((port.master, port.up, port.kind.as_deref()), (Some(made.index), true, Some("veth")));
    });
}

#[test]
fn a_bridge_that_exists_is_an_error_and_stays_as_it_is() {
    in_own_namespace("a_bridge_that_exists_is_an_error_and_stays_as_it_is", || {
        let mut socket = route_socket();
        let first = bridge(&mut socket);
        let error =
            create_bridge(&mut socket, &Bridge { name: "hull0", mac: Mac([2; 6]), mtu: 1500 }).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EEXIST));
        assert_eq!(get(&mut socket, "hull0").unwrap(), first);
        delete(&mut socket, first.index).unwrap();
        assert_eq!(find(&mut socket, "hull0").unwrap(), None);
        assert!(matches!(get(&mut socket, "hull0"), Err(Error::NoSuchLink(_))));
    });
}

#[test]
fn a_veths_peer_is_born_inside_with_its_final_name() {
    in_own_namespace("a_veths_peer_is_born_inside_with_its_final_name", || {
        let mut socket = route_socket();
        let inner = new_namespace();
        let mac = Mac([2, 0, 0, 0, 0, 7]);
        let peer = Peer { name: "eth0", mac: Some(mac), namespace: Namespace::Fd(inner.as_fd()) };
        create_veth(&mut socket, &Veth { name: "veth1", master: None, mtu: 1300, peer }).unwrap();
        assert_eq!(find(&mut socket, "eth0").unwrap(), None);
        let mut within = Socket::inside(inner.as_fd(), netlink::Protocol::Route).unwrap();
        let found = get(&mut within, "eth0").unwrap();
        assert_eq!((found.mac, found.mtu, found.up), (Some(mac), 1300, false));
        assert_eq!(found.link, Some(get(&mut socket, "veth1").unwrap().index));
    });
}

#[test]
fn a_veth_that_cannot_be_made_leaves_neither_end() {
    in_own_namespace("a_veth_that_cannot_be_made_leaves_neither_end", || {
        let mut socket = route_socket();
        let before = list(&mut socket).unwrap();
        // No process can have this pid (proc(5), pid_max).
        let peer = Peer { name: "eth0", mac: None, namespace: Namespace::Pid(1 << 22) };
        assert!(create_veth(&mut socket, &Veth { name: "veth1", master: None, mtu: 1500, peer }).is_err());
        assert_eq!(list(&mut socket).unwrap(), before);
    });
}

#[test]
fn a_link_is_renamed_while_it_is_down() {
    in_own_namespace("a_link_is_renamed_while_it_is_down", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        set_down(&mut socket, index).unwrap();
        rename(&mut socket, index, "other").unwrap();
        let link = get(&mut socket, "other").unwrap();
        assert_eq!((link.index, link.up, link.mac), (index, false, Some(MAC)));
        assert_eq!(find(&mut socket, "hull0").unwrap(), None);
    });
}

#[test]
fn names_the_kernel_would_not_take_are_refused_before() {
    for bad in ["", ".", "..", "a/b", "a b", "veth%d", "sixteen-letters-", "a:b", "ä"] {
        assert!(check_name(bad).is_err(), "{bad:?}");
    }
    for good in ["hull0", "br-0123456789ab", "a.1", "x_y"] {
        assert!(check_name(good).is_ok(), "{good:?}");
    }
}

#[test]
fn ip_sees_what_was_made() {
    if !has("ip_sees_what_was_made", "ip") {
        return;
    }
    in_own_namespace("ip_sees_what_was_made", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        addresses::add(&mut socket, Address { link: index, ip: ip("10.9.0.1"), prefix: 16 }).unwrap();
        addresses::add(&mut socket, Address { link: index, ip: ip("fd00:9::1"), prefix: 64 }).unwrap();
        let shown = oracle("ip", &["address", "show", "dev", "hull0"]);
        for part in [
            "mtu 1400",
            "link/ether 02:42:0a:09:00:01",
            "inet 10.9.0.1/16 brd 10.9.255.255 scope global hull0",
        ] {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        assert!(shown.contains("inet6 fd00:9::1/64 scope global nodad"), "{shown}");
        routes::add(&mut socket, Route::default_via(ip("10.9.0.2"), index)).unwrap();
        routes::add(&mut socket, on_link("10.77.0.0/24", index)).unwrap();
        let shown = oracle("ip", &["route"]);
        assert!(shown.contains("default via 10.9.0.2 dev hull0 proto static"), "{shown}");
        assert!(shown.contains("10.77.0.0/24 dev hull0 proto static scope link"), "{shown}");
        assert_eq!(routes::default_link(&mut socket).unwrap(), Some(index));
        routes::remove(&mut socket, Route::default_via(ip("10.9.0.2"), index)).unwrap();
        assert_eq!(routes::default_link(&mut socket).unwrap(), None);
    });
}

#[test]
fn a_subnet_the_host_already_reaches_is_found() {
    in_own_namespace("a_subnet_the_host_already_reaches_is_found", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        let address = Address { link: index, ip: ip("10.9.0.1"), prefix: 16 };
        addresses::add(&mut socket, address).unwrap();
        addresses::add(&mut socket, Address { link: index, ip: ip("fd00:9::1"), prefix: 64 }).unwrap();
        routes::add(&mut socket, Route::default_via(ip("10.9.0.2"), index)).unwrap();
        let mut taken = |subnet: &str| {
            routes::conflict(&mut socket, subnet.parse().unwrap()).unwrap().map(|r| r.destination.to_string())
        };
        assert_eq!(taken("10.9.128.0/24").as_deref(), Some("10.9.0.0/16"));
        assert_eq!(taken("10.0.0.0/8").as_deref(), Some("10.9.0.0/16"));
        assert_eq!(taken("fd00:9::/48").as_deref(), Some("fd00:9::/64"));
        assert_eq!(taken("10.10.0.0/16"), None);
        assert_eq!(taken("fd00:a::/64"), None);
        let listed = addresses::list(&mut socket, Some(index)).unwrap();
        assert!(listed.contains(&address), "{listed:?}");
        addresses::remove(&mut socket, address).unwrap();
        assert!(!addresses::list(&mut socket, None).unwrap().contains(&address));
    });
}

/// A namespace whose `eth0` is on the bridge, up, and has an address.
fn container(
    socket: &mut Socket,
    master: u32,
    name: &str,
    address: IpAddr,
    prefix: u8,
) -> std::os::fd::OwnedFd {
    let inner = new_namespace();
    attach(socket, master, name, &inner, address, prefix);
    inner
}

fn attach(
    socket: &mut Socket,
    master: u32,
    name: &str,
    inner: &std::os::fd::OwnedFd,
    address: IpAddr,
    prefix: u8,
) {
    let mac = Some(Mac::for_address(address));
    let peer = Peer { name: "eth0", mac, namespace: Namespace::Fd(inner.as_fd()) };
    create_veth(socket, &Veth { name, master: Some(master), mtu: 1400, peer }).unwrap();
    let mut within = Socket::inside(inner.as_fd(), netlink::Protocol::Route).unwrap();
    let link = get(&mut within, "eth0").unwrap().index;
    set_up(&mut within, link).unwrap();
    addresses::add(&mut within, Address { link, ip: address, prefix }).unwrap();
}

/// How long to wait for a datagram that must arrive, and for one that must not.
const SURELY: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_millis(300);

/// Whether a datagram from one namespace arrives in the other within `wait`. It is sent repeatedly, because a bridge forwards
/// nothing before a kernel worker has processed the port's carrier, and a lost ARP request is repeated after a second.
fn arrives(from: &std::os::fd::OwnedFd, to: &std::os::fd::OwnedFd, address: IpAddr, wait: Duration) -> bool {
    let receiver = inside(to, || UdpSocket::bind((address, 7000)).unwrap());
    receiver.set_read_timeout(Some(NEVER.min(wait))).unwrap();
    let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
    let sender = inside(from, || UdpSocket::bind(any).unwrap());
    let until = Instant::now() + wait;
    loop {
        let sent = sender.send_to(b"x", (address, 7000));
        if sent.is_ok() && receiver.recv(&mut [0; 8]).is_ok() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn reaches(from: &std::os::fd::OwnedFd, to: &std::os::fd::OwnedFd, address: IpAddr) -> bool {
    arrives(from, to, address, SURELY)
}

#[test]
fn two_namespaces_on_a_bridge_reach_each_other_and_isolated_ports_do_not() {
    in_own_namespace("two_namespaces_on_a_bridge_reach_each_other_and_isolated_ports_do_not", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        let one = container(&mut socket, index, "veth1", ip("10.9.0.2"), 16);
        let two = container(&mut socket, index, "veth2", ip("10.9.0.3"), 16);
        assert!(reaches(&one, &two, ip("10.9.0.3")));
        for name in ["veth1", "veth2"] {
            let port = get(&mut socket, name).unwrap().index;
            isolate_port(&mut socket, port).unwrap();
        }
        assert!(!arrives(&one, &two, ip("10.9.0.3"), NEVER));
    });
}

/// The links that carry packets. A list of all links shows the recorded state; a query of one link would update it.
fn operational(socket: &mut Socket) -> Vec<String> {
    let message = Message::new(RTM_GETLINK, 0, &ifinfomsg(AF_UNSPEC, 0, 0, 0));
    let name = |reply: Reply<'_>| {
        let attributes = reply.attributes(IFINFOMSG);
        let state = attributes.get(IFLA_OPERSTATE)?.u8()?;
        (state == OPERATIONAL).then(|| attributes.get(IFLA_IFNAME)?.text().map(str::to_owned))?
    };
    socket.dump(message, || "list the links".into(), name).unwrap()
}

#[test]
fn a_veth_pair_that_was_awaited_carries_the_first_packet() {
    in_own_namespace("a_veth_pair_that_was_awaited_carries_the_first_packet", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        for number in 2..40 {
            let name = format!("veth{number}");
            let inner = container(&mut socket, index, &name, ip(&format!("10.9.0.{number}")), 16);
            await_operational(&mut socket, &name).unwrap();
            await_operational(&mut socket, "hull0").unwrap();
            let there = operational(&mut socket);
            assert!(there.contains(&name) && there.contains(&"hull0".into()), "{name}: {there:?}");
            drop(inner);
        }
        // Waiting for a link that stays down is limited, and waiting for a missing link returns at once.
        set_down(&mut socket, index).unwrap();
        await_operational(&mut socket, "hull0").unwrap();
        await_operational(&mut socket, "nosuch").unwrap();
    });
}

#[test]
fn an_ipv6_address_can_be_used_at_once_and_none_is_there_where_it_is_off() {
    in_own_namespace("an_ipv6_address_can_be_used_at_once_and_none_is_there_where_it_is_off", || {
        let mut socket = route_socket();
        let index = bridge(&mut socket).index;
        let one = container(&mut socket, index, "veth1", ip("fd00:9::2"), 64);
        let two = container(&mut socket, index, "veth2", ip("fd00:9::3"), 64);
        assert!(reaches(&one, &two, ip("fd00:9::3")));
        let three = new_namespace();
        namespace::within(three.as_fd(), || sysctl::allow_ipv6_on_new_links(false)).unwrap();
        attach(&mut socket, index, "veth3", &three, ip("10.9.0.4"), 16);
        let mut within = Socket::inside(three.as_fd(), netlink::Protocol::Route).unwrap();
        let [lo, link] = ["lo", "eth0"].map(|name| get(&mut within, name).unwrap().index);
        set_up(&mut within, lo).unwrap();
        let six = addresses::list(&mut within, None).unwrap().into_iter().filter(|a| a.ip.is_ipv6());
        assert!(six.clone().all(|address| address.link != link) && six.count() == 1, "lo keeps its own");
        assert_eq!(
            sysctl::get("ipv6/conf/default/disable_ipv6").unwrap().as_deref(),
            Some("0"),
            "only inside"
        );
    });
}

#[test]
fn a_macvlan_is_on_its_parents_wire() {
    in_own_namespace("a_macvlan_is_on_its_parents_wire", || {
        let mut socket = route_socket();
        let lan = new_namespace();
        let peer = Peer { name: "lan0", mac: None, namespace: Namespace::Fd(lan.as_fd()) };
        create_veth(&mut socket, &Veth { name: "eth9", master: None, mtu: 1500, peer }).unwrap();
        inside(&lan, || {
            let mut socket = route_socket();
            let link = get(&mut socket, "lan0").unwrap().index;
            set_up(&mut socket, link).unwrap();
            addresses::add(&mut socket, Address { link, ip: ip("10.8.0.1"), prefix: 24 }).unwrap();
        });
        let parent = get(&mut socket, "eth9").unwrap().index;
        let inner = new_namespace();
        let peer = Peer { name: "eth0", mac: None, namespace: Namespace::Fd(inner.as_fd()) };
        create_macvlan(&mut socket, parent, MacvlanMode::Bridge, 1500, &peer).unwrap();
        inside(&inner, || {
            let mut socket = route_socket();
            let found = get(&mut socket, "eth0").unwrap();
            assert_eq!((found.kind.as_deref(), found.link), (Some("macvlan"), Some(parent)));
            set_up(&mut socket, found.index).unwrap();
            addresses::add(&mut socket, Address { link: found.index, ip: ip("10.8.0.2"), prefix: 24 })
                .unwrap();
        });
        assert!(reaches(&inner, &lan, ip("10.8.0.1")));
    });
}
