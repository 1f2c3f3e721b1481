//! What is asked of both servers.

use hull_test_support::http::Client;
use serde_json::json;

/// Creates a container of busybox and returns its id.
pub fn create(client: &mut Client, command: &[&str], network: &str) -> String {
    let body = json!({"Image": "busybox", "Cmd": command, "HostConfig": {"NetworkMode": network},
                      "AttachStdout": true, "AttachStderr": true});
    let made = client.post_json("/containers/create", &body).ok(201);
    made["Id"].as_str().expect("an id").to_owned()
}

/// Megabytes a second.
pub mod throughput {
    use std::io::Read;
    use std::path::Path;
    use std::time::Instant;

    use hull_test_support::http::{Client, Opened};

    use super::create;

    /// 256 MB of zeros, in frames.
    pub fn attach(socket: &Path) -> f64 {
        let client = &mut Client::new(socket);
        let id = create(client, &["head", "-c", "268435456", "/dev/zero"], "none");
        let target = format!("/containers/{id}/attach?stream=1&stdout=1&stderr=1");
        let upgrade = [("Connection", "Upgrade"), ("Upgrade", "tcp")];
        let mut stream = client.open("POST", &target, &upgrade, b"");
        let begun = Instant::now();
        assert_eq!(client.post(&format!("/containers/{id}/start")).status, 204);
        let read = drain(&mut stream);
        let rate = read as f64 / 1e6 / begun.elapsed().as_secs_f64();
        assert!(read >= 256 << 20, "{read} bytes of attach");
        remove(client, &id);
        rate
    }

    /// 50 MB of lines of 100 bytes, read after they were written.
    pub fn logs(socket: &Path) -> f64 {
        let client = &mut Client::new(socket);
        let line = "x".repeat(99);
        let id = create(client, &["sh", "-c", &format!("yes {line} | head -n 500000")], "none");
        assert_eq!(client.post(&format!("/containers/{id}/start")).status, 204);
        assert_eq!(client.post(&format!("/containers/{id}/wait")).ok(200)["StatusCode"], 0);
        let begun = Instant::now();
        let read = drain(&mut client.open("GET", &format!("/containers/{id}/logs?stdout=1"), &[], b""));
        let rate = read as f64 / 1e6 / begun.elapsed().as_secs_f64();
        assert!(read >= 50_000_000, "{read} bytes of logs");
        remove(client, &id);
        rate
    }

    fn drain(stream: &mut Opened) -> usize {
        let mut buffer = vec![0; 256 * 1024];
        let mut read = 0;
        loop {
            match stream.read(&mut buffer).expect("the stream can be read") {
                0 => return read,
                length => read += length,
            }
        }
    }

    fn remove(client: &mut Client, id: &str) {
        assert_eq!(client.delete(&format!("/containers/{id}?force=1")).status, 204);
    }
}
