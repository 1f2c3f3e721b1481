//! `--blkio-weight-device` and `--device-read-bps` with its kin
//! (<https://docs.docker.com/reference/cli/docker/container/run/#options>). The errors are docker's, word for word.

use crate::size;
use crate::wire::host_config::{ThrottleDevice, WeightDevice};

/// `DEVICE:WEIGHT`, with a weight of 10 to 1000, or 0 for none.
pub fn parse_weight(text: &str) -> Result<WeightDevice, String> {
    let (path, weight) = split(text)?;
    let weight = weight.parse::<u16>().ok().filter(|weight| *weight == 0 || (10..=1000).contains(weight));
    let weight = weight.ok_or_else(|| format!("invalid weight for device: {text}"))?;
    Ok(WeightDevice { path: path.to_owned(), weight })
}

/// `DEVICE:RATE`, with a rate in bytes a second, `1mb`.
pub fn parse_bytes(text: &str) -> Result<ThrottleDevice, String> {
    let (path, rate) = split(text)?;
    let rate = size::parse(rate).map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. \
             Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

/// `DEVICE:RATE`, with a rate in operations a second.
pub fn parse_operations(text: &str) -> Result<ThrottleDevice, String> {
    let (path, rate) = split(text)?;
    let rate = rate.parse().map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. \
             Number must be a positive integer"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

fn split(text: &str) -> Result<(&str, &str), String> {
    let parts = text.split_once(':').filter(|(path, _)| !path.is_empty());
    let parts = parts.ok_or_else(|| format!("bad format: {text}"))?;
    match parts.0.starts_with("/dev/") {
        true => Ok(parts),
        false => Err(format!("bad format for device path: {text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_weight_or_a_rate() {
        let weight = |text| parse_weight(text).map(|one| (one.path, one.weight));
        assert_eq!(weight("/dev/sda:10"), Ok(("/dev/sda".into(), 10)));
        assert_eq!(weight("/dev/sda:0"), Ok(("/dev/sda".into(), 0)));
        assert_eq!(parse_bytes("/dev/sda:1mb").map(|one| one.rate), Ok(1 << 20));
        assert_eq!(parse_operations("/dev/sda:100").map(|one| one.rate), Ok(100));
    }

    #[test]
    fn mistakes_are_told_in_dockers_words() {
        for text in ["/dev/sda", ":5", ""] {
            let expected = format!("bad format: {text}");
            assert_eq!(parse_weight(text).unwrap_err(), expected);
            assert_eq!(parse_bytes(text).unwrap_err(), expected);
            assert_eq!(parse_operations(text).unwrap_err(), expected);
        }
        assert_eq!(parse_weight("sda:5").unwrap_err(), "bad format for device path: sda:5");
        for text in ["/dev/sda:5", "/dev/sda:1001", "/dev/sda:x", "/dev/sda:-1", "/dev/sda:70000"] {
            assert_eq!(parse_weight(text).unwrap_err(), format!("invalid weight for device: {text}"));
        }
        for text in ["/dev/sda:x", "/dev/sda:-1", "/dev/sda:"] {
            assert!(parse_bytes(text).unwrap_err().ends_with("can be kb, mb, or gb"), "{text}");
            assert!(parse_operations(text).unwrap_err().ends_with("must be a positive integer"), "{text}");
        }
    }
}
