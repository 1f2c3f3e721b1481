//! DNS messages (RFC 1035, chapter 4), with one part of EDNS (RFC 6891): the client's limit for the length of an answer.
//! Questions come from a container and answers from a network, so no length in them is trusted.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub const HEADER: usize = 12;
/// The limit over UDP for a client that states none (RFC 1035, 4.2.1).
const DEFAULT_LIMIT: usize = 512;
/// The largest limit over UDP that is honoured: longer answers would be fragmented on some Ethernet paths.
const MAX_LIMIT: usize = 1232;
/// How many seconds a client may cache an answer. A released address is not allocated again for a minute.
const TTL: u32 = 10;

pub const A: u16 = 1;
pub const PTR: u16 = 12;
pub const AAAA: u16 = 28;
const OPT: u16 = 41;
const IN: u16 = 1;
const ANY_CLASS: u16 = 255;

/// Bits of the header's flags.
const RESPONSE: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const AUTHORITATIVE: u16 = 0x0400;
const TRUNCATED: u16 = 0x0200;
const RECURSION_DESIRED: u16 = 0x0100;
const RECURSION_AVAILABLE: u16 = 0x0080;

/// `RCODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    Success = 0,
    Malformed = 1,
    ServerFailure = 2,
    NoSuchName = 3,
    NotImplemented = 4,
}

/// A question that is well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In lower case, without the final dot.
    pub name: String,
    pub kind: u16,
    flags: u16,
    /// The header and the question as received.
    bytes: Vec<u8>,
    /// The client's limit for an answer over UDP.
    pub limit: usize,
}

/// A record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    Address(IpAddr),
    Name(String),
}

/// Parses a question. The error is an answer that refuses the message, or nothing for what is no question at all.
pub fn read(bytes: &[u8]) -> Result<Question, Option<Vec<u8>>> {
    let header = bytes.get(..HEADER).ok_or(None)?;
    let flags = u16_at(header, 2);
    if flags & RESPONSE != 0 {
        // Two servers that answered each other's answers would never end.
        return Err(None);
    }
    let refuse = |code| Err(Some(reply(header, flags, code, 0, 0)));
    if flags & OPCODE != 0 {
        return refuse(Code::NotImplemented);
    }
    if u16_at(header, 4) != 1 {
        return refuse(Code::Malformed);
    }
    let Some((name, end)) = read_name(bytes) else { return refuse(Code::Malformed) };
    let Some(fixed) = bytes.get(end..end + 4) else { return refuse(Code::Malformed) };
    if ![IN, ANY_CLASS].contains(&u16_at(fixed, 2)) {
        return refuse(Code::NotImplemented);
    }
    let end = end + 4;
    let limit = limit(bytes.get(end..).unwrap_or_default());
    Ok(Question { name, kind: u16_at(fixed, 0), flags, bytes: bytes[..end].to_vec(), limit })
}

/// The name after the header, and where it ends. It cannot be a compression pointer, because no name precedes it.
fn read_name(bytes: &[u8]) -> Option<(String, usize)> {
    let mut name = String::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            return Some((name, at));
        }
        if length > 63 {
            return None;
        }
        let label = bytes.get(at..at + length)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        // No container's name has other bytes than ASCII. The question is forwarded as received.
        name.extend(label.iter().map(|byte| char::from(byte.to_ascii_lowercase())));
        if at - HEADER > 255 {
            return None;
        }
    }
}

/// The client's limit, from the `OPT` record that may follow the question (RFC 6891, 6.2.3).
fn limit(rest: &[u8]) -> usize {
    match rest {
        [0, kind_high, kind_low, high, low, ..] if u16::from_be_bytes([*kind_high, *kind_low]) == OPT => {
            usize::from(u16::from_be_bytes([*high, *low])).clamp(DEFAULT_LIMIT, MAX_LIMIT)
        }
        _ => DEFAULT_LIMIT,
    }
}

impl Question {
    /// The answer when the question cannot be answered at present (SERVFAIL).
    pub fn failure(&self) -> Vec<u8> {
        self.answer(Code::ServerFailure, &[], self.limit)
    }

    /// An authoritative answer. [`Code::Success`] without records means that the name exists but has no record of the type.
    pub fn answer(&self, code: Code, records: &[Record], limit: usize) -> Vec<u8> {
        let flags = self.flags | AUTHORITATIVE;
        let mut answer = reply(&self.bytes, flags, code, 1, 0);
        answer.extend_from_slice(&self.bytes[HEADER..]);
        let mut count = 0u16;
        for record in records {
            let record = encode(record);
            if answer.len() + record.len() > limit {
                let truncated = u16_at(&answer, 2) | TRUNCATED;
                answer[2..4].copy_from_slice(&truncated.to_be_bytes());
                break;
            }
            answer.extend(record);
            count += 1;
        }
        answer[6..8].copy_from_slice(&count.to_be_bytes());
        answer
    }

    /// Whether `answer` is an answer to this question with the message id `id`.
    pub fn is_answered_by(&self, answer: &[u8], id: u16) -> bool {
        let question = &self.bytes[HEADER..];
        answer.len() >= self.bytes.len()
            && u16_at(answer, 0) == id
            && u16_at(answer, 2) & RESPONSE != 0
            && answer[HEADER..HEADER + question.len()].eq_ignore_ascii_case(question)
    }

    /// A server's answer as the client gets it: with the client's message id, and truncated if it exceeds the limit.
    pub fn forward(&self, mut answer: Vec<u8>, limit: usize) -> Vec<u8> {
        answer[..2].copy_from_slice(&self.bytes[..2]);
        if answer.len() > limit {
            let flags = u16_at(&answer, 2) | TRUNCATED;
            answer[2..4].copy_from_slice(&flags.to_be_bytes());
            answer[6..HEADER].fill(0);
            answer.truncate(self.bytes.len());
        }
        answer
    }
}

/// Whether the server failed, refused, or does not implement the query. Another server may answer.
pub fn has_failed(answer: &[u8]) -> bool {
    answer.get(3).is_some_and(|flags| matches!(flags & 0xf, 2 | 4 | 5))
}

/// The address of a reverse query's name: `2.0.17.172.in-addr.arpa`.
pub fn reverse(name: &str) -> Option<IpAddr> {
    if let Some(digits) = name.strip_suffix(".in-addr.arpa") {
        let mut octets = [0; 4];
        let mut parts = digits.split('.');
        for octet in octets.iter_mut().rev() {
            *octet = parts.next()?.parse().ok()?;
        }
        return parts.next().is_none().then(|| Ipv4Addr::from(octets).into());
    }
    let nibbles = name.strip_suffix(".ip6.arpa")?;
    let mut bits = 0u128;
    let mut count = 0;
    for nibble in nibbles.rsplit('.') {
        let &[digit] = nibble.as_bytes() else { return None };
        bits = bits << 4 | u128::from(char::from(digit).to_digit(16)?);
        count += 1;
        if count > 32 {
            return None;
        }
    }
    (count == 32).then(|| Ipv6Addr::from_bits(bits).into())
}

fn reply(header: &[u8], flags: u16, code: Code, questions: u16, answers: u16) -> Vec<u8> {
    let kept = flags & (RECURSION_DESIRED | AUTHORITATIVE);
    let flags = RESPONSE | RECURSION_AVAILABLE | kept | code as u16;
    let mut bytes = Vec::with_capacity(DEFAULT_LIMIT);
    bytes.extend_from_slice(&header[..2]);
    for field in [flags, questions, answers, 0, 0] {
        bytes.extend_from_slice(&field.to_be_bytes());
    }
    bytes
}

fn encode(record: &Record) -> Vec<u8> {
    let (kind, data) = match record {
        Record::Address(IpAddr::V4(ip)) => (A, ip.octets().to_vec()),
        Record::Address(IpAddr::V6(ip)) => (AAAA, ip.octets().to_vec()),
        Record::Name(name) => (PTR, encode_name(name)),
    };
    let mut bytes = vec![0xc0, HEADER as u8];
    bytes.extend_from_slice(&kind.to_be_bytes());
    bytes.extend_from_slice(&IN.to_be_bytes());
    bytes.extend_from_slice(&TTL.to_be_bytes());
    bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
    bytes.extend(data);
    bytes
}

fn encode_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 2);
    for label in name.split('.').filter(|label| !label.is_empty() && label.len() <= 63) {
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A question as a resolver writes it.
    pub fn ask(name: &str, kind: u16) -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        bytes.extend(encode_name(name));
        bytes.extend_from_slice(&kind.to_be_bytes());
        bytes.extend_from_slice(&IN.to_be_bytes());
        bytes
    }

    /// The addresses in one of our answers, and its code.
    pub fn addresses(answer: &[u8]) -> (u8, Vec<IpAddr>) {
        let (_, end) = read_name(answer).unwrap();
        let mut rest = &answer[end + 4..];
        let mut found = Vec::new();
        while rest.len() > 12 {
            let length = usize::from(u16_at(rest, 10));
            let data = &rest[12..12 + length];
            found.extend(<[u8; 4]>::try_from(data).map(IpAddr::from));
            found.extend(<[u8; 16]>::try_from(data).map(IpAddr::from));
            rest = &rest[12 + length..];
        }
        (answer[3] & 0xf, found)
    }

    #[test]
    fn a_question_is_read_and_answered() {
        let question = read(&ask("Db.Example", A)).unwrap();
        assert_eq!((question.name.as_str(), question.kind, question.limit), ("db.example", A, 512));
        let ips: Vec<IpAddr> = ["10.0.0.2", "10.0.0.3"].map(|ip| ip.parse().unwrap()).into();
        let records: Vec<_> = ips.iter().copied().map(Record::Address).collect();
        let answer = question.answer(Code::Success, &records, 512);
        assert_eq!(addresses(&answer), (0, ips));
        assert_eq!(&answer[..2], [0x12, 0x34]);
        assert!(question.is_answered_by(&answer, 0x1234) && !question.is_answered_by(&answer, 0x1235));
    }

    #[test]
    fn an_answer_without_room_says_so() {
        let question = read(&ask("db", A)).unwrap();
        let records = vec![Record::Address([10, 0, 0, 2].into()); 100];
        let answer = question.answer(Code::Success, &records, question.limit);
        assert!(answer.len() <= 512 && u16_at(&answer, 2) & TRUNCATED != 0);
        let forwarded = question.forward(question.answer(Code::Success, &records, 9000), 512);
        assert!(forwarded.len() <= 512 && u16_at(&forwarded, 2) & TRUNCATED != 0);
        let mut edns = ask("db", A);
        edns.extend([0, 0, OPT as u8, 4, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(read(&edns).unwrap().limit, 1024);
    }

    #[test]
    fn what_is_no_question_is_refused_or_passed_over() {
        let code = |bytes: &[u8]| read(bytes).unwrap_err().map(|answer| answer[3] & 0xf);
        let mut answer = ask("db", A);
        answer[2] |= 0x80;
        assert_eq!(code(&answer), None);
        let mut update = ask("db", A);
        update[2] = 0x28;
        assert_eq!(code(&update), Some(4));
        let mut two = ask("db", A);
        two[5] = 2;
        assert_eq!(code(&two), Some(1));
        let mut pointer = ask("db", A);
        pointer[HEADER] = 0xc0;
        assert_eq!(code(&pointer), Some(1));
        let whole = ask("db", A);
        for length in 0..whole.len() {
            assert_eq!(code(&whole[..length]), if length < HEADER { None } else { Some(1) }, "{length}");
        }
    }

    #[test]
    fn addresses_are_read_backwards() {
        assert_eq!(reverse("2.0.17.172.in-addr.arpa"), Some([172, 17, 0, 2].into()));
        let six: IpAddr = "fd00::2".parse().unwrap();
        let name = format!("2{}.0.0.d.f.ip6.arpa", ".0".repeat(27));
        assert_eq!(reverse(&name), Some(six));
        for wrong in
            ["0.17.172.in-addr.arpa", "1.2.3.4.5.in-addr.arpa", "256.0.0.1.in-addr.arpa", "2.ip6.arpa", "db"]
        {
            assert_eq!(reverse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(question) = read(&bytes) {
                prop_assert!(question.answer(Code::NoSuchName, &[], 512).len() >= HEADER);
                question.is_answered_by(&bytes, 7);
                let _ = reverse(&question.name);
            }
        }

        #[test]
        fn bent_questions_are_read_or_refused(at in 0usize..40, byte in any::<u8>()) {
            let mut bytes = ask("some.name.somewhere", AAAA);
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            if let Ok(question) = read(&bytes) {
                prop_assert!(question.name.len() <= 255);
            }
        }
    }
}
