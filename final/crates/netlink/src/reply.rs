//! Reading what the kernel sends: a datagram of messages, each of which holds attributes.
//!
//! No length is trusted: one that points past the end of the data ends the iteration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::message::HEADER;

/// One message of the kernel's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    pub kind: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// The rest of a datagram is not a whole message.
#[derive(Debug, PartialEq, Eq)]
pub struct Malformed;

/// The messages in one datagram. The last item is an error if the datagram ends inside a message.
pub fn replies(datagram: &[u8]) -> impl Iterator<Item = Result<Reply<'_>, Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let reply = split_reply(&mut rest);
        if reply.is_none() {
            rest = &[];
        }
        Some(reply.ok_or(Malformed))
    })
}

fn split_reply<'a>(rest: &mut &'a [u8]) -> Option<Reply<'a>> {
    let length = u32_at(rest, 0)? as usize;
    let payload = rest.get(HEADER..length)?;
    let reply =
        Reply { kind: u16_at(rest, 4)?, flags: u16_at(rest, 6)?, sequence: u32_at(rest, 8)?, payload };
    *rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some(reply)
}

impl<'a> Reply<'a> {
    /// The attributes behind a fixed part of `fixed` bytes.
    pub fn attributes(&self, fixed: usize) -> Attributes<'a> {
        Attributes(self.payload.get(fixed.next_multiple_of(4)..).unwrap_or_default())
    }
}

/// A sequence of attributes. The iteration ends at the first one that is not whole, as in the kernel's own parser.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(pub &'a [u8]);

impl<'a> Attributes<'a> {
    /// The value of the first attribute of this kind.
    pub fn get(mut self, kind: u16) -> Option<Value<'a>> {
        self.find(|(found, _)| *found == kind).map(|(_, value)| value)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::from(u16_at(self.0, 0)?);
        // The two upper bits are flags: "nested" and "network byte order".
        let kind = u16_at(self.0, 2)? & libc::NLA_TYPE_MASK as u16;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, Value(value)))
    }
}

/// An attribute's value. Each method returns `None` if the length is not that of the type it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(pub &'a [u8]);

impl<'a> Value<'a> {
    pub fn u8(self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub fn u32(self) -> Option<u32> {
        self.array().map(u32::from_ne_bytes)
    }

    pub fn be32(self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// The text up to the zero byte that ends it.
    pub fn text(self) -> Option<&'a str> {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..end]).ok()
    }

    pub fn ip(self) -> Option<IpAddr> {
        let v4 = self.array::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(bytes)));
        v4.or_else(|| self.array::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes))))
    }

    pub fn array<const N: usize>(self) -> Option<[u8; N]> {
        self.0.try_into().ok()
    }

    pub fn nested(self) -> Attributes<'a> {
        Attributes(self.0)
    }
}

/// A number at the offset `at`, in the machine's byte order.
pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// A number at the offset `at`, in the machine's byte order.
pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read_again() {
        let mut message = Message::new(20, 0, &[9; 8]);
        message.put_text(1, "hull0");
        message.put_nested(2, |inner| inner.put_u32(3, 1500));
        let bytes = message.finish(77).unwrap();
        let mut found = replies(&bytes);
        let reply = found.next().unwrap().unwrap();
        assert!(found.next().is_none());
        assert_eq!((reply.kind, reply.sequence), (20, 77));
        let attributes = reply.attributes(8);
        assert_eq!(attributes.get(1).unwrap().text(), Some("hull0"));
        assert_eq!(attributes.get(2).unwrap().nested().get(3).unwrap().u32(), Some(1500));
        assert!(attributes.get(4).is_none());
    }

    #[test]
    fn a_datagram_that_ends_inside_a_message_is_malformed() {
        let bytes = Message::new(20, 0, &[9; 8]).finish(1).unwrap();
        for length in 1..bytes.len() {
            let found: Vec<_> = replies(&bytes[..length]).collect();
            assert_eq!(found, [Err(Malformed)], "{length}");
        }
    }

    #[test]
    fn lengths_below_a_header_end_the_reading() {
        for length in 0..HEADER as u32 {
            let mut bytes = [0; 32];
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(replies(&bytes).collect::<Vec<_>>(), [Err(Malformed)]);
        }
        for length in 0..4u8 {
            assert_eq!(Attributes(&[length, 0, 1, 0, 5, 5, 5, 5]).count(), 0);
        }
    }

    fn walk(attributes: Attributes<'_>, depth: u8) -> usize {
        let inner = |value: Value<'_>| if depth == 0 { 0 } else { walk(value.nested(), depth - 1) };
        attributes.map(|(_, value)| 1 + inner(value) + value.text().map_or(0, str::len)).sum()
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic_and_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            for reply in replies(&bytes).flatten() {
                prop_assert!(reply.payload.len() < bytes.len());
                walk(reply.attributes(usize::from(reply.kind % 32)), 4);
            }
            walk(Attributes(&bytes), 4);
        }

        // Small lengths are what random bytes hardly ever hold.
        #[test]
        fn wrong_lengths_are_survived(mut bytes in prop::collection::vec(0u8..24, 0..256), at in 0usize..256) {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = 255;
            }
            for reply in replies(&bytes).flatten() {
                walk(reply.attributes(0), 4);
            }
            walk(Attributes(&bytes), 4);
        }
    }
}
