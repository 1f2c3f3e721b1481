//! The server's side of a websocket (RFC 6455), as much of it as `attach` needs: no extensions, and messages of any length.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest;

use crate::failure::{Failure, Result};
use crate::http::{Exchange, Hijacked};

/// RFC 6455, section 1.3.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A control frame has at most this many bytes (section 5.5).
const MAX_CONTROL: usize = 125;

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Answers the opening handshake (section 4.2).
pub fn accept<'a>(exchange: &'a mut Exchange<'_>) -> Result<Hijacked<'a>> {
    let head = exchange.head();
    let is_websocket = head.lists("upgrade", "websocket") && head.lists("connection", "upgrade");
    let key = head.field("sec-websocket-key").filter(|_| is_websocket);
    let key = key.ok_or_else(|| Failure::invalid("not websocket protocol"))?;
    if head.field("sec-websocket-version") != Some("13") {
        return Err(Failure::invalid("missing or bad WebSocket Version"));
    }
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(hash)
    );
    exchange.hijack_with(101, &answer)
}

/// Appends the head of a message of `length` bytes. A server masks nothing.
pub(super) fn encode_head(is_binary: bool, length: usize, to: &mut Vec<u8>) {
    head(if is_binary { BINARY } else { TEXT }, length, to);
}

/// Appends the frame that ends the connection in order (section 7.4.1).
pub(super) fn encode_close(to: &mut Vec<u8>) {
    const NORMAL: u16 = 1000;
    head(CLOSE, 2, to);
    to.extend_from_slice(&NORMAL.to_be_bytes());
}

fn head(opcode: u8, length: usize, to: &mut Vec<u8>) {
    to.push(0x80 | opcode);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short <= 125 => to.push(short),
        (_, Ok(length)) => {
            to.push(126);
            to.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            to.push(127);
            to.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

/// What a client has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// A part of a message.
    Data(Vec<u8>),
    /// A frame that is to be sent back.
    Answer(Vec<u8>),
    Close,
}

/// Reads frames, however they are cut. Of a long message it keeps nothing.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a frame's head, or of a control frame.
    partial: Vec<u8>,
    frame: Option<Frame>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: u8,
    mask: [u8; 4],
    left: u64,
    /// How many bytes have come.
    position: usize,
}

/// The client does not keep to the protocol.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation;

impl Decoder {
    pub(super) fn feed(&mut self, mut bytes: &[u8], to: &mut Vec<Input>) -> Result<(), Violation> {
        loop {
            let Some(frame) = &mut self.frame else {
                if bytes.is_empty() {
                    return Ok(());
                }
                self.partial.push(bytes[0]);
                bytes = &bytes[1..];
                if let Some(frame) = parse_head(&self.partial)? {
                    self.partial.clear();
                    self.frame = Some(frame);
                }
                continue;
            };
            let most = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len());
            if most == 0 && frame.left > 0 {
                return Ok(());
            }
            let (payload, rest) = bytes.split_at(most);
            bytes = rest;
            let position = frame.position;
            let mask = frame.mask;
            let data: Vec<u8> =
                payload.iter().enumerate().map(|(at, byte)| byte ^ mask[(position + at) % 4]).collect();
            frame.position += most;
            frame.left -= most as u64;
            let (opcode, is_over) = (frame.opcode, frame.left == 0);
            if is_over {
                self.frame = None;
            }
            self.take(opcode, data, is_over, to);
        }
    }

    fn take(&mut self, opcode: u8, data: Vec<u8>, is_over: bool, to: &mut Vec<Input>) {
        if opcode < CLOSE {
            if !data.is_empty() {
                to.push(Input::Data(data));
            }
            return;
        }
        // A control frame is short, and kept until it is whole.
        self.partial.extend_from_slice(&data);
        if !is_over {
            return;
        }
        let data = std::mem::take(&mut self.partial);
        let answer = |opcode| {
            let mut frame = Vec::new();
            head(opcode, data.len(), &mut frame);
            frame.extend_from_slice(&data);
            Input::Answer(frame)
        };
        match opcode {
            CLOSE => to.extend([answer(CLOSE), Input::Close]),
            PING => to.push(answer(PONG)),
            _ => {}
        }
    }
}

/// `None` if more bytes are needed.
fn parse_head(bytes: &[u8]) -> Result<Option<Frame>, Violation> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let opcode = first & 0x0f;
    // Section 5.1: a client masks. Section 5.2: no extension has given the reserved bits a meaning.
    if second & 0x80 == 0 || first & 0x70 != 0 || !matches!(opcode, 0..=2 | CLOSE..=PONG) {
        return Err(Violation);
    }
    let (left, rest) = match (second & 0x7f, rest) {
        (126, [a, b, rest @ ..]) => (u64::from(u16::from_be_bytes([*a, *b])), rest),
        (127, rest) if rest.len() >= 8 => {
            let (length, rest) = rest.split_at(8);
            (length.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), rest)
        }
        (126 | 127, _) => return Ok(None),
        (length, rest) => (u64::from(length), rest),
    };
    if opcode >= CLOSE && left > MAX_CONTROL as u64 {
        return Err(Violation);
    }
    let Some(mask) = rest.first_chunk() else { return Ok(None) };
    Ok(Some(Frame { opcode, mask: *mask, left, position: 0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn masked(opcode: u8, data: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        head(opcode, data.len(), &mut frame);
        frame[1] |= 0x80;
        let mask = [1, 2, 3, 250];
        frame.extend_from_slice(&mask);
        frame.extend(data.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
        frame
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let long = vec![7; 70_000];
        let all = [masked(TEXT, b"hello"), masked(PING, b"hi"), masked(BINARY, &long), masked(CLOSE, b"")];
        for size in [1, 3, 1000, 1 << 20] {
            let mut decoder = Decoder::default();
            let mut inputs = Vec::new();
            for part in all.concat().chunks(size) {
                decoder.feed(part, &mut inputs).unwrap();
            }
            let mut data = Vec::new();
            let mut others = Vec::new();
            for input in inputs {
                match input {
                    Input::Data(bytes) => data.extend(bytes),
                    other => others.push(other),
                }
            }
            assert!(data.starts_with(b"hello\x07") && data.len() == 5 + long.len(), "{size}");
            let expected =
                [Input::Answer(b"\x8a\x02hi".to_vec()), Input::Answer(b"\x88\x00".to_vec()), Input::Close];
            assert_eq!(others, expected);
        }
    }

    #[test]
    fn what_a_client_must_not_send_is_refused() {
        let unmasked = {
            let mut frame = Vec::new();
            head(TEXT, 1, &mut frame);
            frame.push(b'x');
            frame
        };
        for frame in [unmasked, masked(3, b"x"), masked(PING, &[0; 126]), vec![0xf1, 0x80, 0, 0, 0, 0]] {
            assert_eq!(Decoder::default().feed(&frame, &mut Vec::new()), Err(Violation), "{frame:x?}");
        }
    }

    #[test]
    fn a_length_takes_as_many_bytes_as_it_needs() {
        let encoded = |length| {
            let mut bytes = Vec::new();
            encode_head(true, length, &mut bytes);
            bytes
        };
        assert_eq!(encoded(125), b"\x82\x7d");
        assert_eq!(encoded(126), b"\x82\x7e\x00\x7e");
        assert_eq!(encoded(65536), b"\x82\x7f\0\0\0\0\0\x01\0\0");
    }
}
