//! How output is written on a connection.

use hull_engine::Stream;

use super::websocket::{self, Decoder};

/// The header of a frame: the stream, three zero bytes, and the length, most significant byte first.
const HEADER: usize = 8;

/// How the two outputs of a program share one connection, and how its input comes.
#[derive(Debug)]
pub enum Framing {
    /// The bytes alone: a terminal has one output.
    Raw,
    /// docker's frames.
    Multiplexed,
    /// Messages of a websocket, binary or else of text.
    WebSocket { decoder: Decoder, is_binary: bool },
}

impl Framing {
    pub fn of_terminal(tty: bool) -> Self {
        if tty { Self::Raw } else { Self::Multiplexed }
    }

    /// Appends output.
    pub fn encode(&self, stream: Stream, bytes: &[u8], to: &mut Vec<u8>) {
        let at = self.begin(stream, to);
        if let Self::WebSocket { is_binary, .. } = self {
            websocket::encode_head(*is_binary, bytes.len(), to);
            to.extend_from_slice(bytes);
            return;
        }
        to.extend_from_slice(bytes);
        self.end(stream, at, to);
    }

    /// Begins output whose length is not known, and returns where it begins.
    pub fn begin(&self, stream: Stream, to: &mut Vec<u8>) -> usize {
        let at = to.len();
        if matches!(self, Self::Multiplexed) {
            let number = if stream == Stream::Stdout { 1 } else { 2 };
            to.extend_from_slice(&[number, 0, 0, 0, 0, 0, 0, 0]);
        }
        at
    }

    /// Ends the output that began there. There are no empty frames.
    pub fn end(&self, stream: Stream, at: usize, to: &mut Vec<u8>) {
        match self {
            Self::Raw => {}
            Self::Multiplexed if to.len() <= at + HEADER => to.truncate(at),
            Self::Multiplexed => {
                let length = u32::try_from(to.len() - at - HEADER).unwrap_or(u32::MAX);
                to[at + 4..at + HEADER].copy_from_slice(&length.to_be_bytes());
            }
            Self::WebSocket { .. } => {
                let bytes = to.split_off(at);
                if !bytes.is_empty() {
                    self.encode(stream, &bytes, to);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_tells_its_stream_and_its_length() {
        let mut bytes = Vec::new();
        Framing::Multiplexed.encode(Stream::Stderr, b"abc", &mut bytes);
        Framing::Multiplexed.encode(Stream::Stdout, &[b'x'; 258], &mut bytes);
        assert_eq!(&bytes[..11], b"\x02\0\0\0\0\0\0\x03abc");
        assert_eq!(&bytes[11..19], b"\x01\0\0\0\0\0\x01\x02");
        assert_eq!(bytes.len(), 11 + 8 + 258);
        Framing::Multiplexed.encode(Stream::Stdout, b"", &mut bytes);
        assert_eq!(bytes.len(), 11 + 8 + 258, "an empty frame would say nothing");
    }
}
