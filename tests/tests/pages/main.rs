//! The two web pages in a real browser, against a whole running system.
//!
//! The browsers are Debian's Chromium and WebKitGTK with their drivers. thirtyfour talks to them over WebDriver, a W3C
//! standard, so browser and library can be updated independently, unlike with clients of the DevTools protocol alone.

mod admin;
mod browser;
mod hostile;
mod link;
mod looks;
mod parts;
mod proxy;
mod serving;
mod upload;
mod uppy;
#[cfg(target_os = "linux")]
mod webkit;

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;
use video_local::Options;
use video_tests::TestSystem;

use crate::browser::Browser;
use crate::proxy::Proxy;

/// A system whose S3 is reached through a connection that the test controls, and a browser.
struct World {
    system: TestSystem,
    s3: Proxy,
    browser: Browser,
    files: TempDir,
}

impl World {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts with these environment variables of the functions.
    async fn start_with(variables: &[(&str, &str)]) -> Self {
        Self::start_in(Browser::start().await, variables).await
    }

    async fn start_in(browser: Browser, variables: &[(&str, &str)]) -> Self {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self::start_as(browser, |options| options.variables.extend(variables.iter().map(own))).await
    }

    /// Starts with options that `change` changes.
    async fn start_as(browser: Browser, change: impl FnOnce(&mut Options)) -> Self {
        let s3 = Proxy::start().await;
        let system = TestSystem::start_with(|options| {
            options.variables.push(("AWS_ENDPOINT_URL_S3".to_owned(), s3.url.clone()));
            change(options);
        })
        .await;
        s3.forward_to(&system.at.s3);
        Self { system, s3, browser, files: tempfile::tempdir().unwrap() }
    }

    /// Starts with the upload page open.
    async fn at_upload() -> Self {
        Self::at_upload_with(&[]).await
    }

    async fn at_upload_with(variables: &[(&str, &str)]) -> Self {
        let world = Self::start_with(variables).await;
        world.open_upload().await;
        world
    }

    async fn end(self) {
        self.browser.quit().await;
        self.system.stop().await;
    }

    /// Creates a file to choose.
    fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.files.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Opens the upload page by a link that fills in the details.
    async fn open_upload(&self) {
        self.browser
            .open(&format!("{}/upload?project=Alba&step=2&mail=ana%2Bvideo@example.com", self.system.at.api))
            .await;
    }

    /// Chooses a file with this content on the upload page.
    async fn choose(&self, name: &str, content: &[u8]) {
        self.browser.attach("#file", &self.file(name, content)).await;
        self.upload_shows("preview").await;
    }

    /// Sends the chosen video and waits until the page shows this state.
    async fn send_until(&self, state: &str) {
        self.browser.click("#send").await;
        self.upload_shows(state).await;
    }

    /// Waits until the upload page shows this state.
    async fn upload_shows(&self, state: &str) {
        self.browser.until(&format!("document.getElementById('stage').dataset.now === '{state}'")).await;
    }

    /// Records for three seconds, from the page's first state to the preview.
    async fn record(&self) {
        self.browser.click("#openCamera").await;
        self.upload_shows("camera").await;
        self.browser.until("live.videoWidth > 0").await;
        self.browser.click("#start").await;
        self.browser.until("elapsed.textContent >= '0:03'").await;
        self.browser.click("#stop").await;
        self.upload_shows("preview").await;
    }

    /// Makes an upload link of project Alba, step 2.
    async fn link(&self, mail: &str) -> String {
        self.link_at(&self.system.at.api, mail).await
    }

    /// Makes an upload link at the API of this URL.
    async fn link_at(&self, api: &str, mail: &str) -> String {
        let admin = &self.system.at.admin;
        let request = json!({ "project": "Alba", "step": 2, "mails": [mail] });
        let post = self.system.http.post(format!("{api}/links")).json(&request);
        let links = post.basic_auth(&admin.username, Some(&admin.password)).send().await.unwrap();
        let links: Value = links.error_for_status().unwrap().json().await.unwrap();
        links[0]["url"].as_str().unwrap().to_owned()
    }

    /// Opens the admin page and signs in.
    async fn open_admin(&self) {
        self.browser.open(&format!("{}/admin", self.system.at.api)).await;
        self.sign_in(&self.system.at.admin.username, &self.system.at.admin.password).await;
        self.browser.until("document.getElementById('freshness').textContent.includes(':')").await;
    }

    async fn sign_in(&self, username: &str, password: &str) {
        self.browser.fill("#username", username).await;
        self.browser.fill("#password", password).await;
        self.browser.click("#enter").await;
    }

    /// Returns how many forms the page has requested and how many POSTs it has tried.
    async fn forms_and_posts(&self) -> (u64, u64) {
        let count = async |part: &str| {
            let script = "const requests = performance.getEntriesByType('resource');
                return requests.filter(({ name }) => name.includes(arguments[0])).length;";
            self.browser.eval_with(script, [part.into()]).await.as_u64().unwrap()
        };
        (count("/presignedurl/").await, count(&format!("{}/", self.s3.url)).await)
    }
}
