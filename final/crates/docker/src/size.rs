//! Sizes: parsing `--memory 64m`, `--shm-size` and `max-size=10m`, and printing sizes in lists.
//!
//! As in docker, the units of input are powers of 1024
//! (<https://docs.docker.com/reference/cli/docker/container/run/#memory>), and the units of output powers of 1000.

/// Bytes: `64m`, `1.5g`, `512`, `10 m`.
pub fn parse(text: &str) -> Result<u64, String> {
    let expected = || format!("{text:?} is not a size: expected a number with b, k, m, g or t");
    let last = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ').ok_or_else(expected)?;
    let (number, unit) = text.split_at(last + 1);
    let number = number.strip_suffix(' ').unwrap_or(number);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(expected()),
    };
    // Integers are parsed exactly, fractions with the precision of a float.
    if let Ok(whole) = number.parse::<u64>() {
        let bytes = whole.checked_mul(1 << shift).filter(|bytes| i64::try_from(*bytes).is_ok());
        return bytes.ok_or_else(|| format!("{text:?} is too large"));
    }
    let value: f64 = number.parse().ok().filter(|value| *value >= 0.0).ok_or_else(expected)?;
    let bytes = value * (1_u64 << shift) as f64;
    // 2^63 as a float is the first number that an i64 does not hold.
    if bytes >= i64::MAX as f64 { Err(format!("{text:?} is too large")) } else { Ok(bytes as u64) }
}

/// A size, or -1 for no limit (`--memory-swap`).
pub fn parse_or_unlimited(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    parse(text).map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// The shortest text that [`parse`] reads as exactly `bytes`: `64m`, `1025`.
pub fn exact(bytes: u64) -> String {
    let units = [(40, "t"), (30, "g"), (20, "m"), (10, "k")];
    let unit = units.into_iter().find(|(shift, _)| bytes > 0 && bytes.is_multiple_of(1 << shift));
    unit.map_or_else(|| bytes.to_string(), |(shift, unit)| format!("{}{unit}", bytes >> shift))
}

const DECIMAL: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
const BINARY: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// A size in a list: decimal units, three digits, `1.24MB`.
pub fn human(bytes: u64) -> String {
    // From 999.5 on, three digits would round it to 1000.
    scaled(bytes, DECIMAL, 1000.0, 999.5, 3)
}

/// A size in a summary: decimal units, four digits, `1.984MB`.
pub fn summed(bytes: u64) -> String {
    scaled(bytes, DECIMAL, 1000.0, 1000.0, 4)
}

/// A size of memory: binary units, four digits, `23.54GiB`.
pub fn binary(bytes: u64) -> String {
    scaled(bytes, BINARY, 1024.0, 1024.0, 4)
}

/// In the first unit in which it is less than `limit`, with so many significant digits, but without zeros at the end.
fn scaled(bytes: u64, units: [&str; 7], factor: f64, limit: f64, digits: i32) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= limit && unit + 1 < units.len() {
        value /= factor;
        unit += 1;
    }
    // How many digits the rounded number has before the point tells how many are left after it.
    let rounds_below = |whole: &i32| value < 10_f64.powi(*whole) - 0.5 * 10_f64.powi(*whole - digits);
    let decimals = (1..digits).find(rounds_below).map_or(0, |whole| (digits - whole) as usize);
    let number = format!("{value:.decimals$}");
    let number = match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => &number,
    };
    format!("{number}{}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_have_dockers_units() {
        for (text, bytes) in [
            ("512", 512),
            ("10b", 10),
            ("64m", 64 << 20),
            ("1.5G", 3 << 29),
            ("2kb", 2048),
            (".5g", 1 << 29),
            ("10 m", 10 << 20),
            ("1p", 1 << 50),
            ("0", 0),
            ("9223372036854775807", i64::MAX as u64),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for wrong in [
            "",
            "m",
            "-5",
            "1x",
            "lots",
            "1.2.3k",
            "nan",
            "inf",
            "99999999t",
            "9223372036854775808",
            " 64m",
            "64m ",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_or_unlimited("-1"), Ok(-1));
    }

    #[test]
    fn shown_sizes_are_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1kB"),
            (1_240_000, "1.24MB"),
            (77_800_000, "77.8MB"),
            (999_999, "1MB"),
            (1_500_000_000, "1.5GB"),
        ] {
            assert_eq!(human(bytes), text);
        }
    }

    #[test]
    fn shown_sizes_of_memory_are_dockers() {
        for (bytes, text) in [
            (0, "0B"),
            (1000, "1000B"),
            (212 << 10, "212KiB"),
            (64 << 20, "64MiB"),
            (25_276_510_208, "23.54GiB"),
            (1_048_575, "1024KiB"),
            (1536, "1.5KiB"),
        ] {
            assert_eq!(binary(bytes), text);
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(bytes in 0..=i64::MAX as u64) {
            prop_assert_eq!(parse(&exact(bytes)), Ok(bytes));
            prop_assert_eq!(parse(&bytes.to_string()), Ok(bytes));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,12}") {
            let _ = parse(&text);
        }
    }
}
