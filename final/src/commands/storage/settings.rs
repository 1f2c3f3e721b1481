//! `KEY=VALUE` on the command line.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// Several `KEY=VALUE`.
pub(super) fn pairs(texts: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => bail!("invalid setting {text:?}: it has to be KEY=VALUE"),
    };
    texts.iter().map(pair).collect()
}

/// The same, or LXD's older form: a key and its value.
pub(super) fn pairs_or_one(texts: &[String]) -> Result<BTreeMap<String, String>> {
    match texts {
        [key, value] if !key.contains('=') => Ok(BTreeMap::from([(key.clone(), value.clone())])),
        _ => pairs(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn both_forms_are_read() {
        let one = pairs_or_one(&words(&["size", "20GiB"])).unwrap();
        assert_eq!(one, pairs_or_one(&words(&["size=20GiB"])).unwrap());
        assert_eq!(pairs(&words(&["a=b=c", "d="])).unwrap().len(), 2);
        assert!(pairs(&words(&["size", "20GiB"])).is_err() && pairs(&words(&["=x"])).is_err());
    }
}
