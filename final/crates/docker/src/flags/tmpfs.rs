//! `--tmpfs TARGET[:OPTIONS]` and `HostConfig.Tmpfs`
//! (<https://docs.docker.com/engine/storage/tmpfs/#options-for---tmpfs>).

use crate::path;

/// The mount point, and options as for mount(8), which are passed on unchanged: `size=64m,mode=1777`.
pub fn parse(text: &str) -> Result<(String, String), String> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    path::target(target)?;
    Ok((target.to_owned(), options.to_owned()))
}

/// The options, separated.
pub fn options(text: &str) -> Vec<String> {
    text.split(',').filter(|option| !option.is_empty()).map(str::to_owned).collect()
}

#[test]
fn options_follow_the_target() {
    assert_eq!(parse("/t:size=64m,mode=1777"), Ok(("/t".into(), "size=64m,mode=1777".into())));
    assert_eq!(parse("/t/"), Ok(("/t/".into(), String::new())));
    assert_eq!(options("size=1m,,ro"), ["size=1m", "ro"]);
    assert!(parse("t").is_err() && parse("/").is_err());
}

#[cfg(test)]
proptest::proptest! {
    #[test]
    fn what_is_printed_is_read_back(target in "/[a-z]{1,8}", list in proptest::collection::vec("[a-z=0-9]{1,6}", 0..4)) {
        let text = list.join(",");
        proptest::prop_assert_eq!(parse(&format!("{target}:{text}")), Ok((target, text.clone())));
        proptest::prop_assert_eq!(options(&text), list);
    }
}
