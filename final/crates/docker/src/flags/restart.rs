//! `--restart` (<https://docs.docker.com/reference/cli/docker/container/run/#restart>).

use std::fmt;

use crate::wire::host_config::RestartPolicy;

/// A policy by its name; `on-failure` may have a number: `on-failure:3`.
pub fn parse(text: &str) -> Result<RestartPolicy, String> {
    let (name, count) = text.split_once(':').unwrap_or((text, ""));
    let maximum_retry_count = match (name, count) {
        ("no" | "" | "always" | "unless-stopped" | "on-failure", "") => 0,
        ("on-failure", count) => match count.parse::<u32>() {
            Ok(count) => i64::from(count),
            Err(_) => return Err(format!("{count:?} is not a number")),
        },
        _ => {
            return Err(format!(
                "{text:?} is no policy: expected no, always, unless-stopped or on-failure[:COUNT]"
            ));
        }
    };
    let name = if name.is_empty() { "no" } else { name };
    Ok(RestartPolicy { name: name.to_owned(), maximum_retry_count })
}

impl fmt::Display for RestartPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.maximum_retry_count {
            0 => f.write_str(&self.name),
            count => write!(f, "{}:{count}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn policies_are_named() {
        let policy = parse("on-failure:3").unwrap();
        assert_eq!((policy.name.as_str(), policy.maximum_retry_count), ("on-failure", 3));
        assert_eq!(parse("").unwrap().name, "no");
        assert!(parse("sometimes").is_err() && parse("always:2").is_err() && parse("on-failure:x").is_err());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(name in "no|always|unless-stopped|on-failure", count in 0..=i64::from(u32::MAX)) {
            let maximum_retry_count = if name == "on-failure" { count } else { 0 };
            let policy = RestartPolicy { name, maximum_retry_count };
            prop_assert_eq!(parse(&policy.to_string()), Ok(policy));
        }
    }
}
