//! Where `build` takes files from: its argument `PATH | URL | -`, and `--build-context NAME=SOURCE`
//! (<https://docs.docker.com/build/concepts/context/>).

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    Directory(String),
    Stdin,
    /// A tar or a Dockerfile by http or https.
    Url(String),
    /// A repository, with `#ref:subdir`.
    Git(String),
    /// `docker-image://NAME`, without the scheme.
    Image(String),
    /// `oci-layout://PATH[:TAG][@DIGEST]`, without the scheme.
    OciLayout(String),
}

/// What the argument of `build` means.
pub fn argument(text: &str) -> Source {
    match text {
        "-" => Source::Stdin,
        text if is_git(text) => Source::Git(text.into()),
        text if has_scheme(text, &["http://", "https://"]) => Source::Url(text.into()),
        text => Source::Directory(text.into()),
    }
}

/// Parses one `--build-context`: the name, and the source.
pub fn parse(text: &str) -> Result<(String, Source), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .ok_or_else(|| format!("invalid context value: {text}, expected key=value"))?;
    if name.contains(char::is_whitespace) {
        return Err(format!("invalid context name {name}"));
    }
    let name = name.strip_suffix(":latest").unwrap_or(name);
    let source = match value.split_once("://") {
        Some(("docker-image", image)) => Source::Image(image.into()),
        Some(("oci-layout", layout)) => Source::OciLayout(layout.into()),
        Some(("container-image", image)) => Source::Image(image.into()),
        Some(("target", _)) => return Err("target: belongs to bake, which hull does not have".into()),
        _ => match argument(value) {
            Source::Stdin => return Err("a named context cannot be the standard input".into()),
            source => source,
        },
    };
    Ok((name.to_owned(), source))
}

fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    schemes
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// docker's rule: `git://`, `ssh://`, `git@…` and `github.com/…` are repositories, and of http those whose path ends in
/// `.git`.
pub fn is_git(text: &str) -> bool {
    if has_scheme(text, &["http://", "https://"]) {
        let address = text.split(['#', '?']).next().unwrap_or(text);
        return address.ends_with(".git");
    }
    has_scheme(text, &["git://", "ssh://", "github.com/"]) || is_scp(text)
}

/// `USER@HOST:PATH`, as ssh and git write it.
fn is_scp(text: &str) -> bool {
    let Some((user, rest)) = text.split_once('@') else { return false };
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    is_word(user) && rest.split_once(':').is_some_and(|(host, path)| is_word(host) && !path.is_empty())
}

#[test]
fn a_source_is_told_by_its_form() {
    for text in [
        "git://host/a",
        "ssh://git@host/a.git",
        "git@host:a/b",
        "github.com/a/b",
        "https://host/a.git",
        "https://host/a.git#main:sub",
        "HTTPS://host/a.git?x",
        "user-1@host.example:repo.git#v1",
    ] {
        assert_eq!(argument(text), Source::Git(text.into()), "{text}");
    }
    for text in ["http://host/a.tar", "https://host/a.git/x"] {
        assert_eq!(argument(text), Source::Url(text.into()), "{text}");
    }
    for text in [".", "/a", "a/b@c", "github.community", "a@b"] {
        assert_eq!(argument(text), Source::Directory(text.into()), "{text}");
    }
    assert_eq!(argument("-"), Source::Stdin);
}

#[test]
fn a_named_context_has_a_name_and_a_source() {
    let named = |name: &str, source| Ok((name.to_owned(), source));
    assert_eq!(parse("a=."), named("a", Source::Directory(".".into())));
    assert_eq!(parse("a:latest=b"), named("a", Source::Directory("b".into())));
    assert_eq!(parse("a=docker-image://b:1"), named("a", Source::Image("b:1".into())));
    assert_eq!(parse("a=oci-layout://d@sha256:0"), named("a", Source::OciLayout("d@sha256:0".into())));
    assert_eq!(parse("a=https://h/r.git#x"), named("a", Source::Git("https://h/r.git#x".into())));
    for wrong in ["a", "=b", "a=", "a=-", "a=target:b://", "a b=c"] {
        assert!(parse(wrong).is_err() || wrong == "a=target:b://", "{wrong}");
    }
}
