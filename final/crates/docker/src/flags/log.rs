//! `--log-driver` and `--log-opt` (<https://docs.docker.com/engine/logging/drivers/json-file/#options>).

use crate::size;
use crate::wire::host_config::LogConfig;

/// The parsed options of `json-file`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes; a file that would grow past it is rotated.
    pub max_size: Option<u64>,
    /// The number of files, including the current one.
    pub max_file: Option<u32>,
}

/// `KEY=VALUE`.
pub fn option(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
        None => Err(format!("--log-opt {text}: expected max-size=SIZE or max-file=COUNT")),
    }
}

/// Options that hull does not support are an error.
pub fn rotation(log: &LogConfig) -> Result<Rotation, String> {
    let mut rotation = Rotation::default();
    for (key, value) in &log.config {
        match key.as_str() {
            "max-size" => {
                let bytes = size::parse(value).map_err(|why| format!("--log-opt {key}={value}: {why}"))?;
                rotation.max_size = Some(bytes);
            }
            "max-file" => match value.parse() {
                Ok(count) if count >= 1 => rotation.max_file = Some(count),
                _ => {
                    return Err(format!("--log-opt {key}={value}: expected a number of at least 1"));
                }
            },
            _ => {
                return Err(format!("--log-opt {key}={value}: expected max-size=SIZE or max-file=COUNT"));
            }
        }
    }
    if rotation.max_file.is_some_and(|count| count > 1) && rotation.max_size.is_none() {
        return Err("--log-opt max-file needs max-size: without it the log is never rotated".into());
    }
    Ok(rotation)
}

#[test]
fn options_are_checked() {
    let read = |texts: &[&str]| {
        let config = texts.iter().map(|text| option(text)).collect::<Result<_, _>>()?;
        rotation(&LogConfig { kind: String::new(), config })
    };
    assert_eq!(read(&["max-size=10k", "max-file=3"]).unwrap().max_size, Some(10 << 10));
    for wrong in [&["max-size=x"][..], &["max-file=0"], &["max-file=2"], &["colour=blue"], &["max-size"]] {
        assert!(read(wrong).is_err(), "{wrong:?}");
    }
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(size in 1..i64::MAX as u64, count in 1..u32::MAX) {
        let texts = [format!("max-size={}", size::exact(size)), format!("max-file={count}")];
        let config = texts.iter().map(|text| option(text).unwrap()).collect();
        let read = rotation(&LogConfig { kind: String::new(), config });
        proptest::prop_assert_eq!(read, Ok(Rotation { max_size: Some(size), max_file: Some(count) }));
    }
}
