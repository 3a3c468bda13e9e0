//! The admin page, used as an admin uses it.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use video_tests::{eventually, media};

use crate::World;

/// One record of each state and one of the original's, which has none.
pub const STATES: [&str; 6] = ["ready", "failed", "transcoding", "uploaded", "requested", ""];
pub const REASON: &str = "the file is no video: moov atom not found";

impl World {
    /// Starts with these records and the admin signed in.
    async fn at_admin(records: impl IntoIterator<Item = Value>) -> Self {
        let world = Self::start().await;
        world.put(records).await;
        world.open_admin().await;
        world
    }

    async fn filter_by(&self, field: &str, text: &str) {
        self.browser.fill(&format!("#{field}"), text).await;
        self.browser.click("#filter button").await;
    }

    /// Puts records straight into the table: attributes as text, `size` as a number.
    pub async fn put(&self, records: impl IntoIterator<Item = Value>) {
        let attribute = |value: &Value| match value {
            Value::Number(number) => AttributeValue::N(number.to_string()),
            other => AttributeValue::S(other.as_str().unwrap().to_owned()),
        };
        let request = |record: Value| {
            let item =
                record.as_object().unwrap().iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
            WriteRequest::builder().put_request(PutRequest::builder().set_item(Some(item)).build().unwrap()).build()
        };
        let requests: Vec<_> = records.into_iter().map(request).collect();
        let client = self.system.dynamodb();
        for batch in requests.chunks(25) {
            let write = client.batch_write_item().request_items(self.system.at.table, batch.to_vec());
            write.send().await.unwrap();
        }
    }

    /// The mails of the rows that the page shows.
    async fn shown_mails(&self) -> Vec<String> {
        let mails =
            self.browser.eval("[...document.querySelectorAll('#rows .mail')].map((cell) => cell.textContent)").await;
        mails.as_array().unwrap().iter().map(|mail| mail.as_str().unwrap().to_owned()).collect()
    }

    async fn waits_for_mails(&self, mails: &[&str]) {
        eventually(&format!("rows of {mails:?}"), async || (self.shown_mails().await == mails).then_some(())).await;
    }
}

/// A record as the functions would have written it `seconds_ago`.
pub fn record(project: &str, step: i64, mail: &str, status: &str, seconds_ago: u64) -> Value {
    let time = time_text(seconds_ago);
    let mut record = json!({
        "ProjectStep": format!("{project}-{step}"),
        "Mail": mail,
        "video": format!("{project}/{step}/0123456789abcdef0123.webm"),
        "requestedAt": time,
        "updatedAt": time,
    });
    if !status.is_empty() {
        record["status"] = status.into();
    }
    if ["ready", "failed", "transcoding", "uploaded"].contains(&status) {
        record["uploadedAt"] = time.as_str().into();
        record["size"] = 48_213_377.into();
    }
    if ["ready", "failed", "transcoding"].contains(&status) {
        record["transcoder"] = "mediaconvert".into();
        record["jobId"] = "1700000000000-abc123".into();
    }
    match status {
        "ready" => record["output"] = format!("output/web/{project}/{step}/0123456789abcdef0123.mp4").into(),
        "failed" => record["error"] = REASON.into(),
        _ => {}
    }
    record
}

fn time_text(seconds_ago: u64) -> String {
    let time = SystemTime::now() - Duration::from_secs(seconds_ago);
    aws_sdk_dynamodb::primitives::DateTime::from(time)
        .fmt(aws_sdk_dynamodb::primitives::DateTimeFormat::DateTime)
        .unwrap()
}

/// One record of each state, newest first. None of them changes by itself.
pub fn one_of_each() -> Vec<Value> {
    let mails = [
        "ana@example.com",
        "ben@example.com",
        "carmen@example.com",
        "diego@example.com",
        "eva@example.com",
        "fay@example.com",
    ];
    let projects = ["Alba", "Alba", "spring-campaign", "spring-campaign", "Alba", "old_project"];
    let minutes = 60;
    STATES
        .iter()
        .enumerate()
        .map(|(i, status)| record(projects[i], i as i64, mails[i], status, 3 * 60 * minutes + 13 * minutes * i as u64))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_login_opens_the_list_and_it_may_be_any_text() {
    let world = World::start_with(&[("ADMIN_USERNAME", "Åsa"), ("ADMIN_PASSWORD", "pä:ß € 漢字")]).await;
    let browser = &world.browser;
    browser.open(&format!("{}/admin", world.system.at.api)).await;
    browser.click("#enter").await;
    assert_eq!(browser.text("#signInProblem").await, "Enter your username and password.");
    world.sign_in("Åsa", "pa:ss").await;
    browser.until("signInProblem.textContent === 'Wrong username or password.'").await;
    assert_eq!(browser.eval("signedIn.hidden").await, true);
    world.sign_in("Åsa", "pä:ß € 漢字").await;
    browser.until("!signedIn.hidden && empty.textContent === 'No videos yet.' && !empty.hidden").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_is_counted_and_shown_newest_first() {
    let world = World::at_admin(one_of_each().into_iter().rev()).await;
    let browser = &world.browser;
    world
        .waits_for_mails(&[
            "ana@example.com",
            "ben@example.com",
            "carmen@example.com",
            "diego@example.com",
            "eva@example.com",
            "fay@example.com",
        ])
        .await;
    let counts = browser.eval("[...counts.children].map((tile) => tile.textContent)").await;
    assert_eq!(counts, json!(["6All", "1Requested", "1Uploaded", "1Transcoding", "1Ready", "1Failed"]));
    let row = browser
        .eval("[...document.querySelectorAll('#rows tr')[1].cells].slice(0, 5).map((cell) => cell.textContent)")
        .await;
    assert_eq!(row, json!([format!("Failed{REASON}"), "ben@example.com", "Alba", "1", "48.2 MB"]));

    browser.click(".count.failed").await;
    world.waits_for_mails(&["ben@example.com"]).await;
    assert_eq!(browser.eval("document.querySelector('.count.failed').ariaPressed").await, "true");
    assert_eq!(browser.text("#range").await, "1–1 of 1");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_by_project_step_and_mail_narrow_the_list_and_can_be_cleared() {
    let world = World::at_admin(one_of_each()).await;
    let browser = &world.browser;
    world.filter_by("project", "spring-campaign").await;
    world.waits_for_mails(&["carmen@example.com", "diego@example.com"]).await;
    world.filter_by("step", "3").await;
    world.waits_for_mails(&["diego@example.com"]).await;
    browser.click("#clear").await;
    browser.until("counts.children[0].textContent === '6All'").await;
    world.filter_by("mail", "fay@example.com").await;
    world.waits_for_mails(&["fay@example.com"]).await;
    world.filter_by("mail", "nobody@example.com").await;
    browser.until("empty.textContent.startsWith('No video matches') && !empty.hidden").await;
    world.filter_by("mail", "no mail").await;
    browser.until("listProblem.textContent.startsWith('mail must be')").await;
    browser.click("#clear").await;
    browser.until("counts.children[0].textContent === '6All' && listProblem.hidden").await;
    world.filter_by("step", "3").await;
    assert_eq!(browser.text("#listProblem").await, "To filter by step, enter a project too.");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_records_stay_smooth_and_more_are_a_click_away() {
    let world = World::start().await;
    let browser = &world.browser;
    let all = (0..10_020).map(|i| {
        record(
            "Alba",
            i % 40,
            &format!("{i}@example.com"),
            ["ready", "failed", "requested"][i as usize % 3],
            7200 + i as u64,
        )
    });
    world.put(all).await;
    world.open_admin().await;
    assert_eq!(browser.text("#range").await, "1–50 of 10,000");
    assert_eq!(
        browser.text("#moreText").await,
        "Only the first 10,000 matching videos are loaded. Filter, or load more."
    );

    for click in
        ["next.click()", "document.querySelector('.count.failed').click()", "document.querySelector('.count').click()"]
    {
        let timed = format!(
            "const start = performance.now(); {click}; document.body.offsetHeight; return performance.now() - start;"
        );
        let took = browser.eval(&timed).await;
        assert!(took.as_f64().unwrap() < 1000.0, "{click} took {took} ms");
        assert_eq!(browser.eval("rows.children.length").await, 50);
    }
    browser.click("#loadMore").await;
    browser.until("range.textContent === '1–50 of 10,020' && more.hidden").await;
    assert_eq!(browser.text(".count").await, "10,020\nAll");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_work_in_progress_refreshes_by_itself_and_keeps_the_focus() {
    let world = World::at_admin([record("Alba", 0, "ana@example.com", "transcoding", 20)]).await;
    let browser = &world.browser;
    browser.until("freshness.textContent.endsWith('updates automatically')").await;
    browser.eval("document.querySelector('#rows button').focus(), null").await;
    world.put([record("Alba", 0, "ana@example.com", "ready", 1)]).await;
    browser.until("document.querySelector('#rows .badge').textContent === 'Ready'").await;
    assert_eq!(browser.eval("document.activeElement.textContent").await, "Play");
    browser.until("!freshness.textContent.endsWith('updates automatically')").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_ready_video_can_be_copied_and_its_original_seen() {
    let world = World::start().await;
    let browser = &world.browser;
    let key = world.system.upload("/presignedurl/Alba/0?mail=ana@example.com", media::webm()).await;
    world.system.settled(&key).await;
    world.open_admin().await;
    browser
        .devtools(
            "Browser.grantPermissions",
            json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
        )
        .await;
    browser.click("#rows button").await;
    browser.until("player.readyState >= 2 && player.videoWidth === 1280").await;
    browser.click("#copy").await;
    browser.until("dialogStatus.textContent.startsWith('Link copied')").await;
    let link = browser.eval("return navigator.clipboard.readText();").await;
    let answer = world.system.http.get(link.as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    browser.click("#original").await;
    browser.until("player.readyState >= 2 && player.videoWidth === 1920").await;
    assert_eq!(browser.text("#original").await, "Result");
    browser.click("#original").await;
    browser.until("player.readyState >= 2 && player.videoWidth === 1280").await;
    browser.click("#close").await;
    browser.until("!dialog.open && !player.src").await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_goes_through_the_pipeline_and_the_list_follows() {
    let world = World::start().await;
    let browser = &world.browser;
    let key = world.system.upload("/presignedurl/Alba/0?mail=ana@example.com", b"no video at all".to_vec()).await;
    let failed = world.system.settled(&key).await;
    world.open_admin().await;
    browser.until("document.querySelector('#rows .badge').textContent === 'Failed'").await;
    let retry = "[aria-label='Retry the video of ana@example.com, Alba']";
    browser.click(retry).await;
    browser.until("document.getElementById('status').textContent === 'The video is being processed again.'").await;
    eventually("a second upload that failed too", async || {
        let now = world.system.video(&key).await?;
        (now["sequencer"] != failed["sequencer"] && now["status"] == "failed").then_some(())
    })
    .await;
    browser.until(&format!("document.querySelector(\"{retry}\")")).await;
    assert!(browser.text("#rows .state").await.starts_with("Failed"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_video_shows_its_reason_and_can_be_retried() {
    let world = World::start().await;
    let browser = &world.browser;
    world
        .put([
            record("Alba", -1, "ana+x@example.com", "failed", 4000),
            record("Alba", 0, "ben@example.com", "transcoding", 4000),
        ])
        .await;
    browser
        .before_each_page(
            "const real = fetch;
        window.requested = [];
        window.answer = null;
        window.fetch = (url, options) => {
            if (options.method !== 'POST' || !window.answer) return real(url, options);
            window.requested.push(url);
            return Promise.resolve(Response.json(...window.answer));
        };",
        )
        .await;
    world.open_admin().await;
    let retries =
        browser.eval("[...document.querySelectorAll('[data-act=true]')].map((button) => button.ariaLabel)").await;
    assert_eq!(retries.as_array().unwrap().len(), 2, "the failed one and the stuck one: {retries}");

    let absent = "answer = [{ Code: 'NotFoundError', Message: 'there is no such video' }, { status: 404 }], null";
    let conflict = "answer = [{ Code: 'ConflictError', Message: 'this video is not failed' }, { status: 409 }], null";
    for (answer, words) in [(absent, "there is no such video"), (conflict, "this video is not failed")] {
        browser.eval(answer).await;
        browser.click("[aria-label='Retry the video of ana+x@example.com, Alba']").await;
        browser.until(&format!("listProblem.textContent.startsWith('{words}')")).await;
    }
    browser.eval("answer = [{}, { status: 202 }], null").await;
    browser.click("[aria-label='Details of ana+x@example.com, Alba']").await;
    browser.until("dialog.open && facts.textContent.includes('moov atom not found')").await;
    browser.click("#dialogRetry").await;
    browser
        .until(
            "!dialog.open && document.getElementById('status').textContent === 'The video is being processed again.'",
        )
        .await;
    let requested = browser.eval("requested.at(-1)").await;
    assert!(requested.as_str().unwrap().ends_with("/videos/Alba/-1/retry?mail=ana%2Bx%40example.com"), "{requested}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_be_downloaded_as_csv() {
    let world = World::start().await;
    let browser = &world.browser;
    let mut odd = record("Alba", -4, "=1+1@example.com", "failed", 4000);
    odd["error"] = "a \"quoted\" reason,\nin two lines".into();
    world.put([odd, record("Alba", 2, "ñandú@example.com", "ready", 5000)]).await;
    world.open_admin().await;
    let catch_download = "window.made = [], URL.createObjectURL = (blob) => (made.push(blob), 'blob:x'),
        HTMLAnchorElement.prototype.click = function () { made.push(this.download); }, null";
    browser.eval(catch_download).await;
    browser.click("#csv").await;
    let csv = browser.eval("return made[0].text();").await;
    let csv = csv.as_str().unwrap();
    let bytes =
        browser.eval("return made[0].arrayBuffer().then((buffer) => [...new Uint8Array(buffer)].slice(0, 3));").await;
    assert_eq!(bytes, json!([0xEF, 0xBB, 0xBF]));
    let lines: Vec<_> = csv.trim_start_matches('\u{FEFF}').split("\r\n").collect();
    assert!(lines[0].starts_with("\"status\",\"project\",\"step\",\"Mail\",\"size\""), "{csv}");
    assert!(lines[1].starts_with("\"failed\",\"Alba\",\"-4\",\"'=1+1@example.com\",\"48213377\""), "{csv}");
    assert!(lines[1].ends_with("\"a \"\"quoted\"\" reason,\nin two lines\""), "{csv}");
    assert!(lines[2].starts_with("\"ready\",\"Alba\",\"2\",\"ñandú@example.com\""), "{csv}");
    assert_eq!(lines.len(), 4);
    assert!(browser.eval("made[1]").await.as_str().unwrap().ends_with(".csv"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_secret_is_kept_in_memory_only_and_forgotten_at_the_end() {
    let world = World::at_admin(one_of_each()).await;
    let browser = &world.browser;
    let kept = "const databases = indexedDB.databases ? indexedDB.databases() : [];
        return Promise.resolve(databases).then((databases) =>
            [localStorage.length, sessionStorage.length, document.cookie, databases.length,
                location.search, location.hash, password.value]);";
    assert_eq!(browser.eval(kept).await, json!([0, 0, "", 0, "", "", ""]));
    browser.click("#signOut").await;
    assert_eq!(
        browser.eval("[signedIn.hidden, rows.children.length, document.activeElement.id]").await,
        json!([true, 0, "username"])
    );

    world.sign_in("admin", "local").await;
    browser.until("rows.children.length === 6").await;
    browser.eval("window.fetch = () => Promise.resolve(Response.json({ Message: 'no' }, { status: 401 })), null").await;
    browser.click("#refresh").await;
    browser.until("signInProblem.textContent === 'You have been signed out. Please sign in again.'").await;
    assert_eq!(browser.eval("rows.children.length").await, 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_refreshed_stays_with_a_warning() {
    let world = World::at_admin(one_of_each()).await;
    let browser = &world.browser;
    browser.eval("window.realFetch = fetch, window.fetch = () => Promise.reject(new TypeError('no')), null").await;
    browser.click("#refresh").await;
    browser.until("listProblem.textContent.startsWith('The list could not be refreshed.')").await;
    assert_eq!(browser.eval("rows.children.length").await, 6);
    browser.eval("window.fetch = realFetch, null").await;
    browser.click("#refresh").await;
    browser.until("listProblem.hidden").await;
    world.end().await;
}
