//! `--change "CMD …"`: the instructions of a Dockerfile that are about the configuration.

use super::change_build::{self, json_list};
use super::shell_words;
use crate::config::{Empty, RunConfig};
use crate::error::{Error, Result};

/// Applies several instructions in their order. As in a Dockerfile, a new entry point removes the command that belonged
/// to the old one, unless a new command is given too.
pub fn apply_changes(config: &mut RunConfig, changes: &[String]) -> Result<()> {
    let is = |change: &String, name: &str| {
        change.split_whitespace().next().is_some_and(|instruction| instruction.eq_ignore_ascii_case(name))
    };
    if changes.iter().any(|change| is(change, "ENTRYPOINT"))
        && !changes.iter().any(|change| is(change, "CMD"))
    {
        config.cmd = None;
    }
    changes.iter().try_for_each(|change| apply_change(config, change))
}

/// Applies one instruction: `CMD ["sh"]`, `ENV PATH=/bin`, `ENV PATH /bin`.
pub fn apply_change(config: &mut RunConfig, change: &str) -> Result<()> {
    let invalid = |why: &str| Error::Invalid { what: format!("change {change:?}"), why: why.into() };
    let (instruction, rest) = change.trim().split_once(char::is_whitespace).unwrap_or((change.trim(), ""));
    let (instruction, rest) = (instruction.to_ascii_uppercase(), rest.trim());
    let known = config.env.clone().unwrap_or_default();
    let variable = |name: &str| {
        let values = known.iter().filter_map(|pair| pair.split_once('='));
        values.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next()
    };
    let needs_value = !matches!(instruction.as_str(), "CMD" | "ENTRYPOINT");
    if rest.is_empty() && needs_value && INSTRUCTIONS.contains(&instruction.as_str()) {
        return Err(invalid("it has no value"));
    }
    let one = || shell_words::expand(rest, &variable);
    match instruction.as_str() {
        "CMD" => config.cmd = command(rest, config.shell.as_deref()),
        "ENTRYPOINT" => config.entrypoint = command(rest, config.shell.as_deref()),
        "ENV" => {
            let env = config.env.get_or_insert_default();
            for (name, value) in pairs(rest, &variable)?.ok_or_else(|| invalid("expected NAME=value"))? {
                env.retain(|pair| pair.split('=').next() != Some(name.as_str()));
                env.push(format!("{name}={value}"));
            }
        }
        "LABEL" => {
            let labels = pairs(rest, &variable)?.ok_or_else(|| invalid("expected name=value"))?;
            config.labels.get_or_insert_default().extend(labels);
        }
        "EXPOSE" => {
            for port in shell_words::split(rest, &variable)? {
                let ports = ports(&port).ok_or_else(|| invalid("expected PORT[-PORT][/tcp|udp|sctp]"))?;
                config.exposed_ports.get_or_insert_default().extend(ports);
            }
        }
        "STOPSIGNAL" => {
            let signal = Some(one()?).filter(|signal| is_signal(signal));
            config.stop_signal = Some(signal.ok_or_else(|| invalid("expected a signal's name or number"))?);
        }
        "USER" => config.user = Some(one()?),
        "VOLUME" => {
            let volumes = json_list(rest).map_or_else(|| shell_words::split(rest, &variable), Ok)?;
            if volumes.iter().any(String::is_empty) {
                return Err(invalid("a volume needs a path"));
            }
            config.volumes.get_or_insert_default().extend(volumes.into_iter().map(|path| (path, Empty {})));
        }
        "WORKDIR" => config.working_dir = Some(join(config.working_dir.as_deref(), &one()?)),
        "HEALTHCHECK" => {
            config.healthcheck = Some(change_build::healthcheck(rest).map_err(|why| invalid(&why))?);
        }
        "ONBUILD" => {
            let trigger = change_build::trigger(rest).map_err(|why| invalid(&why))?;
            config.on_build.get_or_insert_default().push(trigger);
        }
        "SHELL" => config.shell = Some(change_build::shell(rest).map_err(|why| invalid(&why))?),
        _ => return Err(invalid(&format!("expected one of {}", INSTRUCTIONS.join(", ")))),
    }
    Ok(())
}

const INSTRUCTIONS: &[&str] = &[
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// A JSON list, or a line for the shell. An empty text removes the image's own.
fn command(text: &str, shell: Option<&[String]>) -> Option<Vec<String>> {
    if text.is_empty() {
        return None;
    }
    let line = || match shell {
        Some(shell) => [shell, &[text.to_owned()]].concat(),
        None => vec!["/bin/sh".into(), "-c".into(), text.into()],
    };
    Some(json_list(text).unwrap_or_else(line))
}

type Pairs = Vec<(String, String)>;

/// `a=1 b="2 3"`, or the old form of a single pair, `a 1`. `None` if it is neither.
fn pairs(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Pairs>> {
    let first = text.split_whitespace().next().unwrap_or_default();
    if !first.contains('=') && !first.starts_with(['"', '\'']) {
        let Some((name, value)) = text.split_once(char::is_whitespace) else { return Ok(None) };
        return Ok(Some(vec![(name.to_owned(), shell_words::expand(value, variable)?)]));
    }
    let words = shell_words::split(text, variable)?;
    let pair = |word: &String| {
        let (name, value) = word.split_once('=').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(words.iter().map(pair).collect())
}

fn is_signal(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-".contains(&b))
}

/// The keys of `ExposedPorts` for `80`, `53/udp` or `8000-8010`.
fn ports(text: &str) -> Option<Vec<(String, Empty)>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
    let number = |text: &str| text.parse::<u16>().ok().filter(|number| *number > 0);
    let (first, last) = (number(first)?, number(last)?);
    let fits = first <= last && ["tcp", "udp", "sctp"].contains(&protocol.as_str());
    fits.then(|| (first..=last).map(|port| (format!("{port}/{protocol}"), Empty {})).collect())
}

/// A working directory. A relative path is relative to the current one.
fn join(current: Option<&str>, path: &str) -> String {
    let whole = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", current.unwrap_or("")),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(changes: &[&str]) -> Result<serde_json::Value> {
        let mut config = RunConfig { cmd: Some(vec!["old".into()]), ..RunConfig::default() };
        let changes: Vec<String> = changes.iter().map(|&change| change.into()).collect();
        apply_changes(&mut config, &changes)?;
        if config.cmd == Some(vec!["old".into()]) {
            config.cmd = None;
        }
        Ok(serde_json::to_value(&config).unwrap())
    }

    #[test]
    fn instructions_change_the_configuration() {
        for (changes, expected) in [
            (&["CMD [\"sh\", \"-c\"]"][..], json!({"Cmd": ["sh", "-c"]})),
            (&["cmd echo $HOME"], json!({"Cmd": ["/bin/sh", "-c", "echo $HOME"]})),
            (&["CMD [not json"], json!({"Cmd": ["/bin/sh", "-c", "[not json"]})),
            (&["CMD x", "ENTRYPOINT [\"a\"]"], json!({"Cmd": ["/bin/sh", "-c", "x"], "Entrypoint": ["a"]})),
            (&["ENTRYPOINT [\"a\"]"], json!({"Entrypoint": ["a"]})),
            (&["ENV PATH=/bin"], json!({"Env": ["PATH=/bin"]})),
            (&["ENV PATH /bin and more"], json!({"Env": ["PATH=/bin and more"]})),
            (
                &["ENV A=1", "ENV A=$A:2 B=\"x y\" C='$A' D=\\$A"],
                json!({"Env": ["A=1:2", "B=x y", "C=$A", "D=$A"]}),
            ),
            (&["LABEL a=b \"c d\"=\"e f\""], json!({"Labels": {"a": "b", "c d": "e f"}})),
            (
                &["EXPOSE 80 53/udp 8-9"],
                json!({"ExposedPorts": {"53/udp": {}, "8/tcp": {}, "80/tcp": {}, "9/tcp": {}}}),
            ),
            (&["HEALTHCHECK NONE"], json!({"Healthcheck": {"Test": ["NONE"]}})),
            (
                &["HEALTHCHECK --interval=1m30s --retries=0 CMD exit  1 || :"],
                json!({"Healthcheck": {"Test": ["CMD-SHELL", "exit  1 || :"], "Interval": 90_000_000_000_i64}}),
            ),
            (
                &[
                    "healthcheck --timeout=1.5s --start-period=2s --start-interval=1s --retries=4 cmd [\"a\", \"b\"]",
                ],
                json!({"Healthcheck": {"Test": ["CMD", "a", "b"], "Timeout": 1_500_000_000, "StartPeriod": 2_000_000_000,
                    "StartInterval": 1_000_000_000, "Retries": 4}}),
            ),
            (&["ONBUILD RUN  x", "onbuild COPY a b"], json!({"OnBuild": ["RUN  x", "COPY a b"]})),
            (
                &["SHELL [\"/bin/bash\", \"-c\"]", "CMD x"],
                json!({"Shell": ["/bin/bash", "-c"], "Cmd": ["/bin/bash", "-c", "x"]}),
            ),
            (&["STOPSIGNAL SIGRTMIN+3"], json!({"StopSignal": "SIGRTMIN+3"})),
            (&["USER 1:2"], json!({"User": "1:2"})),
            (&["VOLUME /a /b", "VOLUME [\"/c d\"]"], json!({"Volumes": {"/a": {}, "/b": {}, "/c d": {}}})),
            (&["WORKDIR /a/b", "WORKDIR ../c"], json!({"WorkingDir": "/a/c"})),
        ] {
            assert_eq!(changed(changes).unwrap(), expected, "{changes:?}");
        }
    }

    #[test]
    fn what_is_no_instruction_is_refused_by_name() {
        for change in [
            "",
            "ENV",
            "ENV A",
            "ENV A=1 B",
            "ENV A=\"1",
            "ENV A=${B:-c}",
            "EXPOSE 0",
            "EXPOSE 9-8",
            "EXPOSE 80/icmp",
            "EXPOSE 70000",
            "LABEL =x",
            "STOPSIGNAL ; rm",
            "VOLUME [\"\"]",
            "HEALTHCHECK",
            "HEALTHCHECK CMD",
            "HEALTHCHECK NONE x",
            "HEALTHCHECK --often=1s CMD x",
            "HEALTHCHECK --interval=1us CMD x",
            "HEALTHCHECK --retries=-1 CMD x",
            "ONBUILD ONBUILD RUN x",
            "ONBUILD FROM x",
            "SHELL bash",
            "RUN x",
            "FROM x",
        ] {
            let error = changed(&[change]).expect_err(change).to_string();
            assert!(error.starts_with("invalid change"), "{error}");
        }
    }
}
