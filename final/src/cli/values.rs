//! Values on the command line, by docker's rules. Errors are sentences; clap says which flag they belong to.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hull_engine::options::{DeviceOption, NamespaceMode, RestartPolicy, Ulimit};

/// Bytes: `64m`, `1.5g`, `512`. Units are powers of 1024.
pub fn size(text: &str) -> Result<u64, String> {
    let expected = || format!("{text:?} is not a size: expected a number with b, k, m, g or t");
    let lower = text.trim().to_ascii_lowercase();
    let number = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[number.len()..] {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => return Err(expected()),
    };
    let digits = number.trim();
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(expected());
    }
    let value: f64 = digits.parse().map_err(|_| expected())?;
    let bytes = value * (1_u64 << shift) as f64;
    if bytes > i64::MAX as f64 { Err(format!("{text:?} is too large")) } else { Ok(bytes as u64) }
}

/// -1 is without limit.
pub fn size_or_none(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    size(text).map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX))
}

/// Billionths of a CPU.
pub fn nano_cpus(text: &str) -> Result<u64, String> {
    match text.parse::<f64>() {
        Ok(count) if count > 0.0 && count <= 1_000_000.0 => Ok((count * 1e9).round() as u64),
        _ => Err(format!("{text:?} is not a number of CPUs: expected something like 0.5 or 2")),
    }
}

/// Seconds; docker's -1, "forever", is the longest there is.
pub fn stop_timeout(text: &str) -> Result<u32, String> {
    match text {
        "-1" => Ok(u32::MAX),
        _ => text.parse().map_err(|_| format!("{text:?} is not a number of seconds")),
    }
}

pub fn ulimit(text: &str) -> Result<Ulimit, String> {
    const NAMES: &[&str] = &[
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
    let expected = || format!("{text:?} is not a limit: expected NAME=SOFT[:HARD]");
    let (name, values) = text.split_once('=').ok_or_else(expected)?;
    if !NAMES.contains(&name) {
        return Err(format!("there is no limit {name:?}; there are {}", NAMES.join(", ")));
    }
    let number = |value: &str| match value {
        "unlimited" => Ok(-1),
        _ => value.parse::<i64>().ok().filter(|value| *value >= -1).ok_or_else(expected),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    if hard != -1 && (soft > hard || soft == -1) {
        return Err(format!("the soft limit {soft} is above the hard limit {hard}"));
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

/// `HOST[:CONTAINER[:rwm]]`; the middle may be left out: `/dev/sda:r`.
pub fn device(text: &str) -> Result<DeviceOption, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let is_mode = |mode: &str| !mode.is_empty() && mode.bytes().all(|byte| b"rwm".contains(&byte));
    let (host, container, permissions) = match parts[..] {
        [host] => (host, host, "rwm"),
        [host, mode] if is_mode(mode) => (host, host, mode),
        [host, container] => (host, container, "rwm"),
        [host, container, mode] if is_mode(mode) => (host, container, mode),
        _ => return Err(format!("{text:?} is not a device: expected HOST[:CONTAINER[:rwm]]")),
    };
    if !host.starts_with('/') || !container.starts_with('/') {
        return Err(format!("{text:?} is not a device: paths begin with /"));
    }
    Ok(DeviceOption {
        host: PathBuf::from(host),
        container: PathBuf::from(container),
        permissions: permissions.to_owned(),
    })
}

pub fn restart_policy(text: &str) -> Result<RestartPolicy, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("no" | "", "") => Ok(RestartPolicy::No),
        ("always", "") => Ok(RestartPolicy::Always),
        ("unless-stopped", "") => Ok(RestartPolicy::UnlessStopped),
        ("on-failure", "") => Ok(RestartPolicy::OnFailure(0)),
        ("on-failure", count) => {
            count.parse().map(RestartPolicy::OnFailure).map_err(|_| format!("{count:?} is not a number"))
        }
        _ => Err(format!("{text:?} is no policy: expected no, always, unless-stopped or on-failure[:COUNT]")),
    }
}

pub fn namespace(text: &str) -> Result<NamespaceMode, String> {
    match text.split_once(':').unwrap_or((text, "")) {
        ("private" | "", "") => Ok(NamespaceMode::Private),
        ("host", "") => Ok(NamespaceMode::Host),
        ("container", name) if !name.is_empty() => Ok(NamespaceMode::Container(name.to_owned())),
        _ => Err(format!("{text:?} is no namespace: expected private, host or container:NAME")),
    }
}

/// A point in time, seconds since 1970, or how long ago.
pub fn time(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    if let Ok(time) = humantime::parse_rfc3339_weak(&format!("{text}T00:00:00Z")) {
        return Ok(time);
    }
    if let Ok(seconds) = text.parse::<f64>()
        && let Ok(since) = Duration::try_from_secs_f64(seconds)
    {
        return Ok(SystemTime::UNIX_EPOCH + since);
    }
    let ago = humantime::parse_duration(text).ok();
    ago.and_then(|ago| SystemTime::now().checked_sub(ago)).ok_or_else(|| {
        format!("{text:?} is not a time: expected 2026-01-02T13:04:05Z, seconds since 1970, or 42m")
    })
}

/// How many of the last lines; `None` is all of them.
#[derive(Debug, Clone, Copy)]
pub struct Tail(pub Option<usize>);

pub fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" | "-1" => Ok(Tail(None)),
        _ => text
            .parse()
            .map(|count| Tail(Some(count)))
            .map_err(|_| format!("{text:?} is not a number of lines")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_dockers_units() {
        for (text, bytes) in
            [("512", 512), ("10b", 10), ("64m", 64 << 20), ("1.5G", 3 << 29), ("2kb", 2048), ("0", 0)]
        {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for wrong in ["", "m", "-5", "1x", "lots", "1.2.3k", "nan", "inf", "99999999t"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(size_or_none("-1"), Ok(-1));
    }

    #[test]
    fn ulimits_have_a_soft_and_a_hard_side() {
        assert_eq!(ulimit("nofile=10").unwrap(), Ulimit { name: "nofile".into(), soft: 10, hard: 10 });
        assert_eq!(ulimit("core=0:-1").unwrap().hard, -1);
        for wrong in ["nofile", "nofile=", "nofile=9:1", "files=1", "nofile=-1:5", "nofile=x"] {
            assert!(ulimit(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn devices_may_leave_the_middle_out() {
        assert_eq!(device("/dev/a:r").unwrap().permissions, "r");
        assert_eq!(device("/dev/a:/dev/b").unwrap().container, PathBuf::from("/dev/b"));
        assert_eq!(device("/dev/a:/dev/b:rw").unwrap().permissions, "rw");
        for wrong in ["", "dev", "/dev/a:b:c:d", "/dev/a:/dev/b:x"] {
            assert!(device(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn policies_and_namespaces_are_named() {
        assert_eq!(restart_policy("on-failure:3"), Ok(RestartPolicy::OnFailure(3)));
        assert!(restart_policy("sometimes").is_err() && restart_policy("always:2").is_err());
        assert_eq!(namespace("host"), Ok(NamespaceMode::Host));
    }

    #[test]
    fn a_time_is_a_date_or_a_distance() {
        assert_eq!(time("0").unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(time("1970-01-01").unwrap(), SystemTime::UNIX_EPOCH);
        assert_eq!(time("1970-01-01T00:00:01Z").unwrap(), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
        assert!(time("10m").unwrap() < SystemTime::now());
        assert!(time("yesterday").is_err());
    }
}
