//! Encoding of D-Bus messages (D-Bus specification, "Type System" and "Message Protocol"), as far as systemd needs it.
//!
//! A value begins at a multiple of its size, counted from the start of the message; a body begins at a multiple of eight.
//! Numbers are in this machine's byte order, which the first byte names.

/// The value of a unit's property.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Flag(bool),
    Int(i32),
    Uint(u32),
    Long(i64),
    Ulong(u64),
    Text(String),
    Texts(Vec<String>),
    Uints(Vec<u32>),
    Bytes(Vec<u8>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Flag(_) => "b",
            Self::Int(_) => "i",
            Self::Uint(_) => "u",
            Self::Long(_) => "x",
            Self::Ulong(_) => "t",
            Self::Text(_) => "s",
            Self::Texts(_) => "as",
            Self::Uints(_) => "au",
            Self::Bytes(_) => "ay",
        }
    }
}

const ORDER: u8 = if cfg!(target_endian = "little") { b'l' } else { b'B' };

const CALL: u8 = 1;
pub const REPLY: u8 = 2;
pub const ERROR: u8 = 3;
pub const SIGNAL: u8 = 4;

/// Names of header fields.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_TO: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// The largest message. Answers of systemd are much smaller; the specification allows 128 MiB.
const LONGEST: usize = 1 << 20;

/// Encoded values, one after the other.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_ne_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.align(8);
        self.0.extend(number.to_ne_bytes());
    }

    pub fn flag(&mut self, flag: bool) {
        self.u32(flag.into());
    }

    pub fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// Writes an array: its length in bytes, without the padding before the first element, and then the elements.
    pub fn array(&mut self, alignment: usize, elements: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length = self.0.len();
        self.align(alignment);
        let first = self.0.len();
        elements(self);
        let size = (self.0.len() - first) as u32;
        self.0[length - 4..length].copy_from_slice(&size.to_ne_bytes());
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Flag(flag) => self.flag(*flag),
            Value::Int(number) => self.u32(*number as u32),
            Value::Uint(number) => self.u32(*number),
            Value::Long(number) => self.u64(*number as u64),
            Value::Ulong(number) => self.u64(*number),
            Value::Text(text) => self.text(text),
            Value::Texts(texts) => self.array(4, |w| texts.iter().for_each(|text| w.text(text))),
            Value::Uints(numbers) => self.array(4, |w| numbers.iter().for_each(|number| w.u32(*number))),
            Value::Bytes(bytes) => self.array(1, |w| w.0.extend(bytes)),
        }
    }

    /// `a(sv)`
    pub fn properties(&mut self, properties: &[(String, Value)]) {
        self.array(8, |w| {
            for (name, value) in properties {
                w.align(8);
                w.text(name);
                w.variant(value);
            }
        });
    }
}

/// The method of a call.
#[derive(Debug, Clone, Copy)]
pub struct Method<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub name: &'a str,
}

/// A method call. The body's values have the types in its signature.
pub fn call(method: Method<'_>, serial: u32, signature: &str, body: Writer) -> Vec<u8> {
    let mut message = Writer(vec![ORDER, CALL, 0, 1]);
    message.u32(body.0.len() as u32);
    message.u32(serial);
    let fields = [
        (PATH, "o", method.path),
        (INTERFACE, "s", method.interface),
        (MEMBER, "s", method.name),
        (DESTINATION, "s", method.destination),
        (SIGNATURE, "g", signature),
    ];
    message.array(8, |w| {
        for (code, kind, value) in fields.into_iter().filter(|(.., value)| !value.is_empty()) {
            w.align(8);
            w.0.push(code);
            w.signature(kind);
            if kind == "g" { w.signature(value) } else { w.text(value) }
        }
    });
    message.align(8);
    message.0.extend(body.0);
    message.0
}

/// The length of the message that begins with these sixteen bytes. `None` if they are not the start of a message.
pub fn length(start: &[u8; 16]) -> Option<usize> {
    let number = |at: usize| Some(u32::from_ne_bytes(start[at..at + 4].try_into().ok()?) as usize);
    let (body, fields) = (number(4)?, number(12)?);
    let is_understood = start[0] == ORDER && start[3] == 1 && body <= LONGEST && fields <= LONGEST;
    is_understood.then(|| (16 + fields).next_multiple_of(8) + body)
}

/// A received message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    pub kind: u8,
    pub member: String,
    pub error: String,
    pub reply_to: u32,
    body: Vec<u8>,
}

impl Message {
    /// `None` if the bytes are not a valid message.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut message = Self { kind: *bytes.get(1)?, ..Self::default() };
        let mut reader = Reader { bytes, at: 12 };
        let end = reader.u32()? as usize + 16;
        while reader.at < end {
            reader.align(8);
            let code = reader.byte()?;
            match (reader.signature()?.as_str(), code) {
                ("s", MEMBER) => message.member = reader.text()?,
                ("s", ERROR_NAME) => message.error = reader.text()?,
                ("u", REPLY_TO) => message.reply_to = reader.u32()?,
                ("s" | "o", _) => drop(reader.text()?),
                ("g", _) => drop(reader.signature()?),
                ("u", _) => drop(reader.u32()?),
                _ => return None,
            }
        }
        reader.align(8);
        message.body = bytes.get(reader.at..)?.to_vec();
        Some(message)
    }

    pub fn body(&self) -> Reader<'_> {
        Reader { bytes: &self.body, at: 0 }
    }
}

/// Reads values from a body. `None` if there is no value of the requested type.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.align(4);
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn characters(&mut self, length: usize) -> Option<String> {
        let text = String::from_utf8(self.take(length)?.to_vec()).ok()?;
        // The terminating zero is not counted in the length.
        self.take(1)?;
        Some(text)
    }

    /// `s` and `o`
    pub fn text(&mut self) -> Option<String> {
        let length = self.u32()? as usize;
        self.characters(length)
    }

    fn signature(&mut self) -> Option<String> {
        let length = self.byte()? as usize;
        self.characters(length)
    }

    /// `v` that contains a string
    pub fn variant_text(&mut self) -> Option<String> {
        (self.signature()? == "s").then(|| self.text())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_call_is_laid_out_as_the_specification_has_it() {
        let mut body = Writer::default();
        body.text("a");
        body.properties(&[("P".into(), Value::Ulong(7)), ("Q".into(), Value::Flag(true))]);
        let method = Method { destination: "", path: "/o", interface: "", name: "M" };
        let bytes = call(method, 9, "sa(sv)", body);
        assert_eq!(length(bytes[..16].try_into().unwrap()), Some(bytes.len()));
        let body = &bytes[bytes.len() - 0x38..];
        assert_eq!(&body[..6], b"\x01\0\0\0a\0", "{body:x?}");
        // The array's length counts from its first element, which is aligned to eight.
        assert_eq!(&body[8..16], b"\x28\0\0\0\0\0\0\0", "{body:x?}");
        assert_eq!(&body[16..40], b"\x01\0\0\0P\0\x01t\0\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0", "{body:x?}");
        assert_eq!(&body[40..], b"\x01\0\0\0Q\0\x01b\0\0\0\0\x01\0\0\0", "{body:x?}");
    }

    #[test]
    fn a_message_that_came_is_read_and_one_cut_short_is_none() {
        let mut body = Writer::default();
        body.text("/job/1");
        let method = Method { destination: "d", path: "/o", interface: "i", name: "JobNew" };
        let bytes = call(method, 1, "o", body);
        let message = Message::parse(&bytes).unwrap();
        assert_eq!((message.kind, message.member.as_str()), (CALL, "JobNew"));
        assert_eq!(message.body().text().as_deref(), Some("/job/1"));
        for length in 0..bytes.len() {
            // A message that is truncated anywhere must not panic.
            let cut = Message::parse(&bytes[..length]);
            assert!(cut.is_none_or(|message| message.body().text().is_none()), "{length}");
        }
    }
}
