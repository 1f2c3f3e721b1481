//! What is wrong with a Dockerfile is said in docker's words: `docker-errors.tsv` has docker's answers.

use hull_build::dockerfile::mount::Mount;
use hull_build::dockerfile::{Kind, parse};
use hull_build::{Error, variables};

/// The error of the first wrong instruction, without its line, when it is parsed or expanded.
fn answer(text: &str) -> Result<(), Error> {
    let file = parse("Dockerfile", text.as_bytes())?;
    for instruction in file.instructions {
        match instruction.kind {
            Kind::Run(run) => {
                for mount in run.mounts {
                    Mount::parse(&mount, file.escape, &|_| None)?;
                }
            }
            Kind::Workdir(path) => drop(variables::word(&path, file.escape, &|_| None)?),
            Kind::Env(pairs) => {
                for (_, value) in pairs {
                    variables::word(&value, file.escape, &|_| None)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn without_line(error: Error) -> String {
    match error {
        Error::At { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

#[test]
fn errors_are_dockers() {
    let mut wrong = Vec::new();
    for line in include_str!("docker-errors.tsv").lines().filter(|line| !line.starts_with("# Docker")) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [case, docker, own @ ..] = &columns[..] else { continue };
        if line.starts_with("# A ") {
            continue;
        }
        let case = case.replace("\\\\", "\u{1}").replace("\\n", "\n").replace('\u{1}', "\\");
        let has_start =
            case.starts_with(['#', '/']) || case.contains("FROM scratch") || case.starts_with("FROM");
        let is_whole = has_start || ["", "ARG A", "RUN x"].contains(&&*case);
        let text = if is_whole { format!("{case}\n") } else { format!("FROM scratch\n{case}\n") };
        let wanted = own.first().unwrap_or(docker);
        let got = answer(&text).map_or_else(without_line, |()| "OK".into());
        if got.trim_end() != *wanted {
            wrong.push(format!("{text:?}\n  got    {got}\n  wanted {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
