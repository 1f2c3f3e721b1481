//! Capabilities and `security_opt`.

use std::path::Path;

use hull_composefile::model::{Project, Service};
use hull_docker::wire::host_config::HostConfig;

use super::error;
use crate::Result;

/// The largest file with a seccomp policy that is read.
const POLICY_LIMIT: u64 = 1 << 20;

pub fn apply(project: &Project, service: &Service, host: &mut HostConfig) -> Result<()> {
    for (index, option) in service.security_opt.iter().enumerate() {
        let invalid = |why: String| {
            let index = index.to_string();
            error(
                project,
                &["services", &service.name, "security_opt", &index],
                &format!("{option:?}: {why}"),
            )
        };
        if option == "systempaths=unconfined" {
            host.masked_paths = Some(vec![]);
            host.readonly_paths = Some(vec![]);
            continue;
        }
        let (key, value) = match option.split_once('=').or_else(|| option.split_once(':')) {
            Some((key, value)) => (key, value),
            None if option == "no-new-privileges" => (option.as_str(), ""),
            None => return Err(invalid("it has the form KEY=VALUE".to_owned())),
        };
        let is_file = key == "seccomp" && !["unconfined", "builtin"].contains(&value);
        host.security_opt.push(match is_file {
            true => format!("seccomp={}", policy(&project.working_dir.join(value)).map_err(invalid)?),
            false => option.clone(),
        });
    }
    Ok(())
}

/// Sorted full names, as docker's client sends them. `ALL` does not swallow the others here.
pub fn capabilities(names: &[String]) -> Vec<String> {
    let full = |name: &String| hull_docker::flags::security::capabilities(std::slice::from_ref(name));
    let all: std::collections::BTreeSet<String> = names.iter().flat_map(full).collect();
    all.into_iter().collect()
}

/// A policy's JSON, without the blanks: the engine is given the text, not the path.
fn policy(path: &Path) -> Result<String, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let size = std::fs::metadata(path).map_err(|error| failed(&error))?;
    if !size.is_file() || size.len() > POLICY_LIMIT {
        return Err(failed(&"a seccomp policy is a file of at most 1 MiB"));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text).map_err(|error| failed(&error))?;
    Ok(compact(&text))
}

/// Valid JSON without the blanks between its tokens, and otherwise as it was written.
fn compact(json: &str) -> String {
    let (mut quoted, mut escaped) = (false, false);
    let keeps = |c: &char| {
        let keep = quoted || !c.is_ascii_whitespace();
        match *c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => {}
        }
        keep
    };
    json.chars().filter(keeps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_blanks_between_tokens_go() {
        let json = "{ \"a b\" : [ 1,\n 2.50 ], \"\\\" \\\\\" : \"x y\" }";
        assert_eq!(compact(json), "{\"a b\":[1,2.50],\"\\\" \\\\\":\"x y\"}");
    }
}
