//! `limits.kernel.*`: resource limits of the container's processes (setrlimit(2)).

use crate::size::digits;

/// The names of the kernel's limits.
pub const NAMES: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// A soft and a hard limit. `None` means unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// `1024`, `1024:4096` or `unlimited`.
pub fn parse(text: &str) -> Result<Limit, String> {
    let why = || "it is SOFT:HARD, a number for both, or unlimited".to_owned();
    let one = |text: &str| match text {
        "unlimited" => Some(None),
        number => digits(number).filter(|number| i64::try_from(*number).is_ok()).map(Some),
    };
    let (soft, hard) = text.split_once(':').unwrap_or((text, text));
    let (soft, hard) = (one(soft).ok_or_else(why)?, one(hard).ok_or_else(why)?);
    match soft.unwrap_or(u64::MAX) <= hard.unwrap_or(u64::MAX) {
        true => Ok(Limit { soft, hard }),
        false => Err("the soft limit is above the hard one".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_one_number_or_two() {
        assert_eq!(parse("1024"), Ok(Limit { soft: Some(1024), hard: Some(1024) }));
        assert_eq!(parse("1024:unlimited"), Ok(Limit { soft: Some(1024), hard: None }));
        for wrong in ["", "2:1", "unlimited:1", "-1", "1:2:3"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
