//! `--secret id=ID[,src=PATH|env=NAME][,type=file|env]` of `build`
//! (<https://docs.docker.com/reference/cli/docker/buildx/build/#secret>).

use crate::csv;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    pub id: String,
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    File(String),
    Variable(String),
    /// The variable with the secret's name, if there is one, or else the file.
    ByName,
}

/// Parses one `--secret`.
pub fn parse(text: &str) -> Result<Secret, String> {
    let (mut id, mut kind, mut path, mut variable) = (None, None, None, None);
    for field in csv::fields(text)? {
        let (key, value) = field
            .split_once('=')
            .ok_or_else(|| format!("invalid field '{field}' must be a key=value pair"))?;
        let place = match key.to_ascii_lowercase().as_str() {
            "id" => &mut id,
            "type" if value == "file" || value == "env" => &mut kind,
            "type" => return Err(format!("unsupported secret type {value:?}: it is file or env")),
            "src" | "source" => &mut path,
            "env" => &mut variable,
            _ => return Err(format!("unexpected key '{key}' in '{field}'")),
        };
        *place = Some(value.to_owned());
    }
    // With type=env, src names the variable.
    if kind.as_deref() == Some("env") && variable.is_none() {
        variable = path.take();
    }
    let source = match (path.filter(|path| !path.is_empty()), variable.filter(|name| !name.is_empty())) {
        (Some(path), _) => Source::File(path),
        (None, Some(name)) => Source::Variable(name),
        (None, None) => Source::ByName,
    };
    let id = id.filter(|id| !id.is_empty()).ok_or("secret missing ID")?;
    Ok(Secret { id, source })
}

#[test]
fn a_secret_is_a_file_or_a_variable() {
    let secret = |id: &str, source| Ok(Secret { id: id.into(), source });
    let (file, variable) =
        (|path: &str| Source::File(path.into()), |name: &str| Source::Variable(name.into()));
    for (text, wanted) in [
        ("id=a,src=/etc/a", secret("a", file("/etc/a"))),
        ("id=a,source=b", secret("a", file("b"))),
        ("id=a,type=file,src=b", secret("a", file("b"))),
        ("\"id=a\",\"src=b,c\"", secret("a", file("b,c"))),
        ("id=a,env=B", secret("a", variable("B"))),
        ("id=a,type=env,src=B", secret("a", variable("B"))),
        ("id=a", secret("a", Source::ByName)),
        ("ID=a,type=env", secret("a", Source::ByName)),
    ] {
        assert_eq!(parse(text), wanted, "{text}");
    }
    for wrong in ["", "src=a", "id=", "a", "id=a,type=x", "id=a,mode=0400", "id=a,src"] {
        assert!(parse(wrong).is_err(), "{wrong}");
    }
}
