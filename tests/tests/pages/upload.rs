//! The upload page, used as people use it.

use serde_json::Value;
use thirtyfour::Key;
use video_tests::{eventually, media};

use crate::World;

const KEY: &str = "Alba/2/";
/// The page's first request for a form.
const FORM: &str = "performance.getEntriesByType('resource').find(({ name }) => name.includes('/presignedurl/'))";
/// Long enough for a page on a busy machine to use a new form in time, short enough to wait until it expires.
const SHORT_FORM: (&str, &str) = ("UPLOAD_EXPIRES_SECONDS", "10");

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_goes_up_and_plays_in_the_admins_list() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.record().await;
    world.send_until("done").await;
    assert_eq!(browser.text("#doneTitle").await, "Your video has arrived");

    world.open_admin().await;
    assert_eq!(browser.text("td.mail").await, "ana+video@example.com");
    browser.until("document.querySelector('#rows .badge')?.classList.contains('ready')").await;
    browser.click("#rows button").await;
    browser.until("document.getElementById('player').readyState >= 2").await;
    let player = browser.eval("[player.videoWidth, player.videoHeight, player.duration, player.error]").await;
    assert!((1..=1280).contains(&player[0].as_u64().unwrap()), "{player}");
    assert!((1..=720).contains(&player[1].as_u64().unwrap()), "{player}");
    assert!((2.5..5.0).contains(&player[2].as_f64().unwrap()), "{player}");
    browser.eval("document.getElementById('player').play() && null").await;
    browser.until("document.getElementById('player').currentTime > 0.3").await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_can_be_previewed_discarded_and_made_again() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    browser.click("#openCamera").await;
    world.upload_shows("camera").await;
    browser.click("#closeCamera").await;
    world.upload_shows("choose").await;
    assert_eq!(browser.eval("live.srcObject").await, Value::Null);

    world.record().await;
    browser.until("preview.duration > 2 && preview.duration < 1000 && preview.currentTime === 0").await;
    browser.click("#again").await;
    world.upload_shows("camera").await;
    browser.until("live.srcObject?.active").await;
    browser.click("#start").await;
    browser.until("elapsed.textContent >= '0:01'").await;
    browser.click("#stop").await;
    world.upload_shows("preview").await;
    browser.click("#discard").await;
    world.upload_shows("choose").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "openCamera");
    assert_eq!(world.forms_and_posts().await, (0, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_cannot_be_used_is_explained() {
    let world = World::start().await;
    let browser = &world.browser;
    for (error, words) in
        [("NotAllowedError", "Allow it"), ("NotFoundError", "No camera"), ("NotReadableError", "another program")]
    {
        world.open_upload().await;
        let refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', arguments[0]));";
        browser.eval_with(refuse, [error.into()]).await;
        browser.click("#openCamera").await;
        browser.until("!problem.hidden").await;
        assert!(browser.text("#problem").await.contains(words), "{error}");
        assert_eq!(browser.eval("stage.dataset.now").await, "choose");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chosen_file_goes_up_under_its_own_type() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.choose("holiday.MOV", &media::small_mp4()).await;
    assert!(browser.text("#facts").await.starts_with("holiday.MOV"));
    world.send_until("done").await;
    let videos = world.system.videos("").await;
    assert_eq!(videos.len(), 1);
    let key = videos[0]["video"].as_str().unwrap();
    assert!(key.starts_with(KEY) && key.ends_with(".mov"), "{key}");
    assert_eq!(world.system.settled(key).await["status"], "ready");

    browser.click("#another").await;
    world.upload_shows("choose").await;
    drop_file(&world, "second.webm", &media::small_webm()).await;
    world.upload_shows("preview").await;
    world.send_until("done").await;
    world.end().await;
}

/// Drops a file onto the page, as the desktop would.
async fn drop_file(world: &World, name: &str, content: &[u8]) {
    let drop = "const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(arguments[1])], arguments[0]));
        document.body.dispatchEvent(new DragEvent('drop', { bubbles: true, cancelable: true, dataTransfer: data }));";
    world.browser.eval_with(drop, [name.into(), content.into()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_type_an_empty_file_and_a_too_large_one_are_refused_before_anything_is_sent() {
    let world = World::at_upload_with(&[("MAX_UPLOAD_BYTES", "100000")]).await;
    let browser = &world.browser;
    for (name, content, words) in [
        ("notes.pdf", &b"%PDF"[..], "“notes.pdf” cannot be sent: only WebM, MP4 and MOV"),
        ("film.mkv", b"mkv", "“film.mkv” cannot be sent"),
        ("photo.jpg", b"jpg", "“photo.jpg” cannot be sent"),
        ("no-extension", b"x", "“no-extension” cannot be sent"),
        ("empty.mp4", b"", "“empty.mp4” is empty"),
    ] {
        browser.attach("#file", &world.file(name, content)).await;
        browser.until(&format!("problem.textContent.includes('{words}')")).await;
        assert_eq!(browser.eval("stage.dataset.now").await, "choose");
    }
    assert_eq!(world.forms_and_posts().await, (0, 0));

    world.choose("large.webm", &vec![1; 100_001]).await;
    browser.click("#send").await;
    browser.until("!problem.hidden").await;
    assert_eq!(
        browser.text("#problem").await,
        "This video is too large: the limit is 100 kB. Choose a smaller one or record a shorter one."
    );
    assert_eq!(world.forms_and_posts().await, (0, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn details_that_break_a_rule_are_marked_and_nothing_is_requested() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.open(&format!("{}/upload?project=-Alba&step=two&mail=ana", world.system.at.api)).await;
    world.choose("a.webm", b"webm").await;
    browser.click("#send").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "mail");
    for field in ["mail", "project", "step"] {
        assert_eq!(browser.eval(&format!("{field}.getAttribute('aria-invalid')")).await, "true", "{field}");
        assert!(!browser.text(&format!("#{field}Problem")).await.is_empty(), "{field}");
    }
    browser.fill("#mail", "ana@example.com").await;
    browser.fill("#project", "Alba").await;
    browser.fill("#step", "-3").await;
    browser.press(Key::Tab).await;
    assert_eq!(browser.eval("document.querySelectorAll('[aria-invalid]').length").await, 0);
    world.send_until("done").await;
    assert_eq!(world.system.videos("?project=Alba&step=-3&mail=ana@example.com").await.len(), 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_s3_cannot_be_reached_and_is_back_a_retry_sends_the_same_form() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.choose("a.webm", &media::small_webm()).await;
    world.s3.cut().await;
    world.send_until("failed").await;
    assert_eq!(browser.text("#failure").await, "The connection to the storage service was lost.");
    let (_, posts) = world.forms_and_posts().await;
    browser.click("#retry").await;
    eventually("a second try", async || (world.forms_and_posts().await.1 > posts).then_some(())).await;
    world.upload_shows("failed").await;

    world.s3.restore().await;
    browser.click("#retry").await;
    world.upload_shows("done").await;
    assert_eq!(world.forms_and_posts().await.0, 1, "the form is still good");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_whose_connection_breaks_halfway_can_be_retried() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.s3.slow().await;
    world.choose("a.webm", &vec![7; 30_000_000]).await;
    browser.click("#send").await;
    browser.until("progress.value > 0.1 && /left$/.test(left.textContent)").await;
    assert!(browser.text("#sent").await.ends_with("MB of 30 MB"));
    world.s3.cut().await;
    world.upload_shows("failed").await;
    world.s3.restore().await;
    browser.click("#retry").await;
    world.upload_shows("done").await;
    let key = world.system.videos("").await[0]["video"].as_str().unwrap().to_owned();
    let stored = world.system.s3().head_object().bucket(world.system.at.media_bucket).key(&key).send().await.unwrap();
    assert_eq!(stored.content_length(), Some(30_000_000));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_form_is_replaced_by_a_new_one() {
    let world = World::at_upload_with(&[SHORT_FORM]).await;
    let browser = &world.browser;
    world.choose("a.webm", &media::small_webm()).await;
    world.s3.cut().await;
    world.send_until("failed").await;
    assert_eq!(world.forms_and_posts().await.0, 1);
    world.s3.restore().await;
    browser.until(&format!("{FORM}.responseEnd + 10_500 < performance.now()")).await;
    browser.click("#retry").await;
    world.upload_shows("done").await;
    assert_eq!(world.forms_and_posts().await.0, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_s3_rejects_as_expired_is_not_used_again() {
    let world = World::at_upload_with(&[SHORT_FORM]).await;
    let browser = &world.browser;
    world.choose("a.webm", &media::small_webm()).await;
    world.s3.hold().await;
    browser.click("#send").await;
    browser.until(&format!("{FORM}?.responseEnd + 10_500 < performance.now()")).await;
    world.s3.restore().await;
    world.upload_shows("failed").await;
    assert!(browser.text("#failure").await.starts_with("The storage service rejected the video: "));
    browser.click("#retry").await;
    world.upload_shows("done").await;
    assert_eq!(world.forms_and_posts().await.0, 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_can_be_cancelled_and_sent_later() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.s3.slow().await;
    world.choose("a.webm", &vec![7; 20_000_000]).await;
    browser.click("#send").await;
    browser.until("progress.value > 0").await;
    browser.click("#cancel").await;
    world.upload_shows("preview").await;
    assert_eq!(
        browser.eval("document.getElementById('status').textContent").await,
        "The upload was cancelled. Your video is still here."
    );
    world.s3.restore().await;
    assert_eq!(world.system.videos("").await[0]["status"], "requested");
    world.send_until("done").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_api_fails_or_does_not_respond_the_page_says_so() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.choose("a.webm", b"webm").await;
    browser
        .eval("window.realFetch = fetch, window.fetch = () => Promise.reject(new TypeError('Failed to fetch')), null")
        .await;
    world.send_until("failed").await;
    assert_eq!(browser.text("#failure").await, "The server is not responding. Check your connection.");
    let refuse = "const body = { Code: 'ServiceUnavailableError', Message: 'please try again' };
        window.fetch = () => Promise.resolve(Response.json(body, { status: 503 }));
        return null;";
    browser.eval(refuse).await;
    browser.click("#retry").await;
    browser.until("failure.textContent === 'please try again'").await;
    browser.eval("window.fetch = window.realFetch, null").await;
    browser.click("#retry").await;
    world.upload_shows("done").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_does_a_whole_upload() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.open(&format!("{}/upload", world.system.at.api)).await;
    tab_to(&world, "mail").await;
    browser.press("ana@example.com").await;
    tab_to(&world, "project").await;
    browser.press("Alba").await;
    tab_to(&world, "openCamera").await;
    browser.press(Key::Enter).await;
    world.upload_shows("camera").await;
    browser.until("document.activeElement.id === 'start' && live.videoWidth > 0").await;
    browser.press(Key::Enter).await;
    browser.until("document.activeElement.id === 'stop' && elapsed.textContent >= '0:01'").await;
    browser.press(Key::Space).await;
    world.upload_shows("preview").await;
    browser.until("document.activeElement.id === 'send'").await;
    browser.press(Key::Enter).await;
    world.upload_shows("done").await;
    browser.until("document.activeElement.id === 'doneTitle'").await;
    tab_to(&world, "another").await;
    assert_eq!(world.system.videos("?project=Alba&step=0&mail=ana@example.com").await.len(), 1);
    world.end().await;
}

/// Presses Tab until the element has the focus, and checks that the focus stays visible.
async fn tab_to(world: &World, id: &str) {
    for _ in 0..12 {
        world.browser.press(Key::Tab).await;
        let shown = "const at = document.activeElement;
            const around = at.id === 'file' ? at.parentElement : at;
            return [at.id, getComputedStyle(around).outlineStyle];";
        let focus = world.browser.eval(shown).await;
        if focus[0] == id {
            assert_ne!(focus[1], "none", "{id} shows its focus");
            return;
        }
    }
    panic!("Tab does not lead to {id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_with_an_unsent_recording_asks_first() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let leaving = "const event = new Event('beforeunload', { cancelable: true });
        dispatchEvent(event);
        return event.defaultPrevented;";
    assert_eq!(browser.eval(leaving).await, false);
    world.record().await;
    assert_eq!(browser.eval(leaving).await, true);
    world.send_until("done").await;
    assert_eq!(browser.eval(leaving).await, false);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_speaks_spanish_to_a_spanish_browser() {
    let world = World::start().await;
    let browser = &world.browser;
    browser.language("es-ES").await;
    world.open_upload().await;
    assert_eq!(browser.text("h1").await, "Envía tu vídeo");
    assert_eq!(browser.eval("document.documentElement.lang").await, "es");
    assert_eq!(browser.eval("document.title").await, "Envía tu vídeo");
    browser.language("fr-FR").await;
    world.open_upload().await;
    assert_eq!(browser.text("h1").await, "Send your video");
    world.end().await;
}
