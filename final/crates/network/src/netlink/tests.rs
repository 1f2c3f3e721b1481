use super::*;
use crate::testing::{in_own_namespace, inside, new_namespace};
use crate::{Error, links};

#[test]
fn a_refusal_says_what_was_being_done_and_why() {
    in_own_namespace("a_refusal_says_what_was_being_done_and_why", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        // A negative MTU, which no kernel takes.
        let error = links::set_mtu(&mut socket, 1, u32::MAX).unwrap_err();
        assert_eq!(error.errno(), Some(libc::EINVAL));
        let text = error.to_string();
        assert!(text.starts_with("cannot set the MTU of link 1 to 4294967295: Invalid argument"), "{text}");
        let Error::Kernel { reason, .. } = error else { panic!("{error:?}") };
        assert!(reason.contains("mtu less than device minimum"), "{reason}");
    });
}

#[test]
fn a_dump_longer_than_one_datagram_is_whole() {
    in_own_namespace("a_dump_longer_than_one_datagram_is_whole", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let namespace = crate::namespace::current().unwrap();
        let before = links::list(&mut socket).unwrap().len();
        for number in 0..60 {
            let (name, peer) = (format!("a{number}"), format!("b{number}"));
            let namespace = links::Namespace::Fd(namespace.as_fd());
            let peer = links::Peer { name: &peer, mac: None, namespace };
            links::create_veth(&mut socket, &links::Veth { name: &name, master: None, mtu: 1500, peer })
                .unwrap();
        }
        assert_eq!(links::list(&mut socket).unwrap().len(), before + 120);
    });
}

#[test]
fn the_socket_goes_on_after_a_refusal() {
    in_own_namespace("the_socket_goes_on_after_a_refusal", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        for _ in 0..3 {
            assert!(links::delete(&mut socket, 4711).is_err());
            assert_eq!(links::find(&mut socket, "lo").unwrap().unwrap().index, 1);
        }
    });
}

#[test]
fn a_batch_is_refused_by_any_of_its_messages() {
    in_own_namespace("a_batch_is_refused_by_any_of_its_messages", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&4711u32.to_ne_bytes());
        let (good, bad) = (Message::new(18, 0, &[0; 16]), Message::new(17, 0, &header));
        let mut by_name = good.clone();
        by_name.put_text(3, "lo");
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
        let mut header = [0; 16];
        header[4..8].copy_from_slice(&4711u32.to_ne_bytes());
        let batch = vec![Message::new(17, 0, &header); 3000];
        for _ in 0..2 {
            let error = socket.batch(batch.clone(), 2999, || "try".into()).unwrap_err();
            assert_eq!(error.errno(), Some(libc::ENODEV), "{error}");
            assert!(links::find(&mut socket, "lo").unwrap().is_some());
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
        links::set_down(&mut socket, 1).unwrap();
        links::set_up(&mut socket, 1).unwrap();
        links::rename(&mut socket, 1, "inner").unwrap_or_else(|_| {
            links::set_down(&mut socket, 1).unwrap();
            links::rename(&mut socket, 1, "inner").unwrap();
        });
        inside(&other, || {
            let mut socket = Socket::open(Protocol::Route).unwrap();
            assert!(links::find(&mut socket, "inner").unwrap().is_some());
        });
        let mut own = Socket::open(Protocol::Route).unwrap();
        assert!(links::find(&mut own, "inner").unwrap().is_none());
    });
}

#[test]
fn what_a_process_sends_is_not_taken_for_the_kernels_word() {
    in_own_namespace("what_a_process_sends_is_not_taken_for_the_kernels_word", || {
        let mut socket = Socket::open(Protocol::Route).unwrap();
        assert!(links::find(&mut socket, "lo").unwrap().is_some());
        let name = SocketAddrNetlink::try_from(rustix::net::getsockname(&socket).unwrap()).unwrap();
        // With CAP_NET_ADMIN another process may write to us: a forged "no such device" for the next request.
        let forger = Socket::open(Protocol::Route).unwrap();
        let forged =
            Message::new(NLMSG_ERROR, 0, &[(-libc::ENODEV).to_ne_bytes().as_slice(), &[0; 16]].concat());
        let bytes = forged.finish(socket.sequence + 1).unwrap();
        rustix::net::sendto(&forger, &bytes, SendFlags::empty(), &SocketAddrNetlink::new(name.pid(), 0))
            .unwrap();
        assert!(links::find(&mut socket, "lo").unwrap().is_some());
    });
}
