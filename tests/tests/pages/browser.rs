//! A browser for each test, driven over WebDriver, which ends with the test, however that ends: a headless Chromium,
//! or WebKit, the engine of Safari, on a screen in memory.

use std::path::PathBuf;
use std::process::Stdio;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use video_tests::eventually;

/// The window sizes of a phone and a desktop.
pub const PHONE: (u32, u32) = (390, 844);
pub const DESKTOP: (u32, u32) = (1280, 860);

/// A test pattern replaces the camera and a beep the microphone; there are no permission prompts.
const FAKE_CAMERA: [&str; 2] = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"];

/// Turns off windows, the sandbox (which root cannot use) and calls to the vendor.
///
/// With the pipe, the browser ends when its driver does.
const ARGUMENTS: [&str; 12] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-pipe",
];

/// A running browser with one tab.
pub struct Browser {
    driver: WebDriver,
    // Killed on drop, and the browser with them; the profile goes after them.
    _processes: Vec<Child>,
    _profile: TempDir,
}

impl Browser {
    pub async fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts (on Debian: apt-get install chromium chromium-driver)");
        let port = port_of(&mut process).await;

        let mut capabilities = DesiredCapabilities::chrome();
        for argument in ARGUMENTS.into_iter().chain(FAKE_CAMERA) {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        capabilities.set("goog:loggingPrefs", json!({ "browser": "ALL" })).unwrap();
        let driver = WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities).await.unwrap();
        let browser = Self { driver, _processes: vec![process], _profile: profile };
        browser.size(DESKTOP).await;
        browser
    }

    /// Starts WebKitGTK's small browser, which has no DevTools: what needs them works in Chromium alone.
    #[cfg(target_os = "linux")]
    pub async fn start_webkit() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut screen = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Xvfb starts (on Debian: apt-get install xvfb)");
        let display = BufReader::new(screen.stdout.take().unwrap()).lines().next_line().await.unwrap();
        let port = free_port().await;
        let process = Command::new("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .env("DISPLAY", format!(":{}", display.expect("Xvfb names its display")))
            .env("HOME", profile.path())
            .env("XDG_RUNTIME_DIR", profile.path())
            // Root cannot use the sandbox, and the screen has no graphics card.
            .env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1")
            .env("WEBKIT_DISABLE_COMPOSITING_MODE", "1")
            .kill_on_drop(true)
            .spawn()
            .expect("WebKitWebDriver starts (on Debian: apt-get install webkit2gtk-driver)");

        let mut capabilities = Capabilities::new();
        capabilities.set("browserName", json!("MiniBrowser")).unwrap();
        let url = format!("http://127.0.0.1:{port}");
        let started = async || WebDriver::new(url.clone(), capabilities.clone()).await.ok();
        let driver = eventually("WebKitWebDriver", started).await;
        Self { driver, _processes: vec![process, screen], _profile: profile }
    }

    /// Quits cleanly; a test that panics first drops the browser, which kills it.
    pub async fn quit(self) {
        self.driver.quit().await.unwrap();
    }

    /// Opens a page and waits until it is shown, which is once its texts are loaded.
    pub async fn open(&self, url: &str) {
        self.driver.goto(url).await.unwrap();
        self.until("document.querySelector('main:not([hidden])')").await;
    }

    /// Evaluates a JavaScript expression, or statements with a `return`.
    pub async fn eval(&self, script: &str) -> Value {
        let script = if script.contains("return ") { script.to_owned() } else { format!("return ({script});") };
        self.driver.execute(script.clone(), []).await.unwrap_or_else(|error| panic!("{script}: {error}")).json().clone()
    }

    /// Runs statements with these values as `arguments`.
    pub async fn eval_with(&self, script: &str, arguments: impl Into<Vec<Value>>) -> Value {
        self.driver.execute(script, arguments.into()).await.unwrap().json().clone()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, condition: &str) {
        let what = format!("in the browser: {condition}");
        eventually(&what, async || (self.eval(&format!("Boolean({condition})")).await == true).then_some(())).await;
    }

    pub async fn element(&self, css: &str) -> WebElement {
        self.driver.find(By::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"))
    }

    pub async fn click(&self, css: &str) {
        self.element(css).await.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Returns the visible text.
    pub async fn text(&self, css: &str) -> String {
        self.element(css).await.text().await.unwrap()
    }

    /// Replaces the content of a field.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.element(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Attaches a file to a file field, as its dialog would.
    pub async fn attach(&self, css: &str, file: &std::path::Path) {
        self.element(css).await.send_keys(file.to_str().unwrap()).await.unwrap();
    }

    /// Presses keys: they go to whatever has the focus.
    pub async fn press(&self, keys: impl Into<thirtyfour::TypingData>) {
        self.driver.action_chain().send_keys(keys).perform().await.unwrap();
    }

    /// Sends a command of the DevTools protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.driver.cdp().send_raw(command, parameters).await.unwrap()
    }

    /// Sets the window's size in CSS pixels; at a phone's width it also emulates one.
    pub async fn size(&self, (width, height): (u32, u32)) {
        let is_phone = width == PHONE.0;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_phone });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": is_phone })).await;
    }

    pub async fn dark(&self, is_dark: bool) {
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Takes the device off the network, or puts it back.
    pub async fn offline(&self, is_offline: bool) {
        let conditions =
            json!({ "offline": is_offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.emulateNetworkConditions", conditions).await;
    }

    /// Sets the preferred language, from the next page on.
    pub async fn language(&self, language: &str) {
        let agent = self.eval("navigator.userAgent").await;
        let change = json!({ "userAgent": agent, "acceptLanguage": language });
        self.devtools("Emulation.setUserAgentOverride", change).await;
    }

    /// Runs a script in every page from now on, before the page's own.
    pub async fn before_each_page(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script })).await;
    }

    /// Writes what the window shows to `target/screenshots/{name}.png`.
    pub async fn screenshot(&self, name: &str) {
        let directory = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/screenshots"));
        std::fs::create_dir_all(&directory).unwrap();
        let shot = self.devtools("Page.captureScreenshot", json!({ "format": "png" })).await;
        let png = BASE64_STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(directory.join(format!("{name}.png")), png).unwrap();
    }

    /// Returns what was logged since the last call: errors and violations of the security policy.
    pub async fn console_errors(&self) -> Vec<String> {
        let log = self.driver.browser_log().await.unwrap();
        log.into_iter().filter(|entry| entry.level == "SEVERE").map(|entry| entry.message).collect()
    }
}

/// Returns the port that the driver reports.
async fn port_of(driver: &mut Child) -> u16 {
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some(rest) = line.split("started successfully on port ").nth(1) {
            return rest.trim_end_matches('.').parse().unwrap();
        }
    }
    panic!("chromedriver ended without naming its port");
}

/// Returns a port that nothing listens at: WebKitWebDriver does not name one that it chose itself.
#[cfg(target_os = "linux")]
async fn free_port() -> u16 {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}
