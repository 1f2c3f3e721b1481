//! LXD's `REMOTE:` before names. `local:` is this machine.

use std::ffi::OsString;

/// What LXD calls this machine.
const LOCAL: &str = "local:";

/// The words of the command line without `local:`. Words for a program in an instance are left as they are: those after
/// `--`, and those of `exec` after an instance that is named with `local:`.
pub fn without_local(words: Vec<OsString>) -> Vec<OsString> {
    let mut is_exec = false;
    let mut is_own = false;
    let mut here = Vec::with_capacity(words.len());
    for (place, word) in words.into_iter().enumerate() {
        is_own |= word == "--";
        let local = word.to_str().and_then(|text| text.strip_prefix(LOCAL)).filter(|_| place > 0 && !is_own);
        // The first word of `exec` that begins with `local:` is taken for the instance's name.
        is_own |= is_exec && local.is_some();
        is_exec |= word == "exec";
        match local {
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
    }
}
