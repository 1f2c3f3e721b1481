//! Names of images in requests. The words for wrong ones are those of the distribution project's `reference`.

use hull_image::reference::Reference;

use crate::failure::{Failure, Result};
use crate::words::no_such_image;

/// Parses a name.
pub fn parse(text: &str) -> Result<Reference> {
    Reference::parse(text).map_err(|_| Failure::invalid(why(text)))
}

fn why(text: &str) -> String {
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return format!("invalid repository name ({text}), cannot specify 64-byte hexadecimal strings");
    }
    if Reference::parse(&text.to_lowercase()).is_ok() {
        let repository = repository(text);
        let library = if repository.contains('/') { "" } else { "library/" };
        return format!(
            "invalid reference format: repository name ({library}{repository}) must be lowercase"
        );
    }
    "invalid reference format".into()
}

/// A name without its tag and digest.
pub fn repository(text: &str) -> &str {
    let text = text.split_once('@').map_or(text, |(name, _)| name);
    match text.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => text,
    }
}

/// A name, and a tag or digest that the request has beside it.
pub fn with_tag(name: &str, tag: &str) -> String {
    let repository = repository(name);
    match tag {
        "" => name.to_owned(),
        digest if digest.contains(':') => format!("{repository}@{digest}"),
        tag => format!("{repository}:{tag}"),
    }
}

/// docker's error for an image that does not exist.
pub fn missing(name: &str) -> Failure {
    Failure::not_found(no_such_image(name))
}

/// The failure of a request about the image `name`.
pub fn failure(name: &str, error: hull_image::Error) -> Failure {
    match error {
        hull_image::Error::NoSuchImage { .. } => missing(name),
        error => error.into(),
    }
}

/// The same for an error of the engine.
pub fn engine_failure(name: &str, error: hull_engine::Error) -> Failure {
    match error.is_no_such_image() {
        true => missing(name),
        false => error.into(),
    }
}

/// Refuses what can be no name and no id.
pub fn check(name: &str) -> Result<()> {
    let is_id = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_digest =
        name.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if is_id || is_digest { Ok(()) } else { parse(name).map(drop) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_are_told_in_dockers_words() {
        for (text, why) in [
            ("UPPER", "invalid reference format: repository name (library/UPPER) must be lowercase"),
            ("a/B:1", "invalid reference format: repository name (a/B) must be lowercase"),
            ("a@se", "invalid reference format"),
            ("", "invalid reference format"),
        ] {
            assert_eq!(parse(text).unwrap_err(), Failure::invalid(why), "{text}");
        }
        for (name, shown) in [
            ("nope", "nope:latest"),
            ("nope:1", "nope:1"),
            ("host:5000/nope", "host:5000/nope:latest"),
            ("nope@sha256:00", "nope@sha256:00"),
        ] {
            assert_eq!(missing(name).message, format!("No such image: {shown}"));
        }
        assert!(check("sha256:ab").is_ok() && check("@@").is_err());
    }

    #[test]
    fn a_tag_beside_a_name_takes_the_place_of_its_own() {
        for (name, tag, expected) in [
            ("a", "", "a"),
            ("a:1", "", "a:1"),
            ("a:1", "2", "a:2"),
            ("host:5000/a", "2", "host:5000/a:2"),
            ("a:1", "sha256:00", "a@sha256:00"),
        ] {
            assert_eq!(with_tag(name, tag), expected);
        }
    }
}
