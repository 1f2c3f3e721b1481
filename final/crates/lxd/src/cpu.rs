//! Which CPUs, and how much of them.

use crate::size::{digits, percent};

/// The kernel's largest number of CPUs (CONFIG_NR_CPUS on x86).
const MOST: u64 = 8192;

/// `limits.cpu`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cpus {
    /// This number of CPUs, no matter which.
    Count(usize),
    /// These CPUs, in the kernel's syntax of a cpuset.
    Set(String),
}

/// `limits.cpu.allowance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// A share that counts only while others want the CPUs, in percent of the share of a container without this key.
    Percent(u64),
    /// A limit that always holds: microseconds of CPU time in each period.
    Time { quota: u64, period: u64 },
}

/// A number, or a list of CPUs and ranges. One CPU is `3-3`, because a number alone is a count.
pub fn cpus(text: &str) -> Result<Cpus, String> {
    let why = || "it is a number of CPUs, or a set such as 0-1,3 (one CPU alone is 3-3)".to_owned();
    if let Some(count) = digits(text) {
        let count = usize::try_from(count).ok().filter(|count| (1..=MOST as usize).contains(count));
        return count.map(Cpus::Count).ok_or_else(why);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let is_range = match (digits(first), digits(last)) {
            (Some(first), Some(last)) => first <= last && last < MOST,
            _ => false,
        };
        if !is_range {
            return Err(why());
        }
    }
    Ok(Cpus::Set(text.into()))
}

/// The CPUs of a set in the kernel's syntax. Parts that are no CPU or range are passed over.
pub fn members(set: &str) -> Vec<usize> {
    let mut members = Vec::new();
    for part in set.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Some(first), Some(last)) = (digits(first), digits(last))
            && last < MOST
        {
            members.extend(first as usize..=last as usize);
        }
    }
    members
}

/// `50%`, or `25ms/100ms`.
pub fn allowance(text: &str) -> Result<Allowance, String> {
    let why = || "it is a share such as 50%, or a time such as 25ms/100ms".to_owned();
    if let Some(number) = text.strip_suffix('%') {
        return percent(number).map(Allowance::Percent);
    }
    let milliseconds = |text: &str| {
        let number = digits(text.trim().strip_suffix("ms")?)?;
        number.checked_mul(1000).filter(|time| (1..=1_000_000_000).contains(time))
    };
    let (quota, period) = text.split_once('/').ok_or_else(why)?;
    match (milliseconds(quota), milliseconds(period)) {
        // The kernel's upper bound of a period (sched/core.c, tg_set_cfs_bandwidth).
        (Some(_), Some(period)) if period > 1_000_000 => Err("a period is at most 1000ms".into()),
        (Some(quota), Some(period)) => Ok(Allowance::Time { quota, period }),
        _ => Err(why()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_a_count_and_a_range_is_a_set() {
        assert_eq!(cpus("2"), Ok(Cpus::Count(2)));
        assert_eq!(cpus("3-3"), Ok(Cpus::Set("3-3".into())));
        assert_eq!(cpus("0-1,3"), Ok(Cpus::Set("0-1,3".into())));
        for wrong in ["", "0", "2-1", "a", "1,", "-1", "0-99999999", "0-1 "] {
            assert!(cpus(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(members("0-2,5\n"), [0, 1, 2, 5]);
        assert!(members("").is_empty());
    }

    #[test]
    fn an_allowance_is_a_share_or_a_time() {
        assert_eq!(allowance("50%"), Ok(Allowance::Percent(50)));
        assert_eq!(allowance("25ms/100ms"), Ok(Allowance::Time { quota: 25_000, period: 100_000 }));
        assert_eq!(allowance("400ms/100ms"), Ok(Allowance::Time { quota: 400_000, period: 100_000 }));
        for wrong in ["", "50", "101%", "0ms/100ms", "25/100", "25ms/0ms", "1ms/2000ms"] {
            assert!(allowance(wrong).is_err(), "{wrong:?}");
        }
    }
}
