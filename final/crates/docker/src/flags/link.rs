//! `--link CONTAINER[:ALIAS]` (<https://docs.docker.com/engine/network/links/>).

/// Another container, and the alias that this container uses for it.
pub fn parse(text: &str) -> Result<(String, String), String> {
    let (container, alias) = text.split_once(':').unwrap_or((text, text));
    match alias.contains(':') {
        true => Err(format!("{text:?} is no link: expected CONTAINER[:ALIAS]")),
        false => Ok((container.to_owned(), alias.to_owned())),
    }
}

#[test]
fn an_alias_may_be_left_out() {
    assert_eq!(parse("db:database"), Ok(("db".into(), "database".into())));
    assert_eq!(parse("db"), Ok(("db".into(), "db".into())));
    assert!(parse("a:b:c").is_err());
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(container in "[a-z0-9_.-]{1,8}", alias in "[a-z0-9_.-]{1,8}") {
        proptest::prop_assert_eq!(parse(&format!("{container}:{alias}")), Ok((container, alias)));
    }
}
