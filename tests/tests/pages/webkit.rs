//! The two main flows in a second engine, WebKit: choosing and sending a video, seeing and playing it.
//!
//! WebKitGTK's recorder ends with an empty video here, so recording is tested in Chromium alone.

use video_tests::media;

use crate::World;
use crate::browser::Browser;

#[tokio::test(flavor = "multi_thread")]
async fn webkit_sends_a_chosen_video_and_plays_the_result_in_the_admins_list() {
    let world = World::start_in(Browser::start_webkit().await, &[]).await;
    let browser = &world.browser;
    world.open_upload().await;
    world.choose("holiday.mp4", &media::small_mp4()).await;
    assert!(browser.text("#facts").await.starts_with("holiday.mp4"));
    world.send_until("done").await;

    world.open_admin().await;
    browser.until("document.querySelector('#rows .badge')?.classList.contains('ready')").await;
    assert_eq!(browser.text("td.mail").await, "ana+video@example.com");
    browser.until("document.querySelector('#rows img')?.naturalWidth > 0").await;
    browser.click("#rows button").await;
    browser.until("document.getElementById('player').readyState >= 2").await;
    browser.eval("document.getElementById('player').play() && null").await;
    browser.until("document.getElementById('player').currentTime > 0.3").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webkit_sends_a_large_video_in_parts_and_its_link_shows_the_result() {
    let world = World::start_in(Browser::start_webkit().await, &[]).await;
    let browser = &world.browser;
    browser.open(&world.link("ana@example.com").await).await;
    let mut large = media::small_mp4();
    // Behind the video there may be anything.
    large.resize(33 << 20, 0);
    world.choose("holiday.mp4", &large).await;
    world.send_until("processing").await;
    world.upload_shows("result").await;
    browser.until("result.readyState >= 2 && result.videoWidth > 0").await;
    let videos = world.system.videos("").await;
    assert_eq!((&videos[0]["status"], &videos[0]["size"]), (&"ready".into(), &(33 << 20).into()), "{videos:?}");
    world.end().await;
}
