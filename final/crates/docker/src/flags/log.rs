//! `--log-driver` and `--log-opt` (<https://docs.docker.com/engine/logging/configure/>).

use std::collections::BTreeMap;

use crate::bools;
use crate::flags::log_attributes::{Attributes, check_tag};
use crate::size;
use crate::wire::host_config::LogConfig;

/// What `json-file` and `local` keep of a container unless its options say otherwise: docker's limits of `local`. docker's
/// `json-file` has no limit, and fills the disk.
pub const DEFAULT_SIZE: &str = "20m";
pub const DEFAULT_FILES: &str = "5";

/// docker's size of the buffer of `mode=non-blocking`.
const DEFAULT_BUFFER: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Driver {
    #[default]
    JsonFile,
    Local,
    Journald,
    None,
}

impl Driver {
    pub const NAMES: [&str; 4] = ["json-file", "local", "journald", "none"];

    /// An empty name is the default driver's.
    pub fn parse(name: &str) -> Result<Self, String> {
        Ok(match name {
            "" | "json-file" => Self::JsonFile,
            "local" => Self::Local,
            "journald" => Self::Journald,
            "none" => Self::None,
            "syslog" => {
                return Err(
                    "hull does not send to syslog: journald does, and passes messages on to it".into()
                );
            }
            _ => {
                return Err(format!(
                    "hull has the log drivers json-file, local, journald and none, not {name:?}"
                ));
            }
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::JsonFile => "json-file",
            Self::Local => "local",
            Self::Journald => "journald",
            Self::None => "none",
        }
    }

    /// docker's options of each driver. `none` takes those of files: nothing is kept, so nothing is rotated.
    fn takes(self, key: &str) -> bool {
        let of_files = ["max-size", "max-file", "compress"].contains(&key);
        let of_attributes = ["labels", "labels-regex", "env", "env-regex", "tag"].contains(&key);
        match self {
            Self::JsonFile => of_files || of_attributes,
            Self::Local | Self::None => of_files,
            Self::Journald => of_attributes,
        }
    }
}

/// A driver's options, parsed.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub driver: Driver,
    /// Bytes; a file that would grow past it is rotated. `None` is no limit.
    pub max_size: Option<u64>,
    /// The number of files, including the current one.
    pub max_file: Option<u32>,
    /// `mode=non-blocking`: bytes that may wait for a slow receiver. More is lost. `None`: the container waits.
    pub buffer: Option<u64>,
    pub attributes: Attributes,
}

/// `KEY=VALUE`.
pub fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("--log-opt {text}: expected KEY=VALUE, such as max-size=20m")),
    }
}

/// Adds the limits that a container has without options of its own.
pub fn with_defaults(mut log: LogConfig) -> LogConfig {
    let driver = Driver::parse(&log.kind).unwrap_or_default();
    if matches!(driver, Driver::JsonFile | Driver::Local) {
        let has_size = log.config.contains_key("max-size");
        if !has_size {
            log.config.insert("max-size".into(), DEFAULT_SIZE.into());
        }
        // A user who limits json-file's size alone has one file of this size, as in docker.
        let is_unlimited = log.config.get("max-size").is_some_and(|size| size == "-1");
        if !is_unlimited && (!has_size || driver == Driver::Local) {
            log.config.entry("max-file".into()).or_insert_with(|| DEFAULT_FILES.into());
        }
    }
    log
}

/// Options that the driver does not have are an error.
pub fn parse(log: &LogConfig) -> Result<Settings, String> {
    let mut settings = Settings { driver: Driver::parse(&log.kind)?, ..Settings::default() };
    for (key, value) in &log.config {
        let invalid = |why: String| format!("--log-opt {key}={value}: {why}");
        match key.as_str() {
            "mode" if ["", "blocking", "non-blocking"].contains(&value.as_str()) => {}
            "mode" => return Err(invalid("expected blocking or non-blocking".into())),
            "max-buffer-size" if log.config.get("mode").is_some_and(|mode| mode == "non-blocking") => {
                size::parse(value).map_err(invalid)?;
            }
            "max-buffer-size" => return Err(invalid("it needs mode=non-blocking".into())),
            key if !settings.driver.takes(key) => {
                return Err(invalid(format!("the log driver {} has no such option", settings.driver.name())));
            }
            "max-size" => settings.max_size = max_size(value).map_err(invalid)?,
            "max-file" => settings.max_file = Some(max_file(value).map_err(invalid)?),
            "compress" if bools::parse(value).map_err(|why| invalid(why.to_string()))? => {
                return Err(invalid("hull does not compress logs".into()));
            }
            "tag" => check_tag(value).map_err(invalid)?,
            _ => {}
        }
    }
    if settings.max_file.is_some_and(|count| count > 1) && settings.max_size.is_none() {
        return Err("--log-opt max-file needs max-size: without it the log is never rotated".into());
    }
    settings.buffer = buffer(&log.config);
    settings.attributes = Attributes::parse(&log.config)?;
    Ok(settings)
}

fn max_size(text: &str) -> Result<Option<u64>, String> {
    match size::parse_or_unlimited(text)? {
        -1 => Ok(None),
        0 => Err("expected a size above 0, or -1 for no limit".into()),
        bytes => Ok(u64::try_from(bytes).ok()),
    }
}

fn max_file(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|count| *count >= 1).ok_or_else(|| "expected a number of at least 1".into())
}

fn buffer(config: &BTreeMap<String, String>) -> Option<u64> {
    config.get("mode").filter(|mode| *mode == "non-blocking")?;
    let given = config.get("max-buffer-size").and_then(|text| size::parse(text).ok());
    Some(given.unwrap_or(DEFAULT_BUFFER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(driver: &str, texts: &[&str]) -> Result<LogConfig, String> {
        let config = texts.iter().map(|text| option(text)).collect::<Result<_, _>>()?;
        Ok(LogConfig { kind: driver.into(), config })
    }

    fn read(driver: &str, texts: &[&str]) -> Result<Settings, String> {
        parse(&with_defaults(config(driver, texts)?))
    }

    #[test]
    fn options_are_checked_for_their_driver() {
        let rotated = read("", &["max-size=10k", "max-file=3"]).unwrap();
        assert_eq!((rotated.max_size, rotated.max_file), (Some(10 << 10), Some(3)));
        for (driver, wrong) in [
            ("", &["max-size=x"][..]),
            ("", &["max-size=0"]),
            ("", &["max-file=0"]),
            ("", &["max-size=-1", "max-file=2"]),
            ("", &["colour=blue"]),
            ("", &["max-size"]),
            ("", &["compress=true"]),
            ("", &["compress=maybe"]),
            ("", &["mode=fast"]),
            ("", &["max-buffer-size=1m"]),
            ("", &["mode=non-blocking", "max-buffer-size=x"]),
            ("", &["labels-regex=("]),
            ("", &["tag={{.Nothing}}"]),
            ("local", &["labels=a"]),
            ("local", &["tag=x"]),
            ("journald", &["max-size=1m"]),
            ("none", &["tag=x"]),
            ("syslog", &[]),
            ("carrier-pigeon", &[]),
        ] {
            assert!(read(driver, wrong).is_err(), "{driver} {wrong:?}");
        }
        let taken = ["labels=a,b", "labels-regex=^x", "env=A", "env-regex=B$", "tag={{.Name}}"];
        for (driver, right) in [
            ("json-file", &taken[..]),
            ("journald", &taken),
            ("json-file", &["mode=blocking", "compress=false"]),
            ("local", &["mode=non-blocking", "max-buffer-size=4m", "max-file=2"]),
            ("none", &["max-size=1m"]),
        ] {
            read(driver, right).unwrap_or_else(|why| panic!("{driver} {right:?}: {why}"));
        }
        let buffer = |texts: &[&str]| read("journald", texts).unwrap().buffer;
        assert_eq!(buffer(&[]), None);
        assert_eq!(buffer(&["mode=non-blocking"]), Some(1 << 20));
        assert_eq!(buffer(&["mode=non-blocking", "max-buffer-size=2k"]), Some(2048));
    }

    #[test]
    fn a_log_is_limited_unless_its_user_says_otherwise() {
        let limits = |driver: &str, texts: &[&str]| {
            let settings = read(driver, texts).unwrap();
            (settings.max_size, settings.max_file)
        };
        assert_eq!(limits("", &[]), (Some(20 << 20), Some(5)));
        assert_eq!(limits("", &["max-file=3"]), (Some(20 << 20), Some(3)));
        assert_eq!(limits("", &["max-size=1m"]), (Some(1 << 20), None));
        assert_eq!(limits("", &["max-size=-1"]), (None, None));
        assert_eq!(limits("local", &["max-size=1m"]), (Some(1 << 20), Some(5)));
        assert_eq!(limits("local", &["max-size=-1"]), (None, None));
        assert_eq!(limits("journald", &[]), (None, None));
        assert_eq!(limits("none", &[]), (None, None));
    }
}
