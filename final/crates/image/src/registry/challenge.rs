//! `WWW-Authenticate`: the authentication schemes that a registry accepts. RFC 9110, 11.6.1; distribution-spec,
//! "token".

use super::http::Response;

/// One of the schemes that a registry accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case: `bearer`, `basic`.
    pub scheme: String,
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All challenges of a response, which may be in several headers.
    pub(super) fn of(response: &Response) -> Vec<Self> {
        let headers = response.headers.get_all("www-authenticate").iter();
        headers.filter_map(|header| header.to_str().ok()).flat_map(Self::parse).collect()
    }

    /// All challenges of one header. Commas separate both challenges and their parameters.
    fn parse(header: &str) -> Vec<Self> {
        let mut challenges: Vec<Self> = Vec::new();
        for part in split(header) {
            let part = part.trim();
            let (before, value) = match part.split_once('=') {
                Some((before, value)) => (before.trim_end(), Some(unquoted(value.trim()))),
                None => (part, None),
            };
            let words: Vec<&str> = before.split_whitespace().collect();
            let (scheme, name) = match (words.as_slice(), &value) {
                ([scheme, name], Some(_)) => (Some(scheme), Some(name)),
                ([name], Some(_)) => (None, Some(name)),
                ([scheme], None) => (Some(scheme), None),
                _ => continue,
            };
            if let Some(scheme) = scheme {
                challenges.push(Self { scheme: scheme.to_ascii_lowercase(), parameters: vec![] });
            }
            if let (Some(last), Some(name), Some(value)) = (challenges.last_mut(), name, value) {
                last.parameters.push((name.to_ascii_lowercase(), value));
            }
        }
        challenges
    }
}

/// Splits at commas that are not in quotes.
fn split(header: &str) -> Vec<&str> {
    let (mut parts, mut start, mut quoted, mut escaped) = (vec![], 0, false, false);
    for (at, c) in header.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => {
                parts.push(&header[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&header[start..]);
    parts
}

fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"') else { return value.to_owned() };
    let (mut text, mut escaped) = (String::new(), false);
    for c in inner.chars() {
        match c {
            _ if escaped => {
                text.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => break,
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: &str) -> Vec<String> {
        let one = |challenge: Challenge| {
            let parameters = challenge.parameters.iter().map(|(key, value)| format!(" {key}={value}"));
            format!("{}{}", challenge.scheme, parameters.collect::<String>())
        };
        Challenge::parse(header).into_iter().map(one).collect()
    }

    #[test]
    fn a_header_is_taken_apart() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://a.b/token",service="a.b",scope="repository:x:pull,push""#,
                &["bearer realm=https://a.b/token service=a.b scope=repository:x:pull,push"][..],
            ),
            ("Basic realm=\"Registry Realm\"", &["basic realm=Registry Realm"]),
            ("BASIC", &["basic"]),
            (
                r#"Negotiate, Basic realm="a\"b", Bearer realm = "c" , service=d"#,
                &["negotiate", "basic realm=a\"b", "bearer realm=c service=d"],
            ),
            (r#"Bearer realm="not closed"#, &["bearer realm=not closed"]),
            ("", &[]),
            (",,=,= =", &[]),
        ] {
            assert_eq!(shown(header), expected, "{header}");
        }
    }
}
