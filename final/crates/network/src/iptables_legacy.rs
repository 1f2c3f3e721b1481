//! The legacy iptables, from before nf_tables. It has tables of its own in the kernel, which are replaced as a whole. If its
//! filter table drops forwarded packets, no rule of another table can accept them. hull only reads the table, and warns.
//! See the kernel's include/uapi/linux/netfilter_ipv4/ip_tables.h.

use std::os::fd::AsFd;

use hull_sys::net::read_option;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};

use crate::netlink::{u16_at, u32_at};

const IPT_SO_GET_INFO: i32 = 64;
const IPT_SO_GET_ENTRIES: i32 = 65;
/// `struct ipt_getinfo`: the table's name, then numbers, among them the offset of each hook's policy, which is its last rule.
const INFO: usize = 84;
const NAME: usize = 32;
const UNDERFLOWS: usize = 56;
const SIZE: usize = 80;
const FORWARD: usize = 2;
/// `struct ipt_get_entries`: name and size, aligned to eight bytes.
const ENTRIES: usize = 40;
/// `struct ipt_entry`: the names of the input and output links, and the offsets of the rule's target and of the next rule.
const FROM_LINK: usize = 16;
const TO_LINK: usize = 32;
const LINK: usize = 16;
const TARGET: usize = 88;
const NEXT: usize = 90;
/// `struct xt_standard_target`: -1 - NF_DROP.
const VERDICT: usize = 32;
const DROP: u32 = -1i32 as u32;
/// The largest table that is read.
const MAX_SIZE: usize = 16 << 20;

/// Whether the legacy iptables drop packets that are forwarded to and from a bridge: the policy is to drop, and no rule names
/// the bridge. A table that cannot be read counts as none.
pub fn drops_forwarded(bridge: &str) -> bool {
    // Querying a table would create it, so first look whether it exists.
    let tables = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    tables.lines().any(|table| table == "filter") && drops_by_policy(bridge).unwrap_or(false)
}

fn drops_by_policy(bridge: &str) -> Option<bool> {
    let protocol: Option<Protocol> = Some(ipproto::RAW);
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, protocol).ok()?;
    let mut info = [0; INFO];
    info[..6].copy_from_slice(b"filter");
    read_option(socket.as_fd(), libc::SOL_IP, IPT_SO_GET_INFO, &mut info).ok()?;
    let size = u32_at(&info, SIZE)? as usize;
    let policy = u32_at(&info, UNDERFLOWS + 4 * FORWARD)? as usize;
    let mut entries = vec![0; ENTRIES + size.min(MAX_SIZE)];
    entries[..6].copy_from_slice(b"filter");
    entries[NAME..NAME + 4].copy_from_slice(&(size as u32).to_ne_bytes());
    read_option(socket.as_fd(), libc::SOL_IP, IPT_SO_GET_ENTRIES, &mut entries).ok()?;
    let rules = entries.get(ENTRIES..)?;
    Some(drops(rules, policy)? && !names_bridge(rules, bridge))
}

fn drops(rules: &[u8], policy: usize) -> Option<bool> {
    let rule = rules.get(policy..)?;
    Some(u32_at(rule, usize::from(u16_at(rule, TARGET)?) + VERDICT)? == DROP)
}

fn names_bridge(mut rules: &[u8], bridge: &str) -> bool {
    let is_bridge = |rule: &[u8], at: usize| {
        let name = rule.get(at..at + LINK).and_then(|name| name.split(|byte| *byte == 0).next());
        name == Some(bridge.as_bytes())
    };
    loop {
        if is_bridge(rules, FROM_LINK) || is_bridge(rules, TO_LINK) {
            return true;
        }
        match u16_at(rules, NEXT)
            .map(usize::from)
            .filter(|next| *next > NEXT)
            .and_then(|next| rules.get(next..))
        {
            Some(rest) => rules = rest,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{has, in_own_namespace, oracle};

    #[test]
    fn a_policy_that_drops_is_seen_until_a_rule_speaks_of_the_bridge() {
        const NAME: &str = "a_policy_that_drops_is_seen_until_a_rule_speaks_of_the_bridge";
        if !has(NAME, "iptables-legacy") {
            return;
        }
        in_own_namespace(NAME, || {
            let iptables = |line: &str| oracle("iptables-legacy", &line.split(' ').collect::<Vec<_>>());
            assert!(!drops_forwarded("hull0"), "no table");
            let names = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
            assert_eq!(names, "", "looking makes none");
            iptables("-A FORWARD -i eth0 -j ACCEPT");
            assert!(!drops_forwarded("hull0"), "a table that drops nothing");
            iptables("-P FORWARD DROP");
            assert!(drops_forwarded("hull0"));
            iptables("-A FORWARD -o hull01 -j ACCEPT");
            assert!(drops_forwarded("hull0"), "another link");
            iptables("-A FORWARD -o hull0 -j ACCEPT");
            assert!(!drops_forwarded("hull0"));
        });
    }
}
