//! Uploads to docker's API that are nonsense, or that their client gives up.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use hull_test_support::Scenario;
use hull_test_support::http::Api;
use hull_test_support::outcome::eventually;
use serde_json::json;

const TARGETS: [&str; 3] = ["/build", "/images/load", "/images/create?fromSrc=-&repo=x"];

/// Bytes of memory of its own that no process of the server may need for an upload.
const MOST_MEMORY: u64 = 32 << 20;

fn begin(api: &Api, target: &str, length: usize) -> UnixStream {
    let mut stream = UnixStream::connect(api.socket()).expect("it listens");
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: d\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it reads");
    stream
}

/// The processes below one, and itself.
fn family(pid: i32) -> Vec<i32> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    std::iter::once(pid).chain(children.flat_map(family)).collect()
}

/// The anonymous memory of the process that has the most.
fn memory(api: &Api) -> u64 {
    let of = |pid: i32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        Some(line.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    };
    family(api.pid()).into_iter().filter_map(of).max().unwrap_or(0)
}

/// What is being made anywhere below a directory.
fn staged(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(".staging") {
            found.push(entry.path().display().to_string());
        } else if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(staged(&entry.path()));
        }
    }
    found
}

#[test]
fn a_hundred_megabytes_of_nonsense_take_little_memory_and_leave_nothing() {
    let Some(scenario) = Scenario::start() else { return };
    let api = Api::start(&scenario);
    let noise: Vec<u8> = (0..64 * 1024_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for target in TARGETS {
        for piece in [&noise[..], &[0; 64 * 1024]] {
            let is_import = target.contains("fromSrc");
            // A tar without members is a good one.
            if is_import && piece[1] == 0 {
                continue;
            }
            let mut stream = begin(&api, target, 100 << 20);
            let mut most = 0;
            for at in 0..1600 {
                // A server that has seen enough closes the connection.
                if stream.write_all(piece).is_err() {
                    break;
                }
                if at % 100 == 0 {
                    most = most.max(memory(&api));
                }
            }
            let mut answer = String::new();
            // The rest of what was not read may break the connection.
            let _ = stream.read_to_string(&mut answer);
            assert!(!answer.contains("\"aux\"") && !answer.contains("Loaded"), "{target}: {answer}");
            assert!(most < MOST_MEMORY, "{target}: {most} bytes");
        }
    }
    assert_eq!(api.client().get("/images/json").ok(200), json!([]));
    eventually("nothing is left", || staged(&scenario.data_root()).is_empty());
}

#[test]
fn an_upload_that_its_client_gives_up_leaves_nothing() {
    let Some(scenario) = Scenario::with_busybox() else { return };
    let api = Api::start(&scenario);
    let image = api.client().get("/images/busybox/get").body;
    let before = api.client().get("/images/json").ok(200);
    for target in TARGETS {
        for length in [0, 100, 1000, image.len() / 2, image.len() - 1] {
            let mut stream = begin(&api, target, image.len());
            stream.write_all(&image[..length]).expect("it reads");
            drop(stream);
        }
    }
    eventually("nothing is left", || staged(&scenario.data_root()).is_empty());
    assert_eq!(api.client().get("/images/json").ok(200), before);
    // All workers but those that wait for a client have ended.
    eventually("no worker is left", || family(api.pid()).len() <= 4);
}
