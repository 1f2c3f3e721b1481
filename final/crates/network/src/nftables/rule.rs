//! A rule is a list of instructions for a machine with sixteen registers of four bytes. One instruction loads a part of the
//! packet, the next compares it and ends the rule if it does not match, and the last one is the verdict or the translation.
//!
//! For a lookup in a set with several fields, the fields are loaded into adjacent registers. A name and an IPv6 address take
//! four registers each, all shorter fields one.

use super::kernel::*;
use crate::netlink::Message;

/// The number of a register, 0 to 15.
pub type Register = u32;

/// A part of a packet: header, offset and length.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    base: u32,
    offset: u32,
    length: u32,
}

const fn field(base: u32, offset: u32, length: u32) -> Field {
    Field { base, offset, length }
}

/// `enum nft_payload_bases`: 0 is the link header, 1 the network header, 2 the transport header.
pub const ETHER_SOURCE: Field = field(0, 6, 6);
pub const ETHER_TYPE: Field = field(0, 12, 2);
pub const ARP_FORMAT: Field = field(1, 0, 6);
pub const ARP_SOURCE_MAC: Field = field(1, 8, 6);
pub const ARP_SOURCE: Field = field(1, 14, 4);
pub const IP_SOURCE: Field = field(1, 12, 4);
pub const IP_DESTINATION: Field = field(1, 16, 4);
/// Enough for a comparison with 127.0.0.0/8.
pub const IP_SOURCE_FIRST_BYTE: Field = field(1, 12, 1);
pub const IP_DESTINATION_FIRST_BYTE: Field = field(1, 16, 1);
pub const IP6_SOURCE: Field = field(1, 8, 16);
pub const IP6_DESTINATION: Field = field(1, 24, 16);
pub const ICMP6_TYPE: Field = field(2, 0, 1);
pub const ICMP6_TARGET: Field = field(2, 8, 16);
/// At the same offset for TCP, UDP and SCTP.
pub const DESTINATION_PORT: Field = field(2, 2, 2);
/// After the UDP header and the first four bytes of the VXLAN header (RFC 7348, 5).
pub const VXLAN_NUMBER: Field = field(2, 12, 3);

/// `enum nft_meta_keys`: what the kernel knows of a packet beside its bytes.
#[derive(Debug, Clone, Copy)]
pub enum Meta {
    InputName = 6,
    OutputName = 7,
    Family = 15,
    Transport = 16,
}

/// `enum nft_ct_keys`: what the kernel knows of the packet's connection.
#[derive(Debug, Clone, Copy)]
pub enum Connection {
    State = 0,
    Status = 2,
}

#[derive(Debug)]
enum Instruction {
    Meta(Meta, Register),
    Connection(Connection, Register),
    Payload(Field, Register),
    AddressType { flags: u32, to: Register },
    Compare { register: Register, operation: u32, value: Vec<u8> },
    Mask { register: Register, mask: u32 },
    Set { register: Register, value: Vec<u8> },
    Lookup { set: &'static str, from: Register, to: Option<Register>, inverted: bool },
    Verdict { code: u32, chain: Option<&'static str> },
    Translate { family: u8, address: Register, port: Register },
    Masquerade,
}

/// One rule of a chain.
#[derive(Debug)]
pub struct Rule {
    pub chain: &'static str,
    instructions: Vec<Instruction>,
    /// User data, which the kernel stores and ignores.
    tag: Vec<u8>,
}

impl Rule {
    pub fn new(chain: &'static str) -> Self {
        Self { chain, instructions: Vec::new(), tag: Vec::new() }
    }

    pub fn tagged(self, tag: &[u8]) -> Self {
        Self { tag: tag.to_vec(), ..self }
    }

    fn then(mut self, instruction: Instruction) -> Self {
        self.instructions.push(instruction);
        self
    }

    pub fn load(self, field: Field, to: Register) -> Self {
        self.then(Instruction::Payload(field, to))
    }

    pub fn meta(self, key: Meta, to: Register) -> Self {
        self.then(Instruction::Meta(key, to))
    }

    pub fn equals(self, register: Register, value: &[u8]) -> Self {
        self.then(Instruction::Compare { register, operation: NFT_CMP_EQ, value: value.to_vec() })
    }

    pub fn differs(self, register: Register, value: &[u8]) -> Self {
        self.then(Instruction::Compare { register, operation: NFT_CMP_NEQ, value: value.to_vec() })
    }

    pub fn set(self, register: Register, value: &[u8]) -> Self {
        self.then(Instruction::Set { register, value: value.to_vec() })
    }

    /// Matches if the fields from this register on are an element of the set.
    pub fn among(self, set: &'static str, from: Register) -> Self {
        self.then(Instruction::Lookup { set, from, to: None, inverted: false })
    }

    pub fn not_among(self, set: &'static str, from: Register) -> Self {
        self.then(Instruction::Lookup { set, from, to: None, inverted: true })
    }

    /// Matches if the fields from this register on are a key of the map, and replaces them by the key's data.
    pub fn replaced_by(self, map: &'static str, register: Register) -> Self {
        self.then(Instruction::Lookup { set: map, from: register, to: Some(register), inverted: false })
    }

    /// Matches if at least one of these bits of the connection's state or status is set.
    pub fn connection_has(self, key: Connection, bits: u32) -> Self {
        let loaded =
            self.then(Instruction::Connection(key, 0)).then(Instruction::Mask { register: 0, mask: bits });
        loaded.differs(0, &0u32.to_ne_bytes())
    }

    /// Matches if the routing tables have the destination as this type (`RTN_*` of linux/rtnetlink.h).
    pub fn destination_is(self, kind: u32) -> Self {
        self.then(Instruction::AddressType { flags: NFTA_FIB_F_DADDR, to: 0 }).equals(0, &kind.to_ne_bytes())
    }

    /// The same, but only for addresses of the link from which the packet came.
    pub fn destination_here_is(self, kind: u32) -> Self {
        let flags = NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF;
        self.then(Instruction::AddressType { flags, to: 0 }).equals(0, &kind.to_ne_bytes())
    }

    /// Matches packets of one family. Tables of family `inet` see both.
    pub fn family(self, family: u8) -> Self {
        self.meta(Meta::Family, 0).equals(0, &[family])
    }

    pub fn accept(self) -> Self {
        self.then(Instruction::Verdict { code: NF_ACCEPT, chain: None })
    }

    pub fn drop(self) -> Self {
        self.then(Instruction::Verdict { code: NF_DROP, chain: None })
    }

    pub fn jump(self, chain: &'static str) -> Self {
        self.then(Instruction::Verdict { code: NFT_JUMP, chain: Some(chain) })
    }

    /// Changes the destination to the address and the port in the registers.
    pub fn translate(self, family: u8, address: Register, port: Register) -> Self {
        self.then(Instruction::Translate { family, address, port })
    }

    /// Changes the source to the address of the link that the packet leaves by.
    pub fn masquerade(self) -> Self {
        self.then(Instruction::Masquerade)
    }

    /// Writes the rule as `NFTA_RULE_EXPRESSIONS` and `NFTA_RULE_USERDATA`.
    pub fn put(&self, message: &mut Message) {
        if !self.tag.is_empty() {
            message.put(NFTA_RULE_USERDATA, &self.tag);
        }
        message.put_nested(NFTA_RULE_EXPRESSIONS, |list| {
            for instruction in &self.instructions {
                list.put_nested(NFTA_LIST_ELEM, |element| {
                    element.put_text(NFTA_EXPR_NAME, instruction.name());
                    element.put_nested(NFTA_EXPR_DATA, |data| instruction.put(data));
                });
            }
        });
    }
}

impl Instruction {
    fn name(&self) -> &'static str {
        match self {
            Self::Meta(..) => "meta",
            Self::Connection(..) => "ct",
            Self::Payload(..) => "payload",
            Self::AddressType { .. } => "fib",
            Self::Compare { .. } => "cmp",
            Self::Mask { .. } => "bitwise",
            Self::Lookup { .. } => "lookup",
            Self::Verdict { .. } | Self::Set { .. } => "immediate",
            Self::Translate { .. } => "nat",
            Self::Masquerade => "masq",
        }
    }

    fn put(&self, data: &mut Message) {
        match self {
            Self::Meta(key, to) => {
                data.put_be32(NFTA_META_KEY, *key as u32);
                data.put_be32(NFTA_META_DREG, number(*to));
            }
            Self::Connection(key, to) => {
                data.put_be32(NFTA_CT_KEY, *key as u32);
                data.put_be32(NFTA_CT_DREG, number(*to));
            }
            Self::Payload(field, to) => {
                data.put_be32(NFTA_PAYLOAD_DREG, number(*to));
                data.put_be32(NFTA_PAYLOAD_BASE, field.base);
                data.put_be32(NFTA_PAYLOAD_OFFSET, field.offset);
                data.put_be32(NFTA_PAYLOAD_LEN, field.length);
            }
            Self::AddressType { flags, to } => {
                data.put_be32(NFTA_FIB_DREG, number(*to));
                data.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
                data.put_be32(NFTA_FIB_FLAGS, *flags);
            }
            Self::Compare { register, operation, value } => {
                data.put_be32(NFTA_CMP_SREG, number(*register));
                data.put_be32(NFTA_CMP_OP, *operation);
                put_value(data, NFTA_CMP_DATA, value);
            }
            Self::Mask { register, mask } => {
                data.put_be32(NFTA_BITWISE_SREG, number(*register));
                data.put_be32(NFTA_BITWISE_DREG, number(*register));
                data.put_be32(NFTA_BITWISE_LEN, 4);
                put_value(data, NFTA_BITWISE_MASK, &mask.to_ne_bytes());
                put_value(data, NFTA_BITWISE_XOR, &[0; 4]);
            }
            Self::Set { register, value } => {
                data.put_be32(NFTA_IMMEDIATE_DREG, number(*register));
                put_value(data, NFTA_IMMEDIATE_DATA, value);
            }
            Self::Lookup { set, from, to, inverted } => {
                data.put_text(NFTA_LOOKUP_SET, set);
                data.put_be32(NFTA_LOOKUP_SREG, number(*from));
                if let Some(to) = to {
                    data.put_be32(NFTA_LOOKUP_DREG, number(*to));
                }
                if *inverted {
                    data.put_be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
                }
            }
            Self::Verdict { code, chain } => {
                data.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
                put_verdict(data, *code, chain.as_deref());
            }
            Self::Translate { family, address, port } => {
                data.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
                data.put_be32(NFTA_NAT_FAMILY, (*family).into());
                data.put_be32(NFTA_NAT_REG_ADDR_MIN, number(*address));
                data.put_be32(NFTA_NAT_REG_PROTO_MIN, number(*port));
            }
            Self::Masquerade => {}
        }
    }
}

fn put_verdict(message: &mut Message, code: u32, chain: Option<&str>) {
    message.put_nested(NFTA_IMMEDIATE_DATA, |value| {
        value.put_nested(NFTA_DATA_VERDICT, |verdict| {
            verdict.put_be32(NFTA_VERDICT_CODE, code);
            if let Some(chain) = chain {
                verdict.put_text(NFTA_VERDICT_CHAIN, chain);
            }
        });
    });
}

fn number(register: Register) -> u32 {
    NFT_REG32_00 + register
}

/// Writes a value to compare with, or an element's key or data.
pub fn put_value(message: &mut Message, kind: u16, value: &[u8]) {
    message.put_nested(kind, |data| data.put(NFTA_DATA_VALUE, value));
}
