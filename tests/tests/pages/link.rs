//! The page of an upload link, in every state of its video.

use reqwest::Method;
use video_tests::media;

use crate::World;
use crate::admin::record;

const MAIL: &str = "ana@example.com";

impl World {
    /// Starts with the page of a link open.
    async fn at_link() -> Self {
        let world = Self::start().await;
        let link = world.link(MAIL).await;
        world.browser.open(&link).await;
        world
    }

    /// Puts the link's video into this state.
    async fn put_link_video(&self, status: &str) {
        self.put([record("Alba", 2, MAIL, status, 60)]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invited_person_sends_a_video_and_sees_it_become_ready() {
    let world = World::at_link().await;
    let browser = &world.browser;
    world.upload_shows("choose").await;
    assert!(browser.text("#lead").await.starts_with("Project Alba, step 2. This link is valid until "));
    assert_eq!(browser.eval("detailsForm.checkVisibility()").await, false);
    world.choose("a.webm", &media::webm()).await;
    world.send_until("processing").await;
    assert_eq!(browser.eval("document.activeElement.id").await, "processingTitle");
    assert_eq!(browser.text("#processingTitle").await, "Your video has arrived");
    world.upload_shows("result").await;
    browser.until("result.readyState >= 2 && result.videoWidth > 0").await;
    let videos = world.system.videos("").await;
    assert_eq!((videos.len(), &videos[0]["Mail"]), (1, &MAIL.into()));

    let link = browser.eval("location.href").await;
    browser.open(link.as_str().unwrap()).await;
    world.upload_shows("result").await;
    browser.until("result.readyState >= 2").await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());

    browser.click("[data-state=result] .another").await;
    world.upload_shows("choose").await;
    world.choose("b.webm", &media::small_webm()).await;
    world.send_until("processing").await;
    world.upload_shows("result").await;
    browser.until("result.readyState >= 2 && result.videoWidth === 160").await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_processed_is_said_and_another_one_can_be_sent() {
    let world = World::at_link().await;
    let browser = &world.browser;
    world.choose("a.webm", b"no video").await;
    world.send_until("unusable").await;
    assert_eq!(browser.text("#unusableTitle").await, "Your video could not be processed");
    browser.click("[data-state=unusable] .another").await;
    world.upload_shows("choose").await;
    world.choose("b.webm", &media::small_webm()).await;
    browser.click("#send").await;
    world.upload_shows("result").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_state_of_a_video_has_its_words_and_is_followed() {
    let world = World::start().await;
    let browser = &world.browser;
    let link = world.link(MAIL).await;
    for (status, words) in
        [("uploaded", "It will be processed in a moment."), ("transcoding", "It is being processed.")]
    {
        world.put_link_video(status).await;
        browser.open(&link).await;
        world.upload_shows("processing").await;
        assert_eq!(browser.text("#processingText").await, words);
    }
    world.put_link_video("failed").await;
    world.upload_shows("unusable").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_forged_or_whose_video_was_deleted_says_so() {
    let world = World::start().await;
    let browser = &world.browser;
    let link = world.link(MAIL).await;
    for forged in [format!("{link}x"), format!("{}/u/x", world.system.at.api)] {
        browser.open(&forged).await;
        world.upload_shows("closed").await;
        assert_eq!(browser.text("#closedTitle").await, "This link is invalid or has expired");
    }
    browser.open(&link).await;
    world.upload_shows("choose").await;
    world.choose("a.webm", b"webm").await;
    let delete = world.system.send_as_admin(Method::DELETE, &format!("/videos/Alba/2?mail={MAIL}")).await;
    assert_eq!(delete.status(), 202);
    world.send_until("closed").await;
    assert_eq!(browser.text("#closedTitle").await, "The video of this link was deleted");
    browser.open(&link).await;
    world.upload_shows("closed").await;
    assert_eq!(browser.text("#closedTitle").await, "The video of this link was deleted");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_page_waits_for_an_api_that_does_not_respond() {
    let world = World::start().await;
    let browser = &world.browser;
    let link = world.link(MAIL).await;
    let fail = "const real = fetch;
        window.fails = true;
        window.fetch = async (url, options) => {
            if (fails && String(url).includes('/u/')) throw new TypeError('Failed to fetch');
            return real(url, options);
        };";
    browser.before_each_page(fail).await;
    browser.open(&link).await;
    world.upload_shows("checking").await;
    assert_eq!(browser.text("#problem").await, "The server is not responding. Check your connection.");
    browser.eval("window.fails = false, null").await;
    world.upload_shows("choose").await;
    assert_eq!(browser.eval("problem.hidden").await, true);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_is_kept_for_its_own_link_only() {
    let world = World::at_link().await;
    let browser = &world.browser;
    let own = browser.eval("location.href").await;
    world.record().await;
    // The recording is stored a moment after it is shown.
    loop {
        browser.open(own.as_str().unwrap()).await;
        browser.until("stage.dataset.now").await;
        if browser.eval("stage.dataset.now").await == "preview" {
            break;
        }
        world.record().await;
    }
    let other = world.link("ben@example.com").await;
    browser.open(&other).await;
    world.upload_shows("choose").await;
    world.open_upload().await;
    world.upload_shows("choose").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_required_link_is_asked_for_on_the_open_page() {
    let world = World::at_upload_with(&[("REQUIRE_UPLOAD_LINK", "true")]).await;
    world.choose("a.webm", b"webm").await;
    world.send_until("failed").await;
    assert_eq!(world.browser.text("#failure").await, "an upload needs an upload link");
    world.end().await;
}
