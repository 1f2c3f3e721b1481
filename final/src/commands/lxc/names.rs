//! LXD's `REMOTE:` before names. `local:` is this machine.

use std::ffi::OsString;

/// What LXD calls this machine.
const LOCAL: &str = "local:";

/// Verbs whose words after the instance's name are not names: a program's, or keys and values.
const WITH_OTHER_WORDS: [&str; 2] = ["exec", "set"];

/// Flags of `exec` that take the next word.
const WITH_VALUE: [&str; 5] = ["--cwd", "--env", "--group", "--mode", "--user"];

/// The words of the command line without `local:` before names. Words after `--` are left as they are, and so are those after
/// the name in `exec` and `set`.
pub fn without_local(words: Vec<OsString>) -> Vec<OsString> {
    let mut ends_with_name = false;
    let mut is_value = false;
    let mut is_over = false;
    let mut here = Vec::with_capacity(words.len());
    for (place, word) in words.into_iter().enumerate() {
        let text = word.to_str().unwrap_or_default();
        is_over |= text == "--";
        if place == 0 || is_over || is_value || text.starts_with('-') {
            is_value = ends_with_name && WITH_VALUE.contains(&text);
            here.push(word);
            continue;
        }
        is_over = ends_with_name;
        ends_with_name |= WITH_OTHER_WORDS.contains(&text);
        match text.strip_prefix(LOCAL) {
            // `list local:` lists this machine's.
            Some("") => {}
            Some(name) => here.push(name.into()),
            None => here.push(word),
        }
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_no_name() {
        let of = |words: &str| {
            let words = without_local(words.split(' ').map(OsString::from).collect());
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("lxc start local:a far:b"), "lxc start a far:b");
        assert_eq!(of("lxc list local:"), "lxc list");
        assert_eq!(of("lxc exec local:a echo local:b"), "lxc exec a echo local:b");
        assert_eq!(of("lxc exec local:a -- echo local:b"), "lxc exec a -- echo local:b");
        assert_eq!(of("lxc exec a echo local:b"), "lxc exec a echo local:b");
        assert_eq!(
            of("lxc exec --cwd local:x local:a echo local:b"),
            "lxc exec --cwd local:x a echo local:b"
        );
        assert_eq!(of("lxc config set local:a user.note local:b"), "lxc config set a user.note local:b");
        assert_eq!(of("lxc copy local:a local:b"), "lxc copy a b");
    }
}
