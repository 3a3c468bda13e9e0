//! Real videos through the whole system, with both transcoders.

use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_tests::TestSystem;
use video_tests::media::{self, Facts};

/// Every recorded format and shape: its name, and the width, height and sound of its result.
type Shape = (&'static str, fn() -> Vec<u8>, (u64, u64), bool);
const SHAPES: [Shape; 12] = [
    ("chromium.webm", media::webm, (1280, 720), true),
    ("firefox.webm", media::firefox_webm, (640, 480), true),
    ("safari.mp4", media::safari_mp4, (1280, 720), true),
    ("iphone.mov", media::hevc_mov, (1280, 720), true),
    ("upright.mp4", media::portrait_mp4, (404, 720), true),
    ("silent.mp4", media::silent_mp4, (1280, 720), false),
    ("small.mp4", media::small_mp4, (320, 240), true),
    ("wide-pixels.mp4", media::anamorphic_mp4, (768, 576), true),
    ("fast-4x3.mov", media::mov, (960, 720), true),
    ("mono.mov", media::mono_mov, (1280, 532), true),
    ("odd.avi", media::odd_avi, (318, 238), false),
    ("tall.mkv", media::tall_mkv, (144, 720), false),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_format_becomes_720p_with_a_poster_and_its_facts() {
    let files = SHAPES.map(|(name, make, ..)| (format!("shapes/0/{name}"), make()));
    let with = async |kind| {
        let system = TestSystem::start_with_transcoder(kind).await;
        for (key, file) in &files {
            system.put(key, file.clone()).await;
        }
        for ((name, _, size, sound), (key, _)) in SHAPES.iter().zip(&files) {
            let video = system.settled(key).await;
            assert_is_ready(&system, &video, *size).await;
            assert_web_preset(name, &Facts::of(&system.play(&video).await), *size, *sound);
        }
    };
    futures_util::future::join_all(TranscoderKind::ALL.map(with)).await;
}

async fn assert_is_ready(system: &TestSystem, video: &Value, (width, height): (u64, u64)) {
    assert_eq!(video["status"], "ready", "{video}");
    assert_eq!((&video["width"], &video["height"]), (&json!(width), &json!(height)), "{video}");
    assert!([2, 3].map(Value::from).contains(&video["duration"]), "{video}");
    assert_eq!(video.get("progress"), None, "{video}");
    assert_has_a_poster(system, video).await;
}

/// Asserts what the Web preset guarantees for every result.
fn assert_web_preset(name: &str, facts: &Facts, (width, height): (u64, u64), sound: bool) {
    assert_eq!((facts.width, facts.height), (width, height), "{name}: {facts:?}");
    assert_eq!(facts.video, "h264/Main/31", "{name}");
    assert_eq!((facts.references, facts.pixels.as_str()), (3, "yuv420p"), "{name}");
    assert_eq!(facts.frames_per_second, "30/1", "{name}");
    assert!(!facts.is_rotated, "{name}: players need not rotate it");
    assert!(["1:1", ""].contains(&facts.pixel_shape.as_str()), "{name}: {facts:?}");
    assert!((1.8..2.4).contains(&facts.seconds), "{name}: {facts:?}");
    assert!(facts.bits_per_second < 2_200_000.0 * 1.5 + 160_000.0, "{name}: {facts:?}");
    assert!(facts.fast_start, "{name}: playback can start before the last byte is downloaded");
    assert_eq!(facts.sound.as_deref(), sound.then_some("aac/LC/44100/2"), "{name}");
}

async fn assert_has_a_poster(system: &TestSystem, video: &Value) {
    let (poster, output) = (video["poster"].as_str().unwrap(), video["output"].as_str().unwrap());
    assert!(poster.starts_with("output/web/shapes/0/") && poster != output, "{video}");
    let response = system.http.get(video["preview"].as_str().unwrap()).send().await.unwrap();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(["image/jpeg", "image/png"].contains(&content_type.as_str()), "{content_type} of {video}");
    assert!(response.bytes().await.unwrap().len() > 100, "{video}");
}

#[tokio::test]
async fn results_are_named_as_the_original_and_mediaconvert_name_them() {
    for (kind, extension) in [(TranscoderKind::ElasticTranscoder, "webm"), (TranscoderKind::MediaConvert, "mp4")] {
        let system = TestSystem::start_with_transcoder(kind).await;
        let form = "/presignedurl/Alba/0?mail=Eduard@orkei.com&type=video/webm";
        let video = system.settled(&system.upload(form, media::small_webm()).await).await;
        assert_eq!(video["output"], format!("output/web/Alba/0/c5e866594d810c0c3e1f.{extension}"));
        assert_eq!(video["transcoder"], kind.as_str());
    }
}

#[tokio::test]
async fn a_file_without_a_picture_fails_with_the_reason() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        system.put("p/0/sound.webm", media::sound_webm()).await;
        system.put("p/0/frameless.webm", media::frameless_webm()).await;
        let reason = failed_with_a_reason(&system, "p/0/sound.webm").await;
        assert!(reason.contains("The file has no video in it"), "{reason}");
        let reason = failed_with_a_reason(&system, "p/0/frameless.webm").await;
        assert!(reason.contains("it ends before its first frame"), "{reason}");
    }
}

#[tokio::test]
async fn eight_hours_are_ready_with_their_duration() {
    let system = TestSystem::start_with(|options| {
        options.transcoder = TranscoderKind::MediaConvert;
        options.variables.push(owned(("MAX_VIDEO_MINUTES", "0")));
    });
    let system = system.await;
    system.put("p/0/long.mp4", media::black_mp4(8 * 3600)).await;
    let video = loop {
        let video = system.video("p/0/long.mp4").await.unwrap_or_default();
        if video["status"] == "ready" || video["status"] == "failed" {
            break video;
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    };
    assert_eq!((&video["status"], &video["duration"]), (&json!("ready"), &json!(8 * 3600)), "{video}");
}

#[tokio::test]
async fn a_video_that_is_longer_than_allowed_is_cut_or_fails() {
    let files = [("p/0/long.mp4", media::black_mp4(70)), ("p/0/as-allowed.mp4", media::black_mp4(60))];
    for (kind, longer) in TranscoderKind::ALL.iter().flat_map(|kind| [(*kind, "cut"), (*kind, "fail")]) {
        let system = TestSystem::start_with(|options| {
            options.transcoder = kind;
            options.variables.extend([("MAX_VIDEO_MINUTES", "1"), ("LONG_VIDEOS", longer)].map(owned));
        });
        let system = system.await;
        for (key, file) in &files {
            system.put(key, file.clone()).await;
        }
        let (long, allowed) = (system.settled(files[0].0).await, system.settled(files[1].0).await);
        assert_eq!((&allowed["status"], &allowed["duration"]), (&json!("ready"), &json!(60)), "{allowed}");
        assert_eq!(allowed.get("truncated"), None, "{allowed}");
        if longer == "cut" {
            assert_eq!((&long["status"], &long["duration"]), (&json!("ready"), &json!(61)), "{long}");
            assert_eq!(long["truncated"], true, "{long}");
        } else {
            assert_eq!(long["error"], "The video is longer than 1 minutes", "{long}");
        }
    }
}

fn owned((name, value): (&str, &str)) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn a_file_that_is_not_a_video_fails_with_a_reason() {
    let half = media::silent_mp4();
    let without_index = half[..half.len() / 2].to_vec();
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        for (step, file) in [b"these bytes are no video".to_vec(), without_index.clone()].into_iter().enumerate() {
            let key = system.upload(&format!("/presignedurl/p/{step}?mail=a@b&type=video/mp4"), file).await;
            failed_with_a_reason(&system, &key).await;
        }
        // A form accepts no empty file, but S3 does.
        let empty = "p/9/00000000000000000000.mp4";
        system.put(empty, Vec::new()).await;
        let reason = failed_with_a_reason(&system, empty).await;
        assert!(reason.contains("empty"), "{reason}");
    }
}

async fn failed_with_a_reason(system: &TestSystem, key: &str) -> String {
    let video = system.settled(key).await;
    assert_eq!(video["status"], "failed", "{video}");
    assert!(video.get("playback").is_none(), "{video}");
    let reason = video["error"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("Elastic Transcoder error 4") || reason.starts_with("MediaConvert error 1"), "{reason}");
    assert!(reason.contains("file") && !reason.contains(system.dir.path().to_str().unwrap()), "{reason}");
    reason
}

#[tokio::test]
async fn without_ffmpeg_a_job_fails_and_says_that_it_is_not_installed() {
    let system = TestSystem::start_with(|options| options.ffmpeg.ffmpeg = "/nowhere/ffmpeg".into()).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    let video = system.settled(&key).await;
    assert_eq!(video["status"], "failed");
    assert!(video["error"].as_str().unwrap().contains("ffmpeg is not installed"), "{video}");
}
