//! Every state of both pages, on a phone and a desktop, light and dark: checked by axe, and kept as a screenshot.

use serde_json::{Value, json};
use video_tests::media;

use crate::World;
use crate::admin::{one_of_each, record};
use crate::browser::{DESKTOP, PHONE};

impl World {
    /// Loads axe into every page from now on.
    async fn load_axe(&self) {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(path).expect("axe-core is there (npm ci in tests/, as `make test` does)");
        self.browser.before_each_page(&axe).await;
    }

    /// Checks the page in its current state, in every size and colour scheme.
    async fn look(&self, name: &str) {
        for (device, size) in [("desktop", DESKTOP), ("phone", PHONE)] {
            self.browser.size(size).await;
            for (scheme, is_dark) in [("light", false), ("dark", true)] {
                self.browser.dark(is_dark).await;
                self.browser.screenshot(&format!("{name}-{device}-{scheme}")).await;
                let findings = self.axe().await;
                assert!(findings.is_empty(), "{name} on a {scheme} {device}: {findings:#?}");
            }
            let overflow =
                self.browser.eval("document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            assert_eq!(overflow, 0, "{name} does not fit on a {device}");
            if size == PHONE {
                let small = "[...document.querySelectorAll('button, summary, input, label.source')]
                    .filter((node) => node.checkVisibility() && !node.classList.contains('visually-hidden'))
                    .map((node) => [node, node.getBoundingClientRect()])
                    .filter(([, { width, height }]) => width < 44 || height < 44)
                    .map(([node]) => node.id || node.textContent)";
                assert_eq!(self.browser.eval(small).await, Value::Array(Vec::new()), "targets on a phone: {name}");
            }
        }
        self.browser.size(DESKTOP).await;
        self.browser.dark(false).await;
    }

    /// Returns what axe finds, of any severity.
    async fn axe(&self) -> Vec<String> {
        let script = "return axe.run().then(({ violations }) =>
            violations.map(({ id, impact, nodes }) => {
                const places = nodes.map((node) => `${node.html} ${node.failureSummary}`);
                return `${impact} ${id}: ${places.join(' | ')}`;
            }));";
        let findings = self.browser.eval(script).await;
        findings.as_array().unwrap().iter().map(|finding| finding.as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_the_upload_page_is_accessible() {
    let world = World::start_with(&[("MAX_UPLOAD_BYTES", "50000000")]).await;
    let browser = &world.browser;
    world.load_axe().await;
    browser.open(&format!("{}/upload", world.system.at.api)).await;
    world.look("upload-0-empty").await;
    browser.attach("#file", &world.file("notes.pdf", b"%PDF")).await;
    browser.until("!problem.hidden").await;
    world.look("upload-1-wrong-type").await;
    world.choose("holiday.mp4", &media::silent_mp4()).await;
    browser.until("preview.readyState >= 2").await;
    browser.click("#send").await;
    world.look("upload-2-wrong-details").await;

    world.open_upload().await;
    world.look("upload-3-choose").await;
    browser.click("#openCamera").await;
    world.upload_shows("camera").await;
    browser.until("live.videoWidth > 0").await;
    world.look("upload-4-camera").await;
    browser.click("#start").await;
    browser.until("elapsed.textContent >= '0:02'").await;
    world.look("upload-5-recording").await;
    browser.click("#stop").await;
    world.upload_shows("preview").await;
    browser.until("preview.duration > 1 && preview.duration < 1000").await;
    world.look("upload-6-preview").await;

    browser.attach("#file", &world.file("a-large-video.mp4", &vec![7; 50_000_001])).await;
    browser.until("facts.textContent.includes('a-large-video')").await;
    browser.click("#send").await;
    browser.until("!problem.hidden").await;
    world.look("upload-7-too-large").await;

    world.s3.slow().await;
    browser.attach("#file", &world.file("the-whole-day.mp4", &vec![7; 29_000_000])).await;
    browser.until("facts.textContent.includes('whole')").await;
    browser.click("#send").await;
    browser.until("progress.value > 0.3 && document.getElementById('left').textContent").await;
    world.s3.hold().await;
    world.look("upload-8-sending").await;
    world.s3.cut().await;
    world.upload_shows("failed").await;
    world.look("upload-9-failed").await;
    world.s3.restore().await;
    browser.click("#retry").await;
    world.upload_shows("done").await;
    world.look("upload-done").await;

    browser.click("#another").await;
    browser.attach("#file", &world.file("the-whole-week.mp4", &vec![7; 40_000_000])).await;
    browser.until("facts.textContent.includes('week')").await;
    world.s3.slow().await;
    browser.click("#send").await;
    browser.until("progress.value > 0.2").await;
    world.s3.cut().await;
    browser.until("left.textContent.startsWith('No connection')").await;
    world.look("upload-10-waiting").await;
    world.s3.restore().await;
    world.upload_shows("done").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_links_page_is_accessible() {
    let world = World::start().await;
    let browser = &world.browser;
    world.load_axe().await;
    let link = world.link("ana@example.com").await;
    let open = async |status: &str| {
        if !status.is_empty() {
            world.put([record("Alba", 2, "ana@example.com", status, 60)]).await;
        }
        browser.open(&link).await;
        browser.until("stage.dataset.now").await;
    };
    open("").await;
    world.look("link-0-requested").await;
    open("transcoding").await;
    world.look("link-1-transcoding").await;
    open("failed").await;
    world.look("link-2-failed").await;
    let key = world.system.upload("/presignedurl/Alba/2?mail=ana@example.com", media::webm()).await;
    world.system.settled(&key).await;
    open("").await;
    browser.until("result.readyState >= 2").await;
    world.look("link-3-ready").await;
    browser.open(&format!("{link}x")).await;
    world.upload_shows("closed").await;
    world.look("link-4-invalid").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_the_admin_page_is_accessible() {
    let world = World::start().await;
    let browser = &world.browser;
    world.load_axe().await;
    browser.open(&format!("{}/admin", world.system.at.api)).await;
    world.look("admin-0-sign-in").await;
    world.sign_in("admin", "wrong").await;
    browser.until("!signInProblem.hidden").await;
    world.look("admin-1-wrong-login").await;
    world.open_admin().await;
    world.look("admin-2-empty").await;

    let key = world.system.upload("/presignedurl/Alba/7?mail=greta@example.com", media::webm()).await;
    world.system.settled(&key).await;
    world.put(one_of_each()).await;
    let more =
        (0..60).map(|i| record("summer", i, &format!("person{i}@example.com"), "ready", 20_000 + 1000 * i as u64));
    world.put(more).await;
    browser.click("#refresh").await;
    browser.until("counts.children[0].textContent === '67All'").await;
    world.look("admin-3-list").await;
    browser.click("#rows button").await;
    browser.until("player.readyState >= 2").await;
    world.look("admin-4-playing").await;
    browser.click("#close").await;
    browser.click("[aria-label='Details of ben@example.com, Alba']").await;
    browser.until("dialog.open && !dialogRetry.hidden").await;
    world.look("admin-5-failed").await;
    browser.click("#dialogErase").await;
    browser.until("window.question?.open").await;
    world.look("admin-6-question").await;
    let conflict = "async () => Response.json({ Message: 'not now' }, { status: 409 })";
    browser.eval(&format!("window.real = fetch, window.fetch = {conflict}, null")).await;
    browser.click("#yes").await;
    browser.until("!questionProblem.hidden").await;
    world.look("admin-7-not-deleted").await;
    browser.click("#no").await;
    browser.click("#close").await;
    let deleting = json!([record("Alba", 1, "ben@example.com", "deleting", 4000)]);
    browser.eval_with("window.fetch = async () => Response.json(arguments[0]); return null;", [deleting]).await;
    browser.click(".count.deleting").await;
    browser.until("document.querySelector('#rows .deleting')").await;
    world.look("admin-8-deleting").await;
    browser
        .eval(
            "window.showSaveFilePicker = async () => ({ createWritable: async () => ({ write() {}, abort() {} }) }),
            window.fetch = () => new Promise(() => {}), null",
        )
        .await;
    browser.click("#csv").await;
    browser.until("csv.textContent === 'Cancel CSV (0)'").await;
    world.look("admin-9-saving").await;
    browser.eval("window.fetch = real, null").await;
    browser.click("#clear").await;
    browser.fill("#mail", "ben@example.com").await;
    browser.click("#filter button").await;
    browser.until("rows.children.length === 1 && !eraseAll.hidden").await;
    world.look("admin-10-person").await;
    browser.fill("#mail", "nobody@example.com").await;
    browser.click("#filter button").await;
    browser.until("!empty.hidden").await;
    world.look("admin-11-nothing-found").await;
    browser.click("#links").await;
    browser.until("linksDialog.open").await;
    browser.click("#linksMake").await;
    browser.until("!linksProblem.hidden").await;
    world.look("admin-13-no-links").await;
    browser.fill("#linksProject", "Alba").await;
    browser.fill("#linksMails", "ana@example.com, ben@example.com").await;
    browser.click("#linksMake").await;
    browser.until("!linksMade.hidden").await;
    world.look("admin-14-links").await;
    browser.click("#linksClose").await;
    browser.eval("window.fetch = () => Promise.reject(new TypeError('no')), null").await;
    browser.click("#clear").await;
    browser.until("!listProblem.hidden").await;
    world.look("admin-12-offline").await;
    world.end().await;
}
