//! `--volumes-from CONTAINER[:MODE]` (<https://docs.docker.com/reference/cli/docker/container/run/#volumes-from>).

/// Another container, and whether its mounts are read-only here.
pub fn parse(text: &str) -> Result<(&str, bool), String> {
    let (container, mode) = text.split_once(':').unwrap_or((text, "rw"));
    if container.is_empty() {
        return Err(format!("{text:?} names no container: expected CONTAINER[:MODE]"));
    }
    let mut read_only = false;
    for option in mode.split(',') {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            // Labels of SELinux; without it there is nothing to do.
            "z" | "Z" => {}
            _ => return Err(format!("there is no mode {option:?}: expected ro, rw, z or Z")),
        }
    }
    Ok((container, read_only))
}

#[test]
fn the_mode_is_known_or_refused() {
    for (text, expected) in [
        ("a", ("a", false)),
        ("a:rw", ("a", false)),
        ("a:ro", ("a", true)),
        ("a:z", ("a", false)),
        ("a:ro,Z", ("a", true)),
    ] {
        assert_eq!(parse(text), Ok(expected));
    }
    for wrong in ["", ":ro", "a:", "a:foo", "a:ro:rw", "a:nocopy"] {
        assert!(parse(wrong).is_err(), "{wrong:?}");
    }
}
