//! A transaction: the messages between its begin and its end take effect all at once, or not at all.
//! See the kernel's Documentation/netlink/specs/nftables.yaml.

use super::kernel::*;
use super::rule::{Rule, put_value};
use super::sets::{self, Element, Set};
use crate::error::Result;
use crate::netlink::{APPEND, CREATE, Message, Socket};

/// An attribute is at most 64 KiB long, and an element at most some 100 bytes.
const ELEMENTS_PER_MESSAGE: usize = 500;

/// The hook at which the kernel calls a chain for each packet.
#[derive(Debug, Clone, Copy)]
pub struct Hook {
    /// `filter`, or `nat`, which is called for a connection's first packet only.
    pub kind: &'static str,
    /// `enum nf_inet_hooks`; bridges have the same numbers.
    pub number: u32,
    /// Chains with lower numbers are called first.
    pub priority: i32,
}

/// A transaction on the tables of one name.
#[derive(Debug)]
pub struct Batch<'a> {
    table: &'a str,
    messages: Vec<Message>,
}

impl<'a> Batch<'a> {
    pub fn on(table: &'a str) -> Self {
        Self { table, messages: vec![boundary(NFNL_MSG_BATCH_BEGIN)] }
    }

    /// Commits the transaction. It is in effect when this returns.
    pub fn commit(mut self, socket: &mut Socket, action: impl Fn() -> String) -> Result<()> {
        // Begin and end are not counted: kernels before 6.10 do not acknowledge the end.
        let acknowledged = self.messages.len() - 1;
        if acknowledged == 0 {
            return Ok(());
        }
        self.messages.push(boundary(NFNL_MSG_BATCH_END));
        Ok(socket.batch(self.messages, acknowledged, action)?)
    }

    pub fn add_table(&mut self, family: u8) {
        let mut message = message(NFT_MSG_NEWTABLE, CREATE, family);
        message.put_text(NFTA_TABLE_NAME, self.table);
        self.messages.push(message);
    }

    /// Deletes the table with everything in it.
    pub fn delete_table(&mut self, family: u8) {
        let mut message = message(NFT_MSG_DELTABLE, 0, family);
        message.put_text(NFTA_TABLE_NAME, self.table);
        self.messages.push(message);
    }

    pub fn add_set(&mut self, set: &Set) {
        let mut message = message(NFT_MSG_NEWSET, CREATE, set.family);
        message.put_text(NFTA_SET_TABLE, self.table);
        message.put_text(NFTA_SET_NAME, set.name);
        message.put_be32(NFTA_SET_FLAGS, if set.data.is_empty() { 0 } else { NFT_SET_MAP });
        message.put_be32(NFTA_SET_KEY_TYPE, sets::number(set.key));
        message.put_be32(NFTA_SET_KEY_LEN, sets::length(set.key));
        if !set.data.is_empty() {
            message.put_be32(NFTA_SET_DATA_TYPE, sets::number(set.data));
            message.put_be32(NFTA_SET_DATA_LEN, sets::length(set.data));
        }
        // Messages of the same transaction could refer to the set by this id. Ours refer to it by name, but the kernel
        // requires an id.
        message.put_be32(NFTA_SET_ID, self.messages.len() as u32);
        if let [_name] = set.key {
            message.put(NFTA_SET_USERDATA, &host_byte_order());
        }
        self.messages.push(message);
    }

    pub fn add_chain(&mut self, family: u8, name: &str, hook: Option<Hook>) {
        let mut message = message(NFT_MSG_NEWCHAIN, CREATE, family);
        message.put_text(NFTA_CHAIN_TABLE, self.table);
        message.put_text(NFTA_CHAIN_NAME, name);
        if let Some(hook) = hook {
            message.put_nested(NFTA_CHAIN_HOOK, |nested| {
                nested.put_be32(NFTA_HOOK_HOOKNUM, hook.number);
                nested.put_be32(NFTA_HOOK_PRIORITY, hook.priority as u32);
            });
            message.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
            message.put_text(NFTA_CHAIN_TYPE, hook.kind);
        }
        self.messages.push(message);
    }

    /// Removes the rules of all chains; the chains and the sets stay.
    pub fn delete_rules(&mut self, family: u8) {
        let mut message = message(NFT_MSG_DELRULE, 0, family);
        message.put_text(NFTA_RULE_TABLE, self.table);
        self.messages.push(message);
    }

    pub fn delete_rule(&mut self, family: u8, chain: &str, handle: u64) {
        let mut message = message(NFT_MSG_DELRULE, 0, family);
        message.put_text(NFTA_RULE_TABLE, self.table);
        message.put_text(NFTA_RULE_CHAIN, chain);
        message.put(NFTA_RULE_HANDLE, &handle.to_be_bytes());
        self.messages.push(message);
    }

    /// Appends a rule to its chain.
    pub fn add_rule(&mut self, family: u8, rule: &Rule) {
        self.rule(CREATE | APPEND, family, rule);
    }

    /// Inserts a rule at the beginning of its chain.
    pub fn insert_rule(&mut self, family: u8, rule: &Rule) {
        self.rule(CREATE, family, rule);
    }

    fn rule(&mut self, flags: u16, family: u8, rule: &Rule) {
        let mut message = message(NFT_MSG_NEWRULE, flags, family);
        message.put_text(NFTA_RULE_TABLE, self.table);
        message.put_text(NFTA_RULE_CHAIN, rule.chain);
        rule.put(&mut message);
        self.messages.push(message);
    }

    /// Adds elements. One that exists is no error, unless it has other data (EEXIST).
    pub fn add_elements(&mut self, set: &Set, elements: &[Element]) {
        self.elements(NFT_MSG_NEWSETELEM, CREATE, set, elements);
    }

    /// Deletes elements. A missing one fails the whole transaction (ENOENT).
    pub fn delete_elements(&mut self, set: &Set, elements: &[Element]) {
        self.elements(NFT_MSG_DELSETELEM, 0, set, elements);
    }

    fn elements(&mut self, command: u16, flags: u16, set: &Set, elements: &[Element]) {
        for chunk in elements.chunks(ELEMENTS_PER_MESSAGE) {
            let mut message = message(command, flags, set.family);
            message.put_text(NFTA_SET_ELEM_LIST_TABLE, self.table);
            message.put_text(NFTA_SET_ELEM_LIST_SET, set.name);
            message.put_nested(NFTA_SET_ELEM_LIST_ELEMENTS, |list| {
                for element in chunk {
                    list.put_nested(NFTA_LIST_ELEM, |fields| {
                        put_value(fields, NFTA_SET_ELEM_KEY, &element.key);
                        if command == NFT_MSG_NEWSETELEM && !element.data.is_empty() {
                            put_value(fields, NFTA_SET_ELEM_DATA, &element.data);
                        }
                    });
                }
            });
            self.messages.push(message);
        }
    }
}

/// User data of a set of names, which nft(8) needs to print it (libnftnl's `NFTNL_UDATA_SET_KEYBYTEORDER`): type 0, four
/// bytes, 1 for the machine's byte order. The kernel ignores it.
fn host_byte_order() -> [u8; 6] {
    let [a, b, c, d] = 1u32.to_ne_bytes();
    [0, 4, a, b, c, d]
}

/// `struct nfgenmsg`: family, version 0, and a resource id in network byte order, which only begin and end use.
fn message(command: u16, flags: u16, family: u8) -> Message {
    Message::new(NFNL_SUBSYS_NFTABLES << 8 | command, flags, &[family, 0, 0, 0])
}

/// The begin or the end of a transaction. The resource id is the subsystem's number.
fn boundary(kind: u16) -> Message {
    let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
    Message::new(kind, 0, &[0, 0, high, low])
}
