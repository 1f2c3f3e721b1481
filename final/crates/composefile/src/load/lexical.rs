//! Paths as text, by Go's rules (`path/filepath`): nothing is looked up, so a symbolic link before `..` is not followed.
//! A model has its paths as text, and prints them.

use crate::path::clean;

/// `path` below `base`, also when `path` is absolute.
pub(crate) fn join(base: &str, path: &str) -> String {
    match (base.is_empty(), path.is_empty()) {
        (true, true) => String::new(),
        (true, false) => clean(path),
        (false, true) => clean(base),
        (false, false) => clean(&format!("{base}/{path}")),
    }
}

/// `path` itself when it is absolute, else below `base`.
pub(crate) fn absolute(base: &str, path: &str) -> String {
    if path.starts_with('/') { clean(path) } else { join(base, path) }
}

/// The directory that a path is in.
pub(crate) fn directory(path: &str) -> String {
    match path.rfind('/') {
        Some(at) => clean(&path[..=at]),
        None => ".".into(),
    }
}

/// The last part of a path.
pub(crate) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit('/').next().unwrap_or_default()
}

/// The path that leads from `base` to `target`, or nothing if only one of them is absolute.
pub(crate) fn relative(base: &str, target: &str) -> Option<String> {
    let (base, target) = (clean(base), clean(target));
    if base.starts_with('/') != target.starts_with('/') {
        return None;
    }
    let parts = |path: &str| -> Vec<String> {
        path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
    };
    let (base, target) = (parts(&base), parts(&target));
    let common = base.iter().zip(&target).take_while(|(one, other)| one == other).count();
    if base[common..].iter().any(|part| part == "..") {
        return None;
    }
    let up = base[common..].iter().map(|_| "..");
    let down = target[common..].iter().map(String::as_str);
    let path = up.chain(down).collect::<Vec<_>>().join("/");
    Some(if path.is_empty() { ".".into() } else { path })
}

/// The directory that `path` is, or that it is in, as seen from `base`.
pub(crate) fn directory_from(base: &str, path: &str) -> String {
    let mut target = absolute(base, path);
    if !std::fs::metadata(&target).is_ok_and(|metadata| metadata.is_dir()) {
        target = absolute(base, &directory(path));
    }
    relative(base, &target).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_split_and_compared() {
        assert_eq!(join("/a", "../b"), "/b");
        assert_eq!(join(".", "b"), "b");
        assert_eq!(absolute("/a", "/b/"), "/b");
        assert_eq!(
            (directory("/a/b"), directory("a"), directory("/a")),
            ("/a".into(), ".".into(), "/".into())
        );
        assert_eq!((base("/a/b/"), base("/"), base("a")), ("b", "", "a"));
        assert_eq!(relative("/a/b", "/a/c/d").as_deref(), Some("../c/d"));
        assert_eq!(relative("/a", "/a").as_deref(), Some("."));
        assert_eq!(relative(".", "sub").as_deref(), Some("sub"));
        assert_eq!(relative("a", "/b"), None);
        assert_eq!(relative("../x", "y"), None);
    }
}
