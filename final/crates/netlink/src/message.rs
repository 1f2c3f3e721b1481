//! Writing a netlink message: a header, a fixed part that depends on the message's kind, then attributes.
//!
//! ```text
//! ┌ length ┬ kind ┬ flags ┬ sequence ┬ port ┐┌ fixed part ┐┌ length ┬ kind ┬ value … ┬ padding ┐┌ …
//! └── 32 ──┴─ 16 ─┴── 16 ─┴─── 32 ───┴─ 32 ─┘└────────────┘└── 16 ──┴─ 16 ─┴─────────┴─────────┘└ …
//! ```
//!
//! Numbers are in the machine's byte order, except for those of nfnetlink and for IP addresses, which are in network byte
//! order. Every part begins at a multiple of four bytes. A length counts the header and not the padding. See netlink(7) and
//! the kernel's Documentation/userspace-api/netlink/intro.rst.

/// The kernel answers with an error code, 0 for success.
pub const ACK: u16 = libc::NLM_F_ACK as u16;
/// Create the object, and fail if it exists.
pub const CREATE_NEW: u16 = (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Create the object unless it exists.
pub const CREATE: u16 = libc::NLM_F_CREATE as u16;
/// Replace the object if it exists.
pub const REPLACE: u16 = libc::NLM_F_REPLACE as u16;
/// Add the object behind the existing ones.
pub const APPEND: u16 = libc::NLM_F_APPEND as u16;
/// Answer with every object of this kind.
pub const DUMP: u16 = libc::NLM_F_DUMP as u16;

pub(crate) const HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// Marks an attribute whose value consists of attributes. The kernel's newer parsers insist on it.
const NESTED: u16 = libc::NLA_F_NESTED as u16;

/// One request.
#[derive(Debug, Clone)]
pub struct Message {
    bytes: Vec<u8>,
    /// A value is longer than the sixteen bits of an attribute's length can say; [`finish`](Message::finish) fails.
    too_long: bool,
}

impl Message {
    /// `kind` and `flags` of the header, then the fixed part that goes with the kind, such as a `struct ifinfomsg`.
    pub fn new(kind: u16, flags: u16, fixed: &[u8]) -> Self {
        let mut message = Self { bytes: vec![0; HEADER], too_long: false };
        message.bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        message.bytes[6..8].copy_from_slice(&(flags | libc::NLM_F_REQUEST as u16).to_ne_bytes());
        message.append(fixed);
        message
    }

    pub fn put(&mut self, kind: u16, value: &[u8]) {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(value);
        self.end(start);
    }

    pub fn put_u8(&mut self, kind: u16, value: u8) {
        self.put(kind, &[value]);
    }

    pub fn put_u32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_ne_bytes());
    }

    /// A number in network byte order, which nfnetlink wants for all of its numbers.
    pub fn put_be32(&mut self, kind: u16, value: u32) {
        self.put(kind, &value.to_be_bytes());
    }

    /// Text, ended by a zero byte.
    pub fn put_text(&mut self, kind: u16, value: &str) {
        let start = self.begin(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.end(start);
    }

    /// An attribute whose value is the attributes that `fill` puts.
    pub fn put_nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let start = self.begin(kind | NESTED);
        fill(self);
        self.end(start);
    }

    /// Bytes that are no attribute, padded: the message's fixed part, or a fixed part inside an attribute (as in
    /// `VETH_INFO_PEER`).
    pub fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.pad();
    }

    /// The finished message, or `None` if a value is longer than an attribute can be.
    pub(crate) fn finish(mut self, sequence: u32) -> Option<Vec<u8>> {
        let length = u32::try_from(self.bytes.len()).ok().filter(|_| !self.too_long)?;
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        Some(self.bytes)
    }

    pub(crate) fn add_flags(&mut self, flags: u16) {
        let there = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        self.bytes[6..8].copy_from_slice(&(there | flags).to_ne_bytes());
    }

    fn begin(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ATTRIBUTE_HEADER]);
        self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
        start
    }

    /// Writes the length of the attribute that began at `start`, without its padding.
    fn end(&mut self, start: usize) {
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes()),
            Err(_) => self.too_long = true,
        }
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_aligned_and_their_lengths_leave_the_padding_out() {
        let mut message = Message::new(16, ACK, &[1, 2]);
        message.put_text(3, "ab");
        message.put_nested(4, |inner| inner.put_u8(1, 7));
        let bytes = message.finish(5).unwrap();
        let expected: &[&[u8]] = &[
            &40u32.to_ne_bytes(),
            &16u16.to_ne_bytes(),
            &5u16.to_ne_bytes(),
            &5u32.to_ne_bytes(),
            &[0; 4],
            &[1, 2, 0, 0],
            &7u16.to_ne_bytes(),
            &3u16.to_ne_bytes(),
            b"ab\0\0",
            &12u16.to_ne_bytes(),
            &(4 | NESTED).to_ne_bytes(),
            &5u16.to_ne_bytes(),
            &1u16.to_ne_bytes(),
            &[7, 0, 0, 0],
        ];
        assert_eq!(bytes, expected.concat());
    }

    #[test]
    fn a_value_longer_than_an_attribute_can_be_is_refused_and_not_cut() {
        let mut message = Message::new(16, 0, &[]);
        message.put(1, &vec![0; usize::from(u16::MAX)]);
        assert!(message.finish(1).is_none());
    }
}
