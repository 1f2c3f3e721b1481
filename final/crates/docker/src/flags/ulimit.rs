//! `--ulimit NAME=SOFT[:HARD]` (<https://docs.docker.com/reference/cli/docker/container/run/#ulimit>).

use std::fmt;

use crate::wire::host_config::Ulimit;

const NAMES: [&str; 16] = [
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

pub fn parse(text: &str) -> Result<Ulimit, String> {
    let expected = || format!("{text:?} is not a limit: expected NAME=SOFT[:HARD]");
    let (name, values) = text.split_once('=').ok_or_else(expected)?;
    check_name(name)?;
    let number = |value: &str| match value {
        "unlimited" => Ok(-1),
        _ => value.parse::<i64>().ok().filter(|value| *value >= -1).ok_or_else(expected),
    };
    let (soft, hard) = match values.split_once(':') {
        Some((soft, hard)) => (number(soft)?, number(hard)?),
        None => (number(values)?, number(values)?),
    };
    let limit = Ulimit { name: name.to_owned(), soft, hard };
    check(&limit).map(|()| limit)
}

/// docker's rule: of several limits with one name the last one counts.
pub fn last_of_each(limits: Vec<Ulimit>) -> Vec<Ulimit> {
    let by_name = limits.into_iter().map(|limit| (limit.name.clone(), limit));
    by_name.collect::<std::collections::BTreeMap<_, _>>().into_values().collect()
}

/// Checks a limit of a flag or a request.
pub fn check(limit: &Ulimit) -> Result<(), String> {
    check_name(&limit.name)?;
    match limit.hard != -1 && (limit.soft > limit.hard || limit.soft == -1) {
        true => Err(format!("the soft limit {} is above the hard limit {}", limit.soft, limit.hard)),
        false => Ok(()),
    }
}

fn check_name(name: &str) -> Result<(), String> {
    match NAMES.contains(&name) {
        true => Ok(()),
        false => Err(format!("there is no limit {name:?}; there are {}", NAMES.join(", "))),
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.name, self.soft, self.hard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_limit_has_a_soft_and_a_hard_side() {
        assert_eq!(parse("nofile=10").unwrap(), Ulimit { name: "nofile".into(), soft: 10, hard: 10 });
        assert_eq!(parse("core=0:-1").unwrap().hard, -1);
        assert_eq!(parse("core=unlimited").unwrap().soft, -1);
        for wrong in ["nofile", "nofile=", "nofile=9:1", "files=1", "nofile=-1:5", "nofile=x", "nofile=-2"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_limit_of_a_name_counts() {
        let limits = ["nofile=1", "core=0", "nofile=2"].map(|text| parse(text).unwrap());
        let texts: Vec<String> = last_of_each(limits.into()).iter().map(Ulimit::to_string).collect();
        assert_eq!(texts, ["core=0:0", "nofile=2:2"]);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(name in 0..NAMES.len(), soft in 0..i64::MAX, hard in -1..i64::MAX) {
            let limit = Ulimit { name: NAMES[name].into(), soft, hard };
            let wanted = check(&limit).map(|()| limit.clone());
            prop_assert_eq!(parse(&limit.to_string()), wanted);
        }
    }
}
