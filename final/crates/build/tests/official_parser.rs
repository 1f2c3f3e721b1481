//! The parser gives what docker's official parser gives, for each file of `tests/dockerfiles` and for changed ones.
//!
//! The official parser is BuildKit's, as the Python module `dockerfile`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hull_build::dockerfile::{Statement, statements};
use hull_test_support::{python, skip};
use serde_json::{Value, json};

/// Reads a list of texts, and writes a list of statements or an error for each.
const SCRIPT: &str = r#"
import dockerfile, json, sys
def parse(text):
    try:
        return [dict(cmd=c.cmd or "", sub=c.sub_cmd, json=c.json, original=c.original or "", first=c.start_line,
                     last=c.end_line, flags=c.flags, value=c.value,
                     heredocs=[(d.name, d.content) for d in c.heredocs])
                for c in dockerfile.parse_string(text)]
    except dockerfile.GoParseError as error:
        return str(error)
json.dump([parse(text) for text in json.load(sys.stdin)], sys.stdout)
"#;

fn official(texts: &[String]) -> Result<Vec<Value>, String> {
    let fail = |error: &dyn std::fmt::Display| error.to_string();
    let python = python::official_parser()?.join("python3");
    let mut child = Command::new(python)
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fail(&error))?;
    let input = serde_json::to_vec(texts).map_err(|error| fail(&error))?;
    child.stdin.take().ok_or("no input")?.write_all(&input).map_err(|error| fail(&error))?;
    let output = child.wait_with_output().map_err(|error| fail(&error))?;
    serde_json::from_slice(&output.stdout).map_err(|error| fail(&error))
}

fn ours(text: &str) -> Value {
    match statements("Dockerfile", text.as_bytes()) {
        Ok(statements) => statements.iter().map(statement).collect(),
        Err(error) => error.to_string().into(),
    }
}

fn statement(statement: &Statement) -> Value {
    // Of an ONBUILD, the official parser's module tells the words of the instruction behind it.
    let inner = statement.sub.as_deref().unwrap_or(statement);
    // It leaves the heredocs of an ONBUILD out, and appends others to the original.
    let heredocs = if statement.sub.is_none() { &statement.heredocs[..] } else { &[] };
    let mut original = statement.original.clone();
    for (number, heredoc) in heredocs.iter().enumerate() {
        let break_before = if number == 0 { "\n" } else { "" };
        original += &format!("{break_before}{}{}\n", heredoc.content, heredoc.name);
    }
    let heredocs: Vec<Value> = heredocs.iter().map(|doc| json!([doc.name, doc.content])).collect();
    json!({
        "cmd": statement.keyword, "sub": statement.sub.as_ref().map(|sub| &sub.keyword), "json": inner.json,
        "original": original, "first": statement.span.first, "last": statement.span.last,
        "flags": statement.flags, "value": inner.value, "heredocs": heredocs,
    })
}

/// The files of `tests/dockerfiles`, with their names: `%%%% name` begins each.
fn corpus() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dockerfiles");
    let mut lists: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    lists.sort();
    let mut files = Vec::new();
    for list in lists {
        let text = std::fs::read_to_string(list).unwrap();
        for file in text.split("%%%% ").skip(1) {
            let (name, text) = file.split_once('\n').unwrap();
            let text = if name.contains("newline") { text.trim_end_matches('\n') } else { text };
            files.push((name.to_owned(), text.to_owned()));
        }
    }
    files
}

/// What differs, in the order of the texts. Errors need not have the same words.
fn differences(texts: &[(String, String)]) -> Result<Vec<String>, String> {
    let only: Vec<String> = texts.iter().map(|(_, text)| text.clone()).collect();
    let mut wrong = Vec::new();
    for ((name, text), theirs) in texts.iter().zip(official(&only)?) {
        let ours = ours(text);
        if ours.is_string() && theirs.is_string() {
            continue;
        }
        let (Some(ours), Some(their_list)) = (ours.as_array(), theirs.as_array()) else {
            // A JSON list of other things than strings, with text behind it: see `is_known`.
            if theirs.as_str().is_some_and(|error| error.contains("comprised of strings only")) {
                continue;
            }
            wrong.push(format!("{name}:\n  ours     {ours}\n  official {theirs}\n{text:?}"));
            continue;
        };
        let none = Value::Null;
        for at in 0..ours.len().max(their_list.len()) {
            let (ours, theirs) = (ours.get(at).unwrap_or(&none), their_list.get(at).unwrap_or(&none));
            if ours != theirs && !is_known(ours, theirs) {
                wrong.push(format!("{name}, instruction {at}:\n  ours     {ours}\n  official {theirs}"));
            }
        }
    }
    Ok(wrong)
}

/// Where the rules of BuildKit changed after the module's version, 0.12: a JSON list with text behind it is for the
/// shell. And an unknown instruction has no words, where the module has an empty one.
fn is_known(ours: &Value, theirs: &Value) -> bool {
    let became_shell = theirs["json"] == true && ours["json"] == false;
    let has_no_words = theirs["value"] == json!([""]) && ours["value"] == json!([]);
    let mut corrected = ours.clone();
    for field in ["json", "value"].iter().filter(|_| became_shell || has_no_words) {
        corrected[field] = theirs[field].clone();
    }
    corrected == *theirs
}

#[test]
fn the_corpus_is_parsed_as_the_official_parser_does() {
    let files = corpus();
    assert!(files.len() >= 100, "{} files", files.len());
    match differences(&files) {
        Ok(wrong) => assert!(wrong.is_empty(), "{}", wrong.join("\n")),
        Err(why) => skip::skip(&why),
    }
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1) as u64) as usize
    }
}

/// A file with a few characters and lines changed, put in, or taken from another file.
fn changed(random: &mut Random, files: &[(String, String)]) -> (String, String) {
    const PIECES: [&str; 34] = [
        "\\",
        "`",
        "\"",
        "'",
        "$",
        "#",
        " ",
        "\t",
        "\n",
        "\\\n",
        "[",
        "]",
        ",",
        "=",
        "--",
        "--a=b ",
        "<<",
        "<<A ",
        "<<-'A'",
        "\nA\n",
        "\r\n",
        "\u{b}",
        "{",
        "}",
        ":",
        "-",
        "ONBUILD ",
        "ENV ",
        "RUN ",
        "# escape=`\n",
        "[\"a\"]",
        "NONE",
        "CMD",
        "x",
    ];
    let (name, text) = &files[random.below(files.len())];
    let mut chars: Vec<char> = text.chars().filter(char::is_ascii).collect();
    for _ in 0..=random.below(6) {
        let at = random.below(chars.len() + 1);
        let piece: Vec<char> = PIECES[random.below(PIECES.len())].chars().collect();
        match random.below(4) {
            0 => drop(chars.splice(at..(at + random.below(9)).min(chars.len()), [])),
            1 => drop(chars.splice(at..(at + 1).min(chars.len()), piece)),
            2 => drop(chars.splice(at..at, piece)),
            _ => {
                let lines: Vec<&str> = files[random.below(files.len())].1.split_inclusive('\n').collect();
                let line = lines.get(random.below(lines.len())).unwrap_or(&"");
                let at = chars[..at].iter().rposition(|char| *char == '\n').map_or(0, |end| end + 1);
                chars.splice(at..at, line.chars().filter(char::is_ascii)).for_each(drop);
            }
        }
    }
    (format!("changed {name}"), chars.into_iter().collect())
}

/// Whether the module does not see a heredoc that newer versions see: behind `${NAME#…}` and its kin, and behind a JSON
/// list.
fn has_newer_heredoc(text: &str) -> bool {
    let has_modifier = text.split("${").skip(1).any(|name| {
        let modifier = name.trim_start_matches(|char: char| char.is_alphanumeric() || char == '_');
        modifier.starts_with(['#', '%', '/', '?', ':'])
    });
    let goes_on = |rest: &str| !rest.trim_start_matches([' ', '\t']).starts_with(['\r', '\n']);
    text.contains("<<") && (has_modifier || text.split(']').skip(1).any(goes_on))
}

/// Whether a text may have `# check=` before another directive: the module takes it for the end of the directives.
fn has_check(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("check") && (text.contains("escape") || text.contains("syntax"))
}

/// Whether the module parses something differently that is refused later.
fn is_refused_later(text: &str) -> bool {
    text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ").contains("onbuild onbuild")
}

/// `HULL_FUZZ_SECONDS` is for how long other changes are tried after the first two thousand, which are always the same.
#[test]
fn changed_files_are_parsed_as_the_official_parser_does() {
    let seconds = std::env::var("HULL_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    let end = Instant::now() + Duration::from_secs_f64(seconds / 4.0);
    let files = corpus();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    loop {
        let mut texts: Vec<_> = (0..2000).map(|_| changed(&mut random, &files)).collect();
        texts.retain(|(_, text)| !has_newer_heredoc(text) && !has_check(text) && !is_refused_later(text));
        match differences(&texts) {
            Ok(wrong) => assert!(wrong.is_empty(), "{}", wrong.join("\n")),
            Err(why) => return skip::skip(&why),
        }
        if Instant::now() >= end {
            return;
        }
        random = Random(std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64) | 1);
    }
}
