//! Sizes and rates.

/// Bytes, or a share of what the machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    Bytes(u64),
    Percent(u64),
}

impl Amount {
    /// The amount in bytes, on a machine that has `all` bytes.
    pub fn of(self, all: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => all / 100 * percent + all % 100 * percent / 100,
        }
    }
}

/// How much a disk may do in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskRate {
    Bytes(u64),
    Operations(u64),
}

const DECIMAL: [&str; 6] = ["k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 6] = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// `512`, `512B`, `10kB`, `10MB`, `1GiB`.
pub fn bytes(text: &str) -> Result<u64, String> {
    number_with(text, "B", "a size is a number and B, kB, MB, GB, TB, PB, EB, KiB, MiB, GiB, TiB, PiB or EiB")
}

/// Bits in a second: `100Mbit`, `1Gbit`.
pub fn bits(text: &str) -> Result<u64, String> {
    let why = "a rate is a number and bit, kbit, Mbit, Gbit, Tbit, Kibit, Mibit, Gibit or Tibit";
    number_with(text, "bit", why)
}

/// `1GiB` or `10%`.
pub fn amount(text: &str) -> Result<Amount, String> {
    match text.strip_suffix('%') {
        Some(number) => percent(number).map(Amount::Percent),
        None => bytes(text).map(Amount::Bytes),
    }
}

/// Reads the part before a percent sign.
pub(crate) fn percent(number: &str) -> Result<u64, String> {
    let percent = digits(number).filter(|percent| *percent <= 100);
    percent.ok_or_else(|| "a percentage is between 0% and 100%".into())
}

/// `30MB` or `100iops`.
pub fn disk_rate(text: &str) -> Result<DiskRate, String> {
    match text.strip_suffix("iops") {
        Some(number) => digits(number.trim_end())
            .map(DiskRate::Operations)
            .ok_or_else(|| "a number of operations stands before iops".into()),
        None => bytes(text).map(DiskRate::Bytes),
    }
}

/// Reads a number that consists of digits only. Rust's own parser accepts a sign, too.
pub(crate) fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn number_with(text: &str, unit: &str, why: &str) -> Result<u64, String> {
    let end = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = factor(suffix.trim_start(), unit).ok_or_else(|| why.to_owned())?;
    let number = digits(number).ok_or_else(|| why.to_owned())?;
    // The kernel reads signed numbers from cgroup files, so nothing above the largest one is accepted.
    let product = number.checked_mul(factor).filter(|product| i64::try_from(*product).is_ok());
    product.ok_or_else(|| "it is too large".into())
}

fn factor(suffix: &str, unit: &str) -> Option<u64> {
    if suffix.is_empty() || suffix == unit {
        return Some(1);
    }
    let prefix = suffix.strip_suffix(unit)?;
    let power = |of: u64, prefixes: &[&str]| {
        let index = prefixes.iter().position(|known| *known == prefix)?;
        of.checked_pow(u32::try_from(index).ok()? + 1)
    };
    power(1000, &DECIMAL).or_else(|| power(1024, &BINARY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_lxds_units() {
        assert_eq!(bytes("512"), Ok(512));
        assert_eq!(bytes("1kB"), Ok(1000));
        assert_eq!(bytes("1KiB"), Ok(1024));
        assert_eq!(bytes("2GiB"), Ok(2 << 30));
        assert_eq!(bytes("1 MB"), Ok(1_000_000));
        assert_eq!(bits("100Mbit"), Ok(100_000_000));
        for wrong in ["", "B", "1k", "1gb", "-1", "+1", "1.5GB", "16EiB", "99999999999999999999", "1Mbit"] {
            assert!(bytes(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_amount_may_be_a_share() {
        assert_eq!(amount("10%").unwrap().of(1050), 105);
        assert_eq!(amount("100%").unwrap().of(u64::MAX), u64::MAX);
        assert_eq!(amount("1GiB").unwrap().of(5), 1 << 30);
        assert!(amount("101%").is_err());
    }

    #[test]
    fn a_disk_has_operations_too() {
        assert_eq!(disk_rate("30MB"), Ok(DiskRate::Bytes(30_000_000)));
        assert_eq!(disk_rate("100iops"), Ok(DiskRate::Operations(100)));
        assert!(disk_rate("iops").is_err());
    }
}
