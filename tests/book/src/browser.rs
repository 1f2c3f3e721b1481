//! A headless Chromium, driven by chromedriver over loopback (the WebDriver protocol), in a network without a way out.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::CloneFlags;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// For a page to become what a test waits for.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Without the switches that reach for the network, and where root may run it.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
];

/// Dropped, it is gone with everything that it started.
pub struct Browser {
    agent: Agent,
    /// Of the session.
    url: String,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// As root the calling thread gets a network of its own, and with it the browser.
    pub fn start(driver: &Path) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child"]);
        if nix::unistd::geteuid().is_root() {
            nix::sched::unshare(CloneFlags::CLONE_NEWNET).context("unshare(CLONE_NEWNET)")?;
            let lo = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("running ip")?;
            anyhow::ensure!(lo.success(), "lo stays down");
        } else {
            command.args(["--user", "--map-current-user"]);
        }
        let mut driver = command
            .arg(driver)
            .arg("--port=0")
            .env("HOME", profile.path())
            // Else the browser leaves its directories in everybody's when it is killed.
            .env("TMPDIR", profile.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("starting chromedriver")?;
        let port = port(&mut driver);
        let agent =
            Agent::config_builder().timeout_global(Some(TIMEOUT * 2)).http_status_as_error(false).build();
        let mut browser = Self { agent: agent.into(), url: String::new(), driver, profile };
        browser.url = format!("http://127.0.0.1:{}/session", port?);
        let mut flags: Vec<_> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        flags.push(format!("--user-data-dir={}", browser.profile.path().join("profile").display()));
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": flags },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let session = browser.post("", wanted)?;
        let id = session["sessionId"].as_str().context("a session has an id")?;
        browser.url = format!("{}/{id}", browser.url);
        Ok(browser)
    }

    pub fn open(&self, page: &Path, fragment: &str) -> Result<()> {
        self.post("/url", json!({ "url": format!("file://{}{fragment}", page.display()) }))?;
        Ok(())
    }

    /// Runs the body of a function in the page; what it returns.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
            .with_context(|| format!("in {script}"))
    }

    /// Runs it again until it returns true.
    pub fn wait_for(&self, script: &str) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while self.run(script)? != json!(true) {
            if Instant::now() > deadline {
                bail!("never true: {script}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Presses keys, one after the other, where the focus is.
    pub fn press(&self, keys: &str) -> Result<()> {
        let actions = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        });
        let actions: Vec<_> = actions.collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }))?;
        Ok(())
    }

    /// As large as a phone, or anything else; the width of a window has a minimum, this has none.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.post(
            "/goog/cdp/execute",
            json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }),
        )?;
        Ok(())
    }

    /// As it would be on paper: `print`; and back: `screen`.
    pub fn emulate(&self, medium: &str) -> Result<()> {
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": medium } });
        self.post("/goog/cdp/execute", command)?;
        Ok(())
    }

    /// As for a reader who prefers `light` or `dark` pages.
    pub fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": "screen", "features": features } });
        self.post("/goog/cdp/execute", command)?;
        Ok(())
    }

    /// What the pages wrote to the console since the last time, from warnings on.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", json!({ "type": "browser" }))?;
        let entries = log.as_array().context("a log is a list")?;
        let bad =
            entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        Ok(bad.map(|entry| entry["message"].to_string()).collect())
    }

    /// A PNG of what is in sight.
    pub fn screenshot(&self, path: &Path) -> Result<()> {
        let url = format!("{}/screenshot", self.url);
        let answer =
            self.agent.get(&url).call()?.body_mut().with_config().limit(50_000_000).read_to_string()?;
        let answer: Value = serde_json::from_str(&answer)?;
        let text = answer["value"].as_str().context("a screenshot is a string")?;
        std::fs::create_dir_all(path.parent().context("a file has a directory")?)?;
        let png = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)?;
        std::fs::write(path, png).with_context(|| format!("writing {}", path.display()))
    }

    fn post(&self, path: &str, body: Value) -> Result<Value> {
        let request = self.agent.post(format!("{}{path}", self.url)).content_type("application/json");
        let mut response = request.send(body.to_string()).with_context(|| format!("WebDriver {path}"))?;
        let mut answer: Value = serde_json::from_str(&response.body_mut().read_to_string()?)?;
        let value = answer["value"].take();
        if !response.status().is_success() {
            bail!("WebDriver {path}: {}: {}", value["error"], value["message"]);
        }
        Ok(value)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends the PID namespace, and with it every process of the browser.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // A moment passes until the kernel has ended them all; until then they make new files.
        for _ in 0..200 {
            let removed = std::fs::remove_dir_all(self.profile.path());
            if removed.is_ok() || !self.profile.path().exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// It says so itself, having chosen one.
fn port(driver: &mut Child) -> Result<u16> {
    let mut said = BufReader::new(driver.stdout.take().context("stdout is piped")?);
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        let said_port = line.trim_end().trim_end_matches('.').rsplit_once("successfully on port ");
        if let Some(port) = said_port.and_then(|(_, port)| port.parse().ok()) {
            // Its pipe has to stay open, and to be read.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Ok(port);
        }
        line.clear();
    }
    bail!("chromedriver ended without having said its port")
}
