//! Plays a case against an engine: sends its requests, and describes the answers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::case::{Case, Step};
use crate::describe::{self, Asked, describe};
use crate::engine::{Engine, Kind};
use crate::http::{self, Answer, Connection, Head, Request};
use crate::masks::Names;

pub struct Player<'a> {
    engine: &'a Engine<'a>,
    case: &'a Case,
    names: Names,
    background: BTreeMap<String, Background>,
    /// The endpoint of the step.
    asks: String,
    version: Option<&'a str>,
    watch: &'a dyn Fn(&str, &Answer),
}

struct Background {
    connection: Connection,
    head: Option<Head>,
    endpoint: String,
}

/// The answers of a case: for each step what is recorded, if anything is. An error is why the case could not go on.
pub struct Played {
    pub answers: Vec<Option<Vec<String>>>,
    /// What each step asked, as `GET /containers/{a}/json`. A request that no client sends is `raw`.
    pub endpoints: Vec<String>,
    pub error: Option<String>,
}

pub fn play(engine: &Engine<'_>, case: &Case) -> Played {
    play_with(engine, case, None, &|_, _| ())
}

/// Plays a case in another version of the API, and shows each answer and its endpoint to `watch`.
pub fn play_with(
    engine: &Engine<'_>,
    case: &Case,
    version: Option<&str>,
    watch: &dyn Fn(&str, &Answer),
) -> Played {
    let mut names = Names::default();
    names.set("dir", engine.sandbox.path("").trim_end_matches('/'));
    names.set("image", &engine.image("base"));
    let mut player =
        Player { engine, case, names, background: BTreeMap::new(), asks: String::new(), version, watch };
    let mut played = Played { answers: vec![], endpoints: vec![], error: None };
    for (index, step) in case.steps.iter().enumerate() {
        player.asks = String::new();
        let outcome = player.step(step);
        played.endpoints.push(player.asks.clone());
        match outcome {
            Ok(answer) => played.answers.push(answer),
            Err(error) => {
                played.error = Some(format!(
                    "step {} ({}): {error}",
                    index + 1,
                    step.text().lines().next().unwrap_or("")
                ));
                break;
            }
        }
    }
    drop(player);
    let touches_images = |step: &Step| {
        let text = step.text();
        !text.starts_with("GET") && ["/images/", "/build", "/commit"].iter().any(|part| text.contains(part))
    };
    engine.clean(case.steps.iter().any(touches_images));
    played
}

impl Player<'_> {
    fn step(&mut self, step: &Step) -> Result<Option<Vec<String>>, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right");
        self.names.set("now", &format!("{}.{:09}", now.as_secs(), now.subsec_nanos()));
        let (kind, words) = step.kind();
        match kind {
            "shell" => {
                let script = self.names.fill(step.text());
                let directory = self.engine.sandbox.path("");
                self.engine.sandbox.run(&["sh", "-euc", &format!("cd {directory}\n{script}")]).ok();
                Ok(None)
            }
            "abandon" => {
                self.background.remove(words[0]).ok_or("nothing of this name")?;
                Ok(None)
            }
            "finish" => {
                let Background { connection, head, endpoint } =
                    self.background.remove(words[0]).ok_or("nothing of this name")?;
                let answer = self.receive(step, connection, head)?;
                self.use_answer(step, &endpoint, &answer)
            }
            _ => self.request(step, kind, &words),
        }
    }

    fn request(&mut self, step: &Step, kind: &str, words: &[&str]) -> Result<Option<Vec<String>>, String> {
        let request = match kind {
            "raw" => {
                let text: String = step.text().lines().collect();
                let bytes = unescape(&self.names.fill(&text));
                Request { is_head: bytes.starts_with(b"HEAD"), bytes }
            }
            _ => http::request(&self.in_version(&self.names.fill(step.text())), self.body(step)),
        };
        let endpoint = match kind {
            "raw" => "raw".to_owned(),
            _ => endpoint(step.text()),
        };
        let until = step.lines("until");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let mut connection = Connection::send(self.engine.socket(), &request);
            if let [mode, name] = words {
                let head = match *mode {
                    "background" => Some(connection.head()?),
                    _ => None,
                };
                self.background.insert((*name).to_owned(), Background { connection, head, endpoint });
                return Ok(None);
            }
            let answer = self.receive(step, connection, None)?;
            if !until.is_empty() {
                let lines = describe(&self.asked(&endpoint), &answer);
                if !until.iter().all(|line| lines.contains(line)) {
                    if Instant::now() > deadline {
                        return Err(format!("there is never {until:?}, but {}", lines.join("\n")));
                    }
                    std::thread::sleep(Duration::from_millis(20));
                    continue;
                }
            }
            if kind == "setup" && !(200..400).contains(&answer.head.code()) {
                return Err(format!("{}: {}", answer.head.status, String::from_utf8_lossy(&answer.body)));
            }
            let lines = self.use_answer(step, &endpoint, &answer)?;
            return Ok(lines.filter(|_| kind != "setup"));
        }
    }

    fn asked<'e>(&'e self, endpoint: &'e str) -> Asked<'e> {
        let newest: &[&str] = match self.engine.kind {
            Kind::Dockerd => &["1.41", "1.51"],
            Kind::Hull => &["1.51"],
        };
        Asked { endpoint, names: &self.names, newest }
    }

    fn in_version(&self, text: &str) -> String {
        let parts =
            text.split_once(" /v1.").and_then(|(method, rest)| Some((method, rest.split_once('/')?.1)));
        match (self.version, parts) {
            (Some(version), Some((method, rest))) => format!("{method} /v{version}/{rest}"),
            _ => text.to_owned(),
        }
    }

    fn receive(&self, step: &Step, mut connection: Connection, head: Option<Head>) -> Result<Answer, String> {
        let head = match head {
            Some(head) => head,
            None => match connection.head() {
                Ok(head) => head,
                Err(error) => {
                    let head = Head {
                        status: format!("none: {error}"),
                        headers: vec![("Content-Length".into(), "0".into())],
                    };
                    return Ok(Answer { head, body: vec![], complete: true });
                }
            },
        };
        if let Some((mode, text)) = step.section("send") {
            if let Some((_, lines)) = mode.split_once("after ") {
                connection.await_lines(lines.parse().expect("a number of lines"));
            }
            for piece in text.lines() {
                connection.write(&unescape(piece));
            }
            if !mode.starts_with("open") {
                connection.close_writing();
            }
        }
        let take = step.section("take").map(|(count, _)| count.parse().expect("a number of lines"));
        Ok(connection.body(head, take))
    }

    /// Captures values, and describes the answer.
    fn use_answer(
        &mut self,
        step: &Step,
        endpoint: &str,
        answer: &Answer,
    ) -> Result<Option<Vec<String>>, String> {
        for line in step.lines("capture") {
            let (name, path) = line.split_once(' ').expect("a name and a path");
            let documents =
                serde_json::Deserializer::from_slice(&answer.body).into_iter::<serde_json::Value>();
            let documents: Vec<_> = documents.flatten().collect();
            let pointer = path.replace(['.', '['], "/").replace(']', "").replace('\u{2024}', ".");
            let value = documents.iter().find_map(|document| document.pointer(&pointer));
            let value = value.ok_or_else(|| {
                format!("no {path} in {} {}", answer.head.status, String::from_utf8_lossy(&answer.body))
            })?;
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.names.set(name, &value);
        }
        endpoint.clone_into(&mut self.asks);
        (self.watch)(endpoint, answer);
        let asked = self.asked(endpoint);
        let mut lines = describe(&asked, answer);
        let begins = |line: &str, keys: &[String]| keys.iter().any(|key| line.starts_with(key.as_str()));
        let is_head = |line: &str| {
            let key = describe::split(line).0;
            !key.starts_with(['.', '['])
                && !["line[", "member", "text", "std"].iter().any(|body| key.starts_with(body))
        };
        if step.section("only").is_some() {
            let only = step.lines("only");
            lines.retain(|line| is_head(line) || begins(line, &only));
        }
        let without = step.lines("without");
        lines.retain(|line| !begins(line, &without));
        Ok(Some(lines))
    }

    fn body(&self, step: &Step) -> Option<Vec<u8>> {
        let (words, text) = step.section("body")?;
        let words: Vec<&str> = words.split(' ').collect();
        Some(match words[..] {
            ["tar"] => {
                let directory = self.engine.sandbox.path(&format!("bodies/{}", self.case.name));
                let script = self.names.fill(text);
                let times = "find . -newermt '1 hour ago' -exec touch -h -d @1577836800 {} +";
                let tar = format!("tar --sort=name --numeric-owner -C {directory} -cf {directory}.tar .");
                let script = format!(
                    "umask 022; rm -rf {directory}; mkdir -p {directory}; cd {directory}\n{script}\n{times}\n{tar}"
                );
                self.engine.sandbox.run(&["sh", "-euc", &script]).ok();
                std::fs::read(format!("{directory}.tar")).expect("tar has made it")
            }
            ["file", name] => std::fs::read(self.engine.sandbox.path(name)).expect("the case has made it"),
            ["zeros", count] => vec![0; count.parse().expect("a number")],
            ["repeat", count, what] => what.repeat(count.parse().expect("a number")).into_bytes(),
            _ => panic!("{}: no such body: {words:?}", self.case.name),
        })
    }
}

/// `GET /containers/{a}/json`, of `GET /v1.41/containers/{a}/json?size=1`.
pub fn endpoint(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let (method, path) = line.split_once(' ').unwrap_or((line, ""));
    let path = path.split('?').next().unwrap_or_default();
    let rest = path.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
    let path = match rest {
        Some((version, rest)) if version.starts_with(|c: char| c.is_ascii_digit()) => format!("/{rest}"),
        _ => path.to_owned(),
    };
    format!("{method} {path}")
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (escape, after) = rest.split_first().expect("an escape has a letter");
        rest = after;
        match escape {
            b'n' => bytes.push(b'\n'),
            b'r' => bytes.push(b'\r'),
            b'x' => {
                let digits = std::str::from_utf8(&rest[..2]).expect("two digits");
                bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
                rest = &rest[2..];
            }
            other => bytes.push(*other),
        }
    }
    bytes
}
