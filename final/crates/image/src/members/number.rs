//! Numbers as tars write them.

use crate::error::{Error, Result};

/// A field of a header: octal digits between blanks and zeros, or GNU's base 256 when the first bit is set.
pub(super) fn field(bytes: &[u8]) -> Result<i64> {
    let too_large = || Error::Damaged("a number in a header is too large".into());
    if bytes[0] & 0x80 != 0 {
        // Two's complement of the remaining bits.
        let negative = bytes[0] & 0x40 != 0;
        let first = i128::from(bytes[0] & 0x3f) - if negative { 0x40 } else { 0 };
        let mut value = first;
        for byte in &bytes[1..] {
            value = value.checked_mul(256).ok_or_else(too_large)? + i128::from(*byte);
        }
        return i64::try_from(value).map_err(|_| too_large());
    }
    let blank = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = bytes.iter().position(|byte| !blank(byte)).unwrap_or(bytes.len());
    let digits: Vec<u8> = bytes[start..].iter().copied().take_while(|byte| !blank(byte)).collect();
    digits.iter().try_fold(0_i64, |value, digit| match digit {
        b'0'..=b'7' => {
            value.checked_mul(8).ok_or_else(too_large).map(|value| value + i64::from(digit - b'0'))
        }
        _ => Err(Error::NotATar("a header's number is not octal")),
    })
}

/// The value of a PAX record.
pub(super) fn decimal(bytes: &[u8], what: &str) -> Result<u64> {
    let digits = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let value = std::str::from_utf8(bytes).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    value.ok_or_else(|| {
        Error::Damaged(format!("the {what} {:?} is no number", String::from_utf8_lossy(bytes)))
    })
}

/// `1700000000.123456789`, also negative. Seconds are rounded down, so that the fraction counts upwards.
pub(super) fn time(bytes: &[u8]) -> Result<(i64, i64)> {
    let invalid = || Error::Damaged(format!("the time {:?} is no number", String::from_utf8_lossy(bytes)));
    let text = std::str::from_utf8(bytes).map_err(|_| invalid())?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let seconds = i64::try_from(decimal(seconds.as_bytes(), "time")?).map_err(|_| invalid())?;
    let nanoseconds: i64 = format!("{fraction:0<9.9}").parse().map_err(|_| invalid())?;
    Ok(match (sign, nanoseconds) {
        (1, _) => (seconds, nanoseconds),
        (_, 0) => (-seconds, 0),
        _ => (-seconds - 1, 1_000_000_000 - nanoseconds),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        for (bytes, value) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(8 << 30)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
            (b"000x644\0", None),
        ] {
            assert_eq!(field(bytes).ok(), value, "{bytes:?}");
        }
    }

    #[test]
    fn times_keep_their_nanoseconds() {
        for (text, value) in [
            ("1700000000", Some((1_700_000_000, 0))),
            ("1700000000.5", Some((1_700_000_000, 500_000_000))),
            ("1.1234567899", Some((1, 123_456_789))),
            ("-1.25", Some((-2, 750_000_000))),
            ("-3", Some((-3, 0))),
            ("", None),
            ("1.x", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(time(text.as_bytes()).ok(), value, "{text}");
        }
    }
}
