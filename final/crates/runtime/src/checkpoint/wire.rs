//! The encoding of protobuf, as far as CRIU's requests need it: numbers, and bytes with their length (protobuf.dev,
//! "Encoding").

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// A message that is being encoded.
#[derive(Debug, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub(super) fn number(&mut self, field: u32, value: u64) {
        self.varint(u64::from(field) << 3 | VARINT);
        self.varint(value);
    }

    /// A false flag is left out, because a missing flag is read as false.
    pub(super) fn flag(&mut self, field: u32, set: bool) {
        if set {
            self.number(field, 1);
        }
    }

    pub(super) fn bytes(&mut self, field: u32, value: &[u8]) {
        self.varint(u64::from(field) << 3 | BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    pub(super) fn message(&mut self, field: u32, value: &Message) {
        self.bytes(field, &value.0);
    }

    /// A message with two texts as its first fields, which CRIU uses for pairs.
    pub(super) fn pair(&mut self, field: u32, first: &[u8], second: &[u8]) {
        let mut pair = Message::default();
        pair.bytes(1, first);
        pair.bytes(2, second);
        self.message(field, &pair);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// A varint: seven bits in each byte, the lowest first. The eighth bit is set if another byte follows.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn as_number(self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(number),
            Self::Bytes(_) => None,
        }
    }

    pub(super) fn as_bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
}

/// The value of a field; the last one if the field occurs more than once. `None` also if the message is truncated.
pub(super) fn field(mut message: &[u8], wanted: u32) -> Option<Value<'_>> {
    let mut found = None;
    while !message.is_empty() {
        let key = take_varint(&mut message)?;
        let value = match key & 7 {
            VARINT => Value::Number(take_varint(&mut message)?),
            BYTES => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                Value::Bytes(message.split_off(..length)?)
            }
            FIXED_64 => Value::Bytes(message.split_off(..8)?),
            FIXED_32 => Value::Bytes(message.split_off(..4)?),
            _ => return None,
        };
        if key >> 3 == u64::from(wanted) {
            found = Some(value);
        }
    }
    found
}

fn take_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut message = Message::default();
        message.number(1, 300);
        message.flag(3, false);
        message.flag(4, true);
        message.pair(37, b"key", b"value");
        message.number(1, u64::MAX);
        let bytes = message.as_bytes();
        assert_eq!(bytes[..3], [0x08, 0xac, 0x02], "the encoding's own example");
        assert_eq!(field(bytes, 1), Some(Value::Number(u64::MAX)));
        assert_eq!(field(bytes, 3), None);
        assert_eq!(field(bytes, 4), Some(Value::Number(1)));
        let pair = field(bytes, 37).and_then(Value::as_bytes).unwrap();
        assert_eq!(field(pair, 2), Some(Value::Bytes(b"value")));
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        let mut message = Message::default();
        message.bytes(9, b"some words");
        message.number(1, 1 << 40);
        for length in 1..message.as_bytes().len() {
            let cut = field(&message.as_bytes()[..length], 1);
            assert_eq!(cut, None, "{length}");
        }
        assert_eq!(field(&[0xff; 20], 1), None);
        assert_eq!(field(&[0x0f, 1], 1), None, "a wire type that is not");
    }
}
