//! Real videos through the whole system, with both transcoders.

use serde_json::Value;
use video_core::TranscoderKind;
use video_tests::TestSystem;
use video_tests::media::{self, Facts};

async fn transcode(kind: TranscoderKind, media_type: &str, file: Vec<u8>) -> (Value, Facts) {
    let system = TestSystem::start_with_transcoder(kind).await;
    let key = system.upload(&format!("/presignedurl/Alba/0?mail=Eduard@orkei.com&type={media_type}"), file).await;
    let video = system.settled(&key).await;
    assert_eq!(video["status"], "ready", "{video}");
    let facts = Facts::of(&system.play(&video).await);
    (video, facts)
}

/// Asserts what the Web preset guarantees for every result.
fn assert_web_preset(facts: &Facts, width: u64, height: u64) {
    assert_eq!((facts.width, facts.height), (width, height), "{facts:?}");
    assert_eq!(facts.video, "h264/Main/31");
    assert_eq!(facts.frames_per_second, "30/1");
    assert!(["1:1", ""].contains(&facts.pixel_shape.as_str()), "{facts:?}");
    assert!((1.8..2.4).contains(&facts.seconds), "{facts:?}");
    assert!(facts.bits_per_second < 2_200_000.0 * 1.5 + 160_000.0, "{facts:?}");
    assert!(facts.fast_start, "{facts:?}");
}

const STEREO_AAC: Option<&str> = Some("aac/LC/44100/2");

#[tokio::test]
async fn a_browsers_webm_without_a_duration_becomes_720p() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/webm", media::webm()).await;
        assert_web_preset(&facts, 1280, 720);
        assert_eq!(facts.sound.as_deref(), STEREO_AAC);
    }
}

#[tokio::test]
async fn a_phones_portrait_video_stays_upright() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/mp4", media::portrait_mp4()).await;
        assert_web_preset(&facts, 404, 720);
        assert_eq!(facts.sound.as_deref(), STEREO_AAC);
    }
}

#[tokio::test]
async fn a_video_without_sound_stays_silent() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/mp4", media::silent_mp4()).await;
        assert_web_preset(&facts, 1280, 720);
        assert_eq!(facts.sound, None);
    }
}

#[tokio::test]
async fn a_small_video_is_not_enlarged() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/mp4", media::small_mp4()).await;
        assert_web_preset(&facts, 320, 240);
    }
}

#[tokio::test]
async fn anamorphic_pixels_become_square() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/mp4", media::anamorphic_mp4()).await;
        assert_web_preset(&facts, 768, 576);
    }
}

#[tokio::test]
async fn a_quicktime_movie_becomes_720p() {
    for kind in TranscoderKind::ALL {
        let (_, facts) = transcode(kind, "video/quicktime", media::mov()).await;
        assert_web_preset(&facts, 960, 720);
    }
}

#[tokio::test]
async fn results_are_named_as_the_original_and_mediaconvert_name_them() {
    let (video, _) = transcode(TranscoderKind::ElasticTranscoder, "video/webm", media::small_mp4()).await;
    assert_eq!(video["output"], "output/web/Alba/0/c5e866594d810c0c3e1f.webm");
    assert_eq!(video["transcoder"], "elastictranscoder");
    let (video, _) = transcode(TranscoderKind::MediaConvert, "video/webm", media::small_mp4()).await;
    assert_eq!(video["output"], "output/web/Alba/0/c5e866594d810c0c3e1f.mp4");
    assert_eq!(video["transcoder"], "mediaconvert");
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
