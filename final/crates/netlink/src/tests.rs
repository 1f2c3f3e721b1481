//! Requests to a real kernel, in network namespaces of the tests' own.

use std::os::fd::{AsFd, OwnedFd};

use hull_sys::testing::{in_network_namespace as in_own_namespace, unshare_network};
use rustix::net::SendFlags;
use rustix::net::netlink::SocketAddrNetlink;

use crate::socket::NLMSG_ERROR;
use crate::*;

/// linux/rtnetlink.h and linux/if_link.h.
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const RTM_SETLINK: u16 = 19;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;

/// A message about the link with this index (`struct ifinfomsg`).
fn about(kind: u16, index: u32) -> Message {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    Message::new(kind, 0, &fixed)
}

fn index_of(socket: &mut Socket, name: &str) -> Option<u32> {
    let mut message = about(RTM_GETLINK, 0);
    message.put_text(IFLA_IFNAME, name);
    socket.query(message, || format!("find {name}"), |reply| u32_at(reply.payload, 4)).unwrap()
}

fn count_links(socket: &mut Socket) -> usize {
    socket.dump(about(RTM_GETLINK, 0), || "list the links".into(), |_| Some(())).unwrap().len()
}

fn new_namespace() -> OwnedFd {
    let made = std::thread::spawn(|| unshare_network().map(|()| namespace::current().unwrap()));
    made.join().unwrap().unwrap()
}

#[test]
fn a_refusal_says_what_was_being_done_and_why() {
    in_own_namespace("a_refusal_says_what_was_being_done_and_why", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        // A negative MTU, which no kernel takes.
        let mut message = about(RTM_SETLINK, 1);
        message.put_u32(IFLA_MTU, u32::MAX);
        let error = socket.request(message, || "set the MTU".into()).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EINVAL));
        let text = error.to_string();
        assert!(text.starts_with("cannot set the MTU: Invalid argument"), "{text}");
        let Error::Refused { reason, .. } = error else { panic!("{error:?}") };
        assert!(reason.contains("mtu less than device minimum"), "{reason}");
    });
}

#[test]
fn a_dump_longer_than_one_datagram_is_whole() {
    in_own_namespace("a_dump_longer_than_one_datagram_is_whole", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let before = count_links(&mut socket);
        for number in 0..120 {
            let mut message = Message::new(RTM_NEWLINK, CREATE_NEW, &[0; 16]);
            message.put_text(IFLA_IFNAME, &format!("bridge{number}"));
            message.put_nested(IFLA_LINKINFO, |info| info.put_text(IFLA_INFO_KIND, "bridge"));
            socket.request(message, || "create a bridge".into()).unwrap();
        }
        assert_eq!(count_links(&mut socket), before + 120);
    });
}

#[test]
fn the_socket_goes_on_after_a_refusal() {
    in_own_namespace("the_socket_goes_on_after_a_refusal", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        for _ in 0..3 {
            assert!(socket.request(about(RTM_DELLINK, 4711), || "delete".into()).is_err());
            assert_eq!(index_of(&mut socket, "lo"), Some(1));
        }
    });
}

#[test]
fn a_batch_is_refused_by_any_of_its_messages() {
    in_own_namespace("a_batch_is_refused_by_any_of_its_messages", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let bad = about(RTM_DELLINK, 4711);
        let mut by_name = about(RTM_GETLINK, 0);
        by_name.put_text(IFLA_IFNAME, "lo");
        let error =
            socket.batch(vec![by_name.clone(), bad, by_name.clone()], 2, || "try".into()).unwrap_err();
        assert_eq!(error.errno(), Some(libc::ENODEV));
        socket.batch(vec![by_name.clone(), by_name], 1, || "try".into()).unwrap();
    });
}

#[test]
fn more_refusals_than_the_queue_holds_are_one_error() {
    in_own_namespace("more_refusals_than_the_queue_holds_are_one_error", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let batch = vec![about(RTM_DELLINK, 4711); 3000];
        for _ in 0..2 {
            let error = socket.batch(batch.clone(), 2999, || "try".into()).unwrap_err();
            assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
            assert!(index_of(&mut socket, "lo").is_some());
        }
    });
}

#[test]
fn a_socket_opened_inside_stays_inside_and_its_owner_does_not() {
    in_own_namespace("a_socket_opened_inside_stays_inside_and_its_owner_does_not", || {
        let other = new_namespace();
        let home = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let mut socket = Socket::inside(other.as_fd(), Protocol::Route).unwrap();
        assert_eq!(std::fs::read_link("/proc/thread-self/ns/net").unwrap(), home);
        // The kernel renames a link only while it is down, and a new namespace's loopback is.
        let mut rename = about(RTM_SETLINK, 1);
        rename.put_text(IFLA_IFNAME, "inner");
        socket.request(rename, || "rename the loopback".into()).unwrap();
        assert!(index_of(&mut socket, "inner").is_some());
        let mut own = Socket::open(Protocol::Route).unwrap();
        assert!(index_of(&mut own, "inner").is_none());
    });
}

#[test]
fn a_message_from_another_process_is_not_taken_for_the_kernels_answer() {
    in_own_namespace("a_message_from_another_process_is_not_taken_for_the_kernels_answer", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        assert!(index_of(&mut socket, "lo").is_some());
        let name = SocketAddrNetlink::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        // With CAP_NET_ADMIN another process may send to this socket: a forged "no such device" for the next request.
        let forger = Socket::open(Protocol::Route).unwrap();
        let forged =
            Message::new(NLMSG_ERROR, 0, &[(-libc::ENODEV).to_ne_bytes().as_slice(), &[0; 16]].concat());
        let bytes = forged.finish(socket.sequence + 1).unwrap();
        rustix::net::sendto(&forger, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(name.pid(), 0))
            .unwrap();
        assert!(index_of(&mut socket, "lo").is_some());
    });
}
