//! iptables as it was before nf_tables: tables of its own in the kernel, changed as a whole by whoever owns them. Where one
//! drops what is forwarded, nobody else's rules can help, and hull leaves it to its owner: it only looks, and says so.
//! See the kernel's include/uapi/linux/netfilter_ipv4/ip_tables.h.

use std::os::fd::AsFd;

use hull_sys::net::read_option;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, ipproto, socket_with};

use crate::netlink::{u16_at, u32_at};

const IPT_SO_GET_INFO: i32 = 64;
const IPT_SO_GET_ENTRIES: i32 = 65;
/// `struct ipt_getinfo`: the table's name, then numbers; among them where each hook's last rule, its policy, is.
const INFO: usize = 84;
const NAME: usize = 32;
const UNDERFLOWS: usize = 56;
const SIZE: usize = 80;
const FORWARD: usize = 2;
/// `struct ipt_get_entries`: name and size, aligned to eight bytes.
const ENTRIES: usize = 40;
/// `struct ipt_entry`: the links that a packet comes from and goes to, and where the rule's target and the next rule are.
const FROM_LINK: usize = 16;
const TO_LINK: usize = 32;
const LINK: usize = 16;
const TARGET: usize = 88;
const NEXT: usize = 90;
/// `struct xt_standard_target`: -1 - NF_DROP.
const VERDICT: usize = 32;
const DROP: u32 = -1i32 as u32;
/// More is no table.
const MOST: usize = 16 << 20;

/// Whether a table of the old iptables drops what is forwarded to and from a bridge: by its policy, and without a rule that
/// speaks of the bridge. What cannot be read is none.
pub fn drops_forwarded(bridge: &str) -> bool {
    // Asking for a table would make it.
    let tables = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names").unwrap_or_default();
    tables.lines().any(|table| table == "filter") && look(bridge).unwrap_or(false)
}

fn look(bridge: &str) -> Option<bool> {
    let protocol: Option<Protocol> = Some(ipproto::RAW);
    let socket = socket_with(AddressFamily::INET, SocketType::RAW, SocketFlags::CLOEXEC, protocol).ok()?;
    let mut info = [0; INFO];
    info[..6].copy_from_slice(b"filter");
    read_option(socket.as_fd(), libc::SOL_IP, IPT_SO_GET_INFO, &mut info).ok()?;
    let size = u32_at(&info, SIZE)? as usize;
    let policy = u32_at(&info, UNDERFLOWS + 4 * FORWARD)? as usize;
    let mut entries = vec![0; ENTRIES + size.min(MOST)];
    entries[..6].copy_from_slice(b"filter");
    entries[NAME..NAME + 4].copy_from_slice(&(size as u32).to_ne_bytes());
    read_option(socket.as_fd(), libc::SOL_IP, IPT_SO_GET_ENTRIES, &mut entries).ok()?;
    let rules = entries.get(ENTRIES..)?;
    Some(drops(rules, policy)? && !mentions(rules, bridge))
}

fn drops(rules: &[u8], policy: usize) -> Option<bool> {
    let rule = rules.get(policy..)?;
    Some(u32_at(rule, usize::from(u16_at(rule, TARGET)?) + VERDICT)? == DROP)
}

fn mentions(mut rules: &[u8], bridge: &str) -> bool {
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
