//! A headless Chromium in a network namespace without a route. chromedriver controls it over loopback (WebDriver protocol).

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::CloneFlags;
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

/// How long a test waits for a page.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Switches that turn network access of the browser off, and that allow root to run it.
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

/// A running browser. Dropping it ends the browser and all its processes.
pub struct Browser {
    agent: Agent,
    /// The address of the session.
    url: String,
    driver: Child,
    profile: TempDir,
}

impl Browser {
    /// Starts a browser. If the caller is root, its thread gets a network namespace, which the browser inherits.
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
            // Otherwise a killed browser would leave its directories in /tmp.
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

    /// Runs the body of a function in the page, and returns its result.
    pub fn run(&self, script: &str) -> Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
            .with_context(|| format!("in {script}"))
    }

    /// Runs the body of a function again until it returns true.
    pub fn wait_for(&self, script: &str) -> Result<()> {
        let deadline = Instant::now() + TIMEOUT;
        while self.run(script)? != json!(true) {
            if Instant::now() > deadline {
                bail!("this did not become true in time: {script}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Presses keys one after the other, in the element that has the focus.
    pub fn press(&self, keys: &str) -> Result<()> {
        let actions = keys.chars().flat_map(|key| {
            let key = key.to_string();
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        });
        let actions: Vec<_> = actions.collect();
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }))?;
        Ok(())
    }

    /// Sets the size of the page, for example that of a phone. A window could not become that narrow.
    pub fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.post(
            "/goog/cdp/execute",
            json!({ "cmd": "Emulation.setDeviceMetricsOverride", "params": size }),
        )?;
        Ok(())
    }

    /// Shows the page as on paper (`print`) or as on a screen (`screen`).
    pub fn emulate(&self, medium: &str) -> Result<()> {
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": medium } });
        self.post("/goog/cdp/execute", command)?;
        Ok(())
    }

    /// Shows the page as to a reader who prefers `light` or `dark` pages.
    pub fn prefer(&self, scheme: &str) -> Result<()> {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        let command = json!({ "cmd": "Emulation.setEmulatedMedia", "params": { "media": "screen", "features": features } });
        self.post("/goog/cdp/execute", command)?;
        Ok(())
    }

    /// Warnings and errors that the pages wrote to the console since the last call.
    pub fn complaints(&self) -> Result<Vec<String>> {
        let log = self.post("/se/log", json!({ "type": "browser" }))?;
        let entries = log.as_array().context("a log is a list")?;
        let bad =
            entries.iter().filter(|entry| matches!(entry["level"].as_str(), Some("SEVERE" | "WARNING")));
        Ok(bad.map(|entry| entry["message"].to_string()).collect())
    }

    /// Writes a PNG of the visible part of the page.
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
        // This ends the PID namespace, and so every process of the browser.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // It takes the kernel a moment to end them all, and until then they create new files.
        for _ in 0..200 {
            let removed = std::fs::remove_dir_all(self.profile.path());
            if removed.is_ok() || !self.profile.path().exists() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// The port that chromedriver has chosen and printed.
fn port(driver: &mut Child) -> Result<u16> {
    let mut said = BufReader::new(driver.stdout.take().context("stdout is piped")?);
    let mut line = String::new();
    while said.read_line(&mut line)? > 0 {
        let said_port = line.trim_end().trim_end_matches('.').rsplit_once("successfully on port ");
        if let Some(port) = said_port.and_then(|(_, port)| port.parse().ok()) {
            // The pipe must stay open and be read, or chromedriver would block.
            std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
            return Ok(port);
        }
        line.clear();
    }
    bail!("chromedriver ended before it printed its port")
}
