//! The admin page, used as an admin uses it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use serde_json::{Value, json};
use thirtyfour::Key;
use video_tests::{eventually, media};

use crate::World;

/// One record of each state that is listed, and one of the original's, as the backfill completes it.
pub const STATES: [&str; 6] = ["ready", "failed", "transcoding", "uploaded", "requested", "requested"];
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
    let mut record = completed(project, step, mail, status, seconds_ago);
    record["requestedAt"] = time.as_str().into();
    record["updatedAt"] = time.as_str().into();
    if ["ready", "failed", "transcoding", "uploaded", "deleting"].contains(&status) {
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

/// A record of the original with what the list needs, which the backfill adds.
fn completed(project: &str, step: i64, mail: &str, status: &str, seconds_ago: u64) -> Value {
    let mut hasher = DefaultHasher::new();
    (project, step, mail).hash(&mut hasher);
    let millis = (SystemTime::now() - Duration::from_secs(seconds_ago)).duration_since(UNIX_EPOCH).unwrap().as_millis();
    json!({
        "ProjectStep": format!("{project}-{step}"),
        "Mail": mail,
        "video": format!("{project}/{step}/0123456789abcdef0123.webm"),
        "status": status,
        "project": project,
        "listedAt": format!("{millis:013}~{:032x}", hasher.finish()),
    })
}

fn time_text(seconds_ago: u64) -> String {
    let time = SystemTime::now() - Duration::from_secs(seconds_ago);
    aws_sdk_dynamodb::primitives::DateTime::from(time)
        .fmt(aws_sdk_dynamodb::primitives::DateTimeFormat::DateTime)
        .unwrap()
}

/// One record of each of [`STATES`], newest first. None of them changes by itself.
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
    let record = |i: usize| {
        let kind = if i == 5 { completed } else { record };
        kind(projects[i], i as i64, mails[i], STATES[i], 3 * 60 * minutes + 13 * minutes * i as u64)
    };
    (0..STATES.len()).map(record).collect()
}

/// Lets the test answer the requests of one method: `answer` is a function of the URL while it is set, and `asked`
/// has the URLs.
fn answering(method: &str) -> String {
    format!(
        "const real = fetch;
        window.asked = [];
        window.answer = null;
        window.fetch = (url, options = {{}}) => {{
            if ((options.method ?? 'GET') !== '{method}') return real(url, options);
            window.asked.push(String(url));
            return window.answer ? window.answer(url, options) : real(url, options);
        }};"
    )
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
    assert_eq!(counts, json!(["6All", "2Requested", "1Uploaded", "1Transcoding", "1Ready", "1Failed", "–Deleting"]));
    let row = browser
        .eval("[...document.querySelectorAll('#rows tr')[1].cells].slice(1, 6).map((cell) => cell.textContent)")
        .await;
    assert_eq!(row, json!([format!("Failed{REASON}"), "ben@example.com", "Alba", "1", "48.2 MB"]));

    browser.click(".count.failed").await;
    world.waits_for_mails(&["ben@example.com"]).await;
    assert_eq!(browser.eval("document.querySelector('.count.failed').ariaPressed").await, "true");
    assert_eq!(browser.text("#range").await, "1–1");
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
    browser.until("counts.children[0].textContent === '–All' && freshness.textContent.includes(':')").await;
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
async fn a_long_list_comes_in_pages_of_fifty_and_a_refresh_keeps_the_place() {
    let world = World::start().await;
    let browser = &world.browser;
    let mail = |i: u64| format!("{i}@example.com");
    let status = |i: u64| if i.is_multiple_of(20) { "failed" } else { "ready" };
    world.put((0..1120).map(|i| record("Alba", (i % 40) as i64, &mail(i), status(i), 7200 + i))).await;
    browser.before_each_page(&answering("GET")).await;
    world.open_admin().await;
    let mails = |range: std::ops::Range<u64>| range.map(mail).collect::<Vec<_>>();
    assert_eq!(world.shown_mails().await, mails(0..50));
    assert_eq!(browser.text(".count").await, "1,056+\nAll");
    assert_eq!(browser.text(".count.ready").await, "1,000+\nReady");
    assert_eq!(browser.text(".count.failed").await, "56\nFailed");

    browser.click("#next").await;
    browser.until("range.textContent === '51–100'").await;
    browser.click("#next").await;
    browser.until("range.textContent === '101–150'").await;
    assert_eq!(world.shown_mails().await, mails(100..150));
    // What arrives meanwhile is on the first page, and moves nothing on this one.
    world.put((5000..5007).map(|i| record("Alba", 0, &mail(i), "ready", i - 4900))).await;
    browser.eval("asked.length = 0, refresh.click(), null").await;
    browser.until("asked.length && freshness.textContent.includes(':')").await;
    assert_eq!(world.shown_mails().await, mails(100..150));
    assert_eq!(browser.text("#range").await, "101–150");
    browser.click("#previous").await;
    browser.until("range.textContent === '51–100'").await;
    assert_eq!(world.shown_mails().await, mails(50..100));
    browser.click("#previous").await;
    browser.until("range.textContent === '1–50' && previous.disabled").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "listTitle");
    assert_eq!(world.shown_mails().await, [mails(5000..5007), mails(0..43)].concat());

    browser.click(".count.failed").await;
    browser.until("location.search === '?status=failed' && range.textContent === '1–50' && !next.disabled").await;
    browser.until("[...rows.children].every((row) => row.textContent.startsWith('Failed'))").await;
    browser.click("#next").await;
    browser.until("range.textContent === '51–56' && next.disabled && rows.children.length === 6").await;
    let list = "asked.filter((url) => /videos[?]/.test(url)).every((url) => url.includes('limit=50'))";
    assert_eq!(browser.eval(list).await, true, "{}", browser.eval("asked").await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_deleted_meanwhile_gives_way_to_the_one_before() {
    let world = World::start().await;
    let browser = &world.browser;
    let records = (0..55).map(|i| record("Alba", 0, &format!("{i}@example.com"), "ready", 7200 + i));
    world.put(records.clone()).await;
    world.open_admin().await;
    browser.click("#next").await;
    browser.until("range.textContent === '51–55'").await;
    let deleted = records.skip(50).map(|mut record| {
        record["status"] = "deleting".into();
        record
    });
    world.put(deleted).await;
    browser.click("#refresh").await;
    browser.until("range.textContent === '1–50' && previous.disabled && next.disabled").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_is_in_the_address_and_never_the_mail() {
    let world = World::at_admin(one_of_each()).await;
    let browser = &world.browser;
    world.filter_by("project", "Alba").await;
    world.waits_for_mails(&["ana@example.com", "ben@example.com", "eva@example.com"]).await;
    world.filter_by("mail", "ben@example.com").await;
    world.waits_for_mails(&["ben@example.com"]).await;
    browser.click(".count.failed").await;
    browser.until("location.search === '?project=Alba&status=failed'").await;
    assert_eq!(browser.eval("location.href.includes('ben') || history.state").await, Value::Null);

    let address = "/admin?project=Alba&step=4&status=requested&mail=ana@example.com";
    browser.open(&format!("{}{address}", world.system.at.api)).await;
    world.sign_in("admin", "local").await;
    world.waits_for_mails(&["eva@example.com"]).await;
    assert_eq!(browser.eval("[project.value, step.value, mail.value]").await, json!(["Alba", "4", ""]));
    assert_eq!(browser.eval("location.search").await, "?project=Alba&step=4&status=requested");
    assert_eq!(browser.eval("document.querySelector('.count.requested').ariaPressed").await, "true");
    browser.click("#clear").await;
    browser.until("rows.children.length === 6 && location.search === ''").await;

    browser.open(&format!("{}/admin?status=constructor", world.system.at.api)).await;
    world.sign_in("admin", "local").await;
    browser.until("rows.children.length === 6 && location.search === ''").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_work_in_progress_refreshes_by_itself_and_keeps_the_focus() {
    let mut transcoding = record("Alba", 0, "ana@example.com", "transcoding", 20);
    let world = World::at_admin([transcoding.clone()]).await;
    let browser = &world.browser;
    browser.until("freshness.textContent.endsWith('updates automatically')").await;
    assert_eq!(browser.eval("document.querySelector('#rows progress').position").await, -1, "no percent is known");
    transcoding["progress"] = 42.into();
    world.put([transcoding]).await;
    browser.until("document.querySelector('#rows progress').value === 42").await;
    browser.eval("document.querySelector('#rows button').focus(), null").await;
    world.put([record("Alba", 0, "ana@example.com", "ready", 1)]).await;
    browser.until("document.querySelector('#rows .badge').textContent === 'Ready'").await;
    assert_eq!(browser.eval("document.activeElement.textContent").await, "Play");
    assert_eq!(browser.eval("document.querySelector('#rows progress')").await, Value::Null);
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
    browser.until("document.querySelector('#rows img').naturalWidth > 0").await;
    assert_eq!(browser.text("#rows .picture span").await, "0:02");
    browser.eval("window.first = document.querySelector('#rows img'), refresh.click(), null").await;
    browser.until("!document.querySelector('#rows[aria-busy]') && freshness.textContent.includes(':')").await;
    assert_eq!(
        browser.eval("document.querySelector('#rows img') === window.first").await,
        true,
        "it is not loaded again"
    );

    browser.click("#rows button").await;
    browser.until("player.readyState >= 2 && player.videoWidth === 1280").await;
    assert_eq!(browser.eval("player.poster.includes('-poster')").await, true);
    assert!(browser.text("#facts").await.contains("1280 × 720"));
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
    browser.until("!dialog.open && !player.src && !player.poster").await;
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
    browser.before_each_page(&answering("POST")).await;
    world.open_admin().await;
    let retries =
        browser.eval("[...document.querySelectorAll('[data-act=true]')].map((button) => button.ariaLabel)").await;
    assert_eq!(retries.as_array().unwrap().len(), 2, "the failed one and the stuck one: {retries}");

    for (status, words) in [(404, "there is no such video"), (409, "this video is not failed")] {
        browser
            .eval(&format!(
                "answer = async () => Response.json({{ Message: '{words}' }}, {{ status: {status} }}), null"
            ))
            .await;
        browser.click("[aria-label='Retry the video of ana+x@example.com, Alba']").await;
        browser.until(&format!("actionProblem.textContent.startsWith('{words}')")).await;
    }
    browser.eval("answer = async () => Response.json({}, { status: 202 }), null").await;
    browser.click("[aria-label='Details of ana+x@example.com, Alba']").await;
    browser.until("dialog.open && facts.textContent.includes('moov atom not found')").await;
    browser.click("#dialogRetry").await;
    browser
        .until(
            "!dialog.open && document.getElementById('status').textContent === 'The video is being processed again.'",
        )
        .await;
    let requested = browser.eval("asked.at(-1)").await;
    assert!(requested.as_str().unwrap().ends_with("/videos/Alba/-1/retry?mail=ana%2Bx%40example.com"), "{requested}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_video_is_deleted_after_a_question_that_names_it() {
    let world = World::start().await;
    let browser = &world.browser;
    let key = world.system.upload("/presignedurl/Alba/3?mail=ana@example.com", media::webm()).await;
    world.system.settled(&key).await;
    world.put([record("Alba", 3, "ben@example.com", "ready", 4000)]).await;
    browser.before_each_page(&answering("DELETE")).await;
    world.open_admin().await;
    world.waits_for_mails(&["ana@example.com", "ben@example.com"]).await;
    browser.click("[aria-label='Play the video of ana@example.com, Alba']").await;
    browser.click("#dialogErase").await;
    let words = "The upload, its results and the record of ana@example.com in Alba, step 3, are deleted for good.";
    browser.until(&format!("window.question?.textContent.includes('{words}')")).await;
    assert_eq!(browser.eval("document.activeElement.textContent").await, "Cancel");
    browser.press(Key::Escape).await;
    browser.until("!document.getElementById('question') && dialog.open").await;
    assert_eq!(browser.eval("asked").await, json!([]));

    browser.click("#dialogErase").await;
    browser.click("#yes").await;
    world.waits_for_mails(&["ben@example.com"]).await;
    browser.until("!dialog.open && !document.getElementById('question')").await;
    assert_eq!(browser.eval("document.getElementById('status').textContent").await, "The files are being deleted.");
    assert_eq!(browser.eval("document.activeElement.id").await, "listTitle");
    let asked = browser.eval("asked").await;
    assert_eq!(asked, json!([format!("{}/videos/Alba/3?mail=ana%40example.com", world.system.at.api)]));
    let left = world.system.video(&key).await;
    assert!(left.as_ref().is_none_or(|record| record["status"] == "deleting"), "{left:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_videos_of_a_person_are_deleted_whatever_the_rest_of_the_filter() {
    let world = World::start().await;
    let browser = &world.browser;
    for (mail, ago) in [("ana@example.com", 4000), ("ben@example.com", 5000)] {
        world
            .put(
                [("Alba", 0), ("spring", 1), ("Alba", 2)]
                    .map(|(project, step)| record(project, step, mail, "ready", ago)),
            )
            .await;
    }
    world.open_admin().await;
    assert_eq!(browser.eval("eraseAll.hidden").await, true);
    browser.fill("#project", "spring").await;
    world.filter_by("mail", "ana@example.com").await;
    world.waits_for_mails(&["ana@example.com"]).await;
    browser.click("#eraseAll").await;
    let words = "All uploads, results and records of ana@example.com, in every project and step, are deleted for good.";
    browser.until(&format!("window.question?.textContent.includes('{words}')")).await;
    browser.click("#no").await;
    browser.until("!document.getElementById('question')").await;
    browser.click("#eraseAll").await;
    browser.click("#yes").await;
    browser.until("!document.getElementById('question') && !empty.hidden").await;
    browser.click("#clear").await;
    world.waits_for_mails(&["ben@example.com"; 3]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_many_videos_is_deleted_in_parts_and_a_refusal_is_shown() {
    let world = World::start().await;
    let browser = &world.browser;
    world.put([record("Alba", 3, "ana@example.com", "ready", 4000)]).await;
    browser.before_each_page(&answering("DELETE")).await;
    world.open_admin().await;
    world.filter_by("mail", "ana@example.com").await;
    browser.until("!eraseAll.hidden").await;

    browser
        .eval(
            "answer = async () => asked.length < 3
                ? Response.json({ deleting: 500, more: true }, { status: 202 })
                : Response.json({ Message: 'there is no video of this mail' }, { status: 404 }), null",
        )
        .await;
    browser.click("#eraseAll").await;
    browser.click("#yes").await;
    browser.until("!document.getElementById('question') && asked.length === 3").await;
    assert!(browser.eval("asked[2]").await.as_str().unwrap().ends_with("/videos?mail=ana%40example.com"));

    for (status, message) in [(404, "there is no video of this mail"), (409, "not now"), (503, "try again")] {
        let answer = format!("answer = async () => Response.json({{ Message: '{message}' }}, {{ status: {status} }})");
        browser.eval(&format!("{answer}, null")).await;
        browser.click("#eraseAll").await;
        browser.click("#yes").await;
        browser.until(&format!("window.questionProblem?.textContent === '{message}' && !yes.disabled")).await;
        browser.click("#no").await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_being_deleted_is_a_state_of_its_own() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.language("es").await;
    world
        .put([
            record("Alba", 0, "ana@example.com", "deleting", 4000),
            record("Alba", 1, "ben@example.com", "ready", 4000),
        ])
        .await;
    world.open_admin().await;
    world.waits_for_mails(&["ben@example.com"]).await;
    // Without its object it is gone for good in a moment; here the page shows what the API would still list.
    let list = json!([record("Alba", 0, "ana@example.com", "deleting", 4000)]);
    browser
        .eval_with(
            "const real = fetch;
            window.fetch = async (url, options) => String(url).includes('status=deleting')
                ? Response.json(arguments[0]) : real(url, options);
            return null;",
            [list],
        )
        .await;
    browser.click(".count.deleting").await;
    world.waits_for_mails(&["ana@example.com"]).await;
    assert_eq!(browser.text("#rows .badge").await, "Eliminando");
    assert_eq!(browser.eval("location.search").await, "?status=deleting");
    assert_eq!(browser.eval("rows.querySelector('.row-actions').textContent").await, "Detalles");
    browser.click("#rows button").await;
    browser.until("dialog.open && dialogErase.hidden && dialogRetry.hidden").await;
    world.end().await;
}

/// Makes the page build the file in memory, and keeps what it would download.
const CATCH_DOWNLOAD: &str = "delete window.showSaveFilePicker, window.made = [],
    URL.createObjectURL = (blob) => (made.push(blob), 'blob:x'),
    HTMLAnchorElement.prototype.click = function () { made.push(this.download); }, null";

#[tokio::test(flavor = "multi_thread")]
async fn the_list_can_be_downloaded_as_csv() {
    let world = World::start().await;
    let browser = &world.browser;
    let mut odd = record("Alba", -4, "=1+1@example.com", "failed", 4000);
    odd["error"] = "a \"quoted\" reason,\nin two lines".into();
    let mut hidden = record("Alba", 7, "a;=1@example.com", "failed", 4500);
    hidden["error"] = "-1\n=2; @3\t+4;\"=5\r＝6, a=b; c-d".into();
    world.put([odd, hidden, record("Alba", 2, "ñandú@example.com", "ready", 5000)]).await;
    world.open_admin().await;
    browser.eval(CATCH_DOWNLOAD).await;
    browser.click("#csv").await;
    browser.until("made.length === 2 && csv.textContent === 'Download CSV'").await;
    let csv = browser.eval("return made[0].text();").await;
    let csv = csv.as_str().unwrap();
    let bytes =
        browser.eval("return made[0].arrayBuffer().then((buffer) => [...new Uint8Array(buffer)].slice(0, 3));").await;
    assert_eq!(bytes, json!([0xEF, 0xBB, 0xBF]));
    let lines: Vec<_> = csv.trim_start_matches('\u{FEFF}').split("\r\n").collect();
    let facts = r#""status","project","step","Mail","size","duration","width","height","truncated","requestedAt""#;
    assert!(lines[0].starts_with(facts), "{csv}");
    assert!(lines[1].starts_with("\"failed\",\"Alba\",\"-4\",\"'=1+1@example.com\",\"48213377\""), "{csv}");
    assert!(lines[1].ends_with("\"a \"\"quoted\"\" reason,\nin two lines\""), "{csv}");
    assert!(lines[2].starts_with("\"failed\",\"Alba\",\"7\",\"a;'=1@example.com\""), "{csv}");
    assert!(lines[2].ends_with("\"'-1\n'=2;' @3\t'+4;'\"\"=5\r'＝6, a=b; c-d\""), "{csv}");
    assert!(lines[3].starts_with("\"ready\",\"Alba\",\"2\",\"ñandú@example.com\""), "{csv}");
    assert_eq!(lines.len(), 5);
    assert!(browser.eval("made[1]").await.as_str().unwrap().ends_with(".csv"));
    assert_eq!(browser.eval("document.getElementById('status').textContent").await, "The CSV file is complete.");
    world.end().await;
}

/// A file that the person chose: it keeps what is written, and how it ended.
const CATCH_FILE: &str = "window.written = [], window.ended = '',
    window.showSaveFilePicker = async ({ suggestedName }) => ({ createWritable: async () => ({
        write: async (text) => { written.push(text); },
        close: async () => { ended = `${suggestedName} closed`; },
        abort: async () => { ended = 'aborted'; },
    }) }), null";

#[tokio::test(flavor = "multi_thread")]
async fn csv_of_a_long_list_is_written_as_it_comes_and_can_be_cancelled() {
    let world = World::start().await;
    let browser = &world.browser;
    let status = |i: u64| if i.is_multiple_of(11) { "failed" } else { "ready" };
    world
        .put((0..1100).map(|i| record("Alba", (i % 40) as i64, &format!("{i}@example.com"), status(i), 7200 + i)))
        .await;
    browser.before_each_page(&answering("GET")).await;
    world.open_admin().await;
    browser.click(".count.ready").await;
    browser.until("location.search === '?status=ready' && freshness.textContent.includes(':')").await;
    browser.eval(CATCH_FILE).await;
    browser.eval("asked.length = 0, null").await;
    browser.click("#csv").await;
    browser.until("ended.endsWith('.csv closed') && csv.textContent === 'Download CSV'").await;
    let rows = "written.map((text) => text.split('\\r\\n').length - 1)";
    assert_eq!(browser.eval(rows).await, json!([1, 500, 500]));
    let mails = browser.eval("written.join('').split('\\r\\n').slice(1, -1).map((line) => line.split('\"')[7])").await;
    let expected: Vec<_> = (0..1100).filter(|i| status(*i) == "ready").map(|i| format!("{i}@example.com")).collect();
    assert_eq!(mails, json!(expected));
    let pages = "asked.filter((url) => url.includes('limit=500') && url.includes('status=ready')).length";
    assert_eq!(browser.eval(pages).await, 2);

    // The second page does not come, and the person does not wait for it.
    browser
        .eval(
            "written.length = 0, ended = '', answer = (url, { signal }) => url.includes('cursor=')
                ? new Promise((_, reject) => {
                    signal.throwIfAborted();
                    signal.addEventListener('abort', () => reject(signal.reason));
                })
                : Response.json([{ ProjectStep: 'Alba-0', Mail: 'ana@example.com' }], {
                    headers: { Link: '</videos?limit=500&cursor=a%2Bb>; rel=\"next\"' },
                }), null",
        )
        .await;
    browser.click("#csv").await;
    browser.until("csv.textContent === 'Cancel CSV (1)'").await;
    assert!(browser.eval("asked.at(-1)").await.as_str().unwrap().contains("cursor=a%2Bb"));
    browser.click("#csv").await;
    browser.until("ended === 'aborted' && csv.textContent === 'Download CSV'").await;
    assert_eq!(browser.eval("actionProblem.hidden").await, true);

    // One lost answer is asked for again; a second one in a row is shown.
    browser.eval("ended = '', asked.length = 0, answer = async () => { throw new TypeError('no'); }, null").await;
    browser.click("#csv").await;
    browser.until("ended === 'aborted' && actionProblem.textContent.startsWith('The server is not responding')").await;
    assert_eq!(browser.eval("asked.length").await, 2);
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

#[tokio::test(flavor = "multi_thread")]
async fn links_are_made_from_a_pasted_list_and_can_be_copied_saved_and_used() {
    let world = World::start().await;
    let browser = &world.browser;
    let watch = "window.copied = '', window.saved = '';
        navigator.clipboard.writeText = async (text) => { copied = text; };
        window.showSaveFilePicker = async () => ({
            createWritable: async () => ({ write: (text) => { saved += text; }, close: () => { saved += 'end'; } }),
        });";
    browser.before_each_page(watch).await;
    world.open_admin().await;
    browser.click("#links").await;
    browser.until("linksDialog.open").await;
    assert_eq!(browser.eval("[linksStep.value, linksMade.hidden]").await, json!(["0", true]));
    browser.click("#linksMake").await;
    browser.until("linksProblem.textContent.startsWith('Enter a project')").await;
    browser.fill("#linksProject", "Alba").await;
    browser.fill("#linksStep", "2").await;
    browser
        .fill("#linksMails", "Ana Gil <ana@example.com>; ben@example.com\nana@example.com =carmen@example.com")
        .await;
    browser.click("#linksMake").await;
    browser.until("linksCount.textContent === 'Links made: 3'").await;
    let list = browser.eval("linksList.value").await;
    let lines: Vec<_> = list.as_str().unwrap().lines().map(|line| line.split_once('\t').unwrap()).collect();
    let mails: Vec<_> = lines.iter().map(|(mail, _)| *mail).collect();
    assert_eq!(mails, ["ana@example.com", "ben@example.com", "=carmen@example.com"]);
    assert_eq!(browser.eval("linksProblem.hidden").await, true);

    browser.click("#linksCopy").await;
    browser.until("linksStatus.textContent === 'Links copied.'").await;
    assert_eq!(browser.eval("copied").await, list);
    browser.click("#linksCsv").await;
    browser.until("saved.endsWith('end')").await;
    let csv = browser.eval("saved").await;
    let rows: Vec<_> = csv.as_str().unwrap().split("\r\n").collect();
    assert_eq!((rows.len(), rows[0]), (5, "\u{feff}\"mail\",\"url\",\"expiresAt\""));
    assert!(rows[1].starts_with(&format!("\"ana@example.com\",\"{}\",\"2", lines[0].1)), "{csv}");
    assert!(rows[3].starts_with("\"'=carmen@example.com\""), "{csv}");

    browser.click("#linksClose").await;
    browser.until("linksList.value === '' && linksMails.value === '' && linksMade.hidden").await;
    browser.click("#refresh").await;
    browser.until("rows.children.length === 3").await;
    let (_, link) = lines[1];
    browser.open(link).await;
    world.upload_shows("choose").await;
    assert!(browser.text("#lead").await.starts_with("Project Alba, step 2."));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_list_of_mails_says_which_rule_it_breaks() {
    let world = World::start().await;
    let browser = &world.browser;
    world.open_admin().await;
    browser.click("#links").await;
    browser.until("linksDialog.open").await;
    browser.fill("#linksProject", "-Alba").await;
    browser.fill("#linksMails", "ana@example.com").await;
    browser.click("#linksMake").await;
    browser.until("linksProblem.textContent.startsWith('project must')").await;
    browser.fill("#linksProject", "Alba").await;
    browser.fill("#linksMails", "ana@example.com a@b@c").await;
    browser.click("#linksMake").await;
    browser.until("linksProblem.textContent.startsWith('mails[1]: ')").await;
    assert_eq!(browser.eval("linksMade.hidden").await, true);
    world.end().await;
}
