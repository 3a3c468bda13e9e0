//! Uppy, unchanged from npm, on a site of its own: both majors upload through the routes of Companion.

use std::path::Path;
use std::process::Stdio;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::{Value, json};
use tokio::task::AbortHandle;
use video_tests::eventually;

use crate::World;
use crate::parts::content;

const MAJORS: [u32; 2] = [5, 6];
const PAGE: &str = "<!doctype html><title>A site</title><main>
    <input id=file type=file><script src=/uppy.js></script></main>";
/// Defines `start`, which uploads the chosen file; `result` is what became of it.
const START: &str = "window.watch = (uppy) => {
        window.uppy = uppy;
        window.result = null;
        window.percent = 0;
        uppy.on('progress', (percent) => { window.percent = percent; });
        uppy.on('complete', ({ successful, failed }) => {
            result = { sent: successful.length, errors: failed.map(({ error }) => error) };
        });
    };
    window.start = (uppy, meta) => {
        watch(uppy);
        uppy.addFile({ name: 'holiday.mp4', type: 'video/mp4', data: file.files[0], meta });
        uppy.upload().catch((error) => { result = { sent: 0, errors: [error.message] }; });
        return null;
    };
    return null;";
const UPLOAD: &str = "const [api, multipart, meta] = arguments;
    return start(createUppy(api, { shouldUseMultipart: multipart }), meta);";
const UPLOAD_LASTING: &str = "const [api, meta] = arguments;
    return start(createLastingUppy(api), meta);";
/// Answers the question whether to go on, as Uppy's dashboard does.
const CONTINUE: &str = "watch(createLastingUppy(arguments[0]));
    uppy.on('restored', () => uppy.emit('restore-confirmed'));
    return null;";
const UPLOAD_FORM: &str = "const [api, meta] = arguments;
    return start(createFormUppy(api), meta);";
const MIB: usize = 1024 * 1024;

/// A site with Uppy; the API and S3 are of other origins.
struct Site {
    url: String,
    server: AbortHandle,
}

impl Drop for Site {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Site {
    async fn start(major: u32) -> Self {
        let script = bundle(major).await;
        let script = get(move || async move { ([("content-type", "text/javascript")], script) });
        let router = Router::new().route("/", get(|| async { Html(PAGE) })).route("/uppy.js", script);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, router).await }).abort_handle();
        Self { url, server }
    }
}

/// Returns Uppy and its use as one script.
async fn bundle(major: u32) -> Vec<u8> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let esbuild = tests.join("node_modules/.bin/esbuild");
    let output = tokio::process::Command::new(esbuild)
        .args([&format!("uppy/{major}/page.js"), "--bundle", "--log-level=warning"])
        .current_dir(tests)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("esbuild is there (npm ci in tests/, as `make test` does)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn meta(step: u32) -> Value {
    json!({ "mail": "ana@example.com", "project": "Alba", "step": step })
}

impl World {
    /// Opens a site with this major of Uppy, and a file of this content chosen.
    async fn at_site(&self, major: u32, content: &[u8]) -> Site {
        let site = Site::start(major).await;
        self.open_site(&site).await;
        self.browser.attach("#file", &self.file("holiday.mp4", content)).await;
        site
    }

    async fn open_site(&self, site: &Site) {
        self.browser.open(&site.url).await;
        self.browser.eval(START).await;
    }

    /// Starts to upload the chosen file as this step of a project.
    async fn upload_by_uppy(&self, multipart: bool, step: u32) {
        self.browser.eval_with(UPLOAD, [self.api(), multipart.into(), meta(step)]).await;
    }

    fn api(&self) -> Value {
        self.system.at.api.as_str().into()
    }

    async fn uppy_result(&self) -> Value {
        self.browser.until("result").await;
        self.browser.eval("result").await
    }

    /// Asserts that the upload succeeds, and that this content is stored for a step.
    async fn uppy_has_sent(&self, step: u32, content: &[u8]) {
        self.uppy_succeeds(&format!("step {step}")).await;
        self.has_of(&format!("?project=Alba&step={step}"), content).await;
    }

    async fn uppy_succeeds(&self, what: &str) {
        assert_eq!(self.uppy_result().await, json!({ "sent": 1, "errors": [] }), "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_uploads_by_the_form_and_in_parts_and_by_a_link() {
    let world = World::start().await;
    for major in MAJORS {
        let content = content(major.into(), 12 * MIB);
        let site = world.at_site(major, &content).await;
        for (step, multipart) in [(major, false), (10 + major, true)] {
            world.upload_by_uppy(multipart, step).await;
            world.uppy_has_sent(step, &content).await;
        }
        let link = world.link(&format!("{major}@example.com")).await;
        for multipart in [false, true] {
            world.browser.eval_with(UPLOAD, [link.as_str().into(), multipart.into(), json!({})]).await;
            world.uppy_succeeds(&format!("Uppy {major}, {multipart}")).await;
        }
        drop(site);
    }
    assert_eq!(world.system.videos("?project=Alba&step=2").await.len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_uploads_by_forms_that_the_site_asks_for() {
    let world = World::start().await;
    for major in MAJORS {
        let content = content(major.into(), 6 * MIB);
        let _site = world.at_site(major, &content).await;
        world.browser.eval_with(UPLOAD_FORM, [world.api(), meta(major)]).await;
        world.uppy_has_sent(major, &content).await;

        world.browser.eval_with(UPLOAD_FORM, [world.api(), json!({ "project": "Alba", "step": major })]).await;
        let result = world.uppy_result().await;
        assert_eq!(result["sent"], 0, "{result}");
        assert!(result["errors"][0].as_str().unwrap().contains("mail"), "the rule is told: {result}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_continues_after_a_reload_with_the_parts_that_are_missing() {
    let world = World::start().await;
    for major in MAJORS {
        // Golden Retriever keeps files of up to 10 MB.
        let content = content(major.into(), 9 * MIB);
        let site = world.at_site(major, &content).await;
        world.s3.slow().await;
        world.browser.eval_with(UPLOAD_LASTING, [world.api(), meta(major)]).await;
        world.until_a_part_is_stored().await;
        world.open_site(&site).await;
        let stored = world.stored_parts().await;
        world.s3.restore().await;
        world.browser.eval_with(CONTINUE, [world.api()]).await;
        world.uppy_has_sent(major, &content).await;
        let requests = world.requests().await;
        assert_eq!(requests["created"], 0, "Uppy {major}: {requests:?}");
        assert!(requests["parts"] <= 2 - stored as u64, "Uppy {major}: {stored} parts were stored, {requests:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_goes_on_after_its_connection_was_reset_in_the_middle_of_a_part() {
    let world = World::start().await;
    for major in MAJORS {
        let content = content(major.into(), 12 * MIB);
        let _site = world.at_site(major, &content).await;
        world.s3.slow().await;
        world.upload_by_uppy(true, major).await;
        world.browser.until("window.percent > 0 && percent < 90").await;
        world.s3.cut().await;
        world.s3.restore().await;
        world.uppy_has_sent(major, &content).await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_pauses_and_resumes_and_cancelling_aborts_at_s3() {
    let world = World::start().await;
    for major in MAJORS {
        let content = content(major.into(), 12 * MIB);
        let _site = world.at_site(major, &content).await;
        world.s3.slow().await;
        world.upload_by_uppy(true, major).await;
        world.browser.until("window.percent > 0").await;
        world.browser.eval("uppy.pauseAll(), uppy.resumeAll(), null").await;
        world.s3.restore().await;
        world.uppy_has_sent(major, &content).await;

        world.s3.slow().await;
        world.upload_by_uppy(true, 10 + major).await;
        eventually("an upload began", async || (!world.unfinished().await.is_empty()).then_some(())).await;
        world.browser.until("window.percent > 0").await;
        world.browser.eval("uppy.cancelAll(), null").await;
        eventually("it was aborted", async || world.unfinished().await.is_empty().then_some(())).await;
        world.s3.restore().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uppy_is_told_that_a_video_is_too_large_and_nothing_is_kept_of_it() {
    let world = World::start_with(&[("MAX_UPLOAD_BYTES", "12000000")]).await;
    for major in MAJORS {
        let _site = world.at_site(major, &content(major.into(), 12 * MIB)).await;
        for multipart in [false, true] {
            world.upload_by_uppy(multipart, major).await;
            let result = world.uppy_result().await;
            assert_eq!(result["sent"], 0, "Uppy {major}, {multipart}: {result}");
            if major == 5 && multipart {
                let error = result["errors"][0].as_str().unwrap();
                assert!(error.contains("the video must have 1 to 12000000 bytes; it has 12582912"), "{result}");
            }
        }
    }
    assert!(world.unfinished().await.is_empty());
    let videos = world.system.videos("").await;
    assert!(videos.iter().all(|video| video["status"] == "requested"), "{videos:?}");
    world.end().await;
}
