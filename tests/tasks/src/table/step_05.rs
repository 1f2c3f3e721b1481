use super::{Blank, Step};

pub const STEP: Step = Step {
    name: "05-veth-bridge",
    blanks: &[
        Blank {
            task: 1,
            file: "veth.rs",
            item: "make_bridge",
            hint: [
                "A Message RTM_NEWLINK with the flags CREATE and ifinfo(0, IFF_UP): name, address, and the kind `bridge`.",
                "The kind is nested: IFLA_LINKINFO contains IFLA_INFO_KIND. Send it with kernel.call(name of the call, vec![…]).",
            ],
            minutes: 15,
            chapter: "link.md#what-ip-sends",
            empty: "Ok(())",
        },
        Blank {
            task: 2,
            file: "veth.rs",
            item: "add_address",
            hint: [
                "A Message RTM_NEWADDR. Its fixed part has 8 bytes: family, PREFIX, flags, scope, and index(link)? as four bytes.",
                "Two attributes hold the address as bytes: IFA_LOCAL for this end, IFA_ADDRESS for the other end. Here both are equal.",
            ],
            minutes: 10,
            chapter: "link.md#what-ip-sends",
            empty: "Ok(())",
        },
        Blank {
            task: 3,
            file: "veth.rs",
            item: "make_veth",
            hint: [
                "Like make_bridge with the kind `veth` and IFLA_MASTER, the index of the bridge. IFLA_INFO_DATA is beside the kind.",
                "VETH_INFO_PEER in it describes the other end: fixed part ifinfo(0, 0), IFLA_IFNAME `eth0`, IFLA_NET_NS_PID.",
            ],
            minutes: 15,
            chapter: "link.md#the-parts-of-the-picture",
            empty: "Ok(())",
        },
        Blank {
            task: 4,
            file: "veth.rs",
            item: "configure",
            hint: [
                "Send up(\"lo\")?. If there is an address, continue with add_address, up(\"eth0\")?, and an RTM_NEWROUTE message.",
                "The route has rtmsg(RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST) and the attribute RTA_GATEWAY.",
            ],
            minutes: 10,
            chapter: "link.md#see-it-with-the-shell",
            empty: "Ok(())",
        },
        Blank {
            task: 5,
            file: "nat.rs",
            item: "masquerade",
            hint: [
                "One nft::rule for the chain `postrouting`, with the three parts of the line in the comment above the function.",
                "nft::ip_saddr takes the four bytes of the address: address.octets(). BRIDGE is the name of the bridge.",
            ],
            minutes: 10,
            chapter: "out.md#see-it-with-the-shell",
            empty: "Vec::new()",
        },
        Blank {
            task: 6,
            file: "nat.rs",
            item: "reserve",
            hint: [
                "TcpListener::bind to Ipv4Addr::UNSPECIFIED and the port. Return the listener: the port is free when it is dropped.",
                "Give an error a context that names the port. For ErrorKind::AddrInUse, add a context that begins with `hint:`.",
            ],
            minutes: 10,
            chapter: "in.md#what-goes-wrong",
            empty: "Err(Error::msg(\"nothing is reserved\"))",
        },
        Blank {
            task: 7,
            file: "nat.rs",
            item: "dnat",
            hint: [
                "The rule `fib daddr type local tcp dport OUTER dnat to ADDRESS:INNER`, from three functions of the module nft.",
                "Two chains need it: `prerouting` for packets from a link, `output` for those of the host's own programs.",
            ],
            minutes: 10,
            chapter: "in.md#see-it-with-the-shell",
            empty: "Vec::new()",
        },
        Blank {
            task: 8,
            file: "nat.rs",
            item: "reply_through_host",
            hint: [
                "Two rules in `postrouting`: `ip daddr ADDRESS ct status dnat ip saddr SOURCE masquerade`.",
                "One SOURCE is 127.0.0.0/8: for nft::ip_saddr, this is the byte 127. The other is the container's /24: three bytes.",
            ],
            minutes: 15,
            chapter: "in.md#who-sees-which-address",
            empty: "Vec::new()",
        },
        Blank {
            task: 9,
            file: "nat.rs",
            item: "guard_loopback",
            hint: [
                "One rule in the chain `raw`: `iifname BRIDGE ip daddr 127.0.0.0/8 drop`.",
                "For nft::ip_daddr the prefix 127.0.0.0/8 is one byte. nft::drop_packet() is the action.",
            ],
            minutes: 5,
            chapter: "in.md#see-it-with-the-shell",
            empty: "Vec::new()",
        },
    ],
};
