//! Uploads again, uploads that nobody asked for, keys of every kind, and a system that is stopped in between.

use serde_json::Value;
use video_core::TranscoderKind;
use video_tests::media::{self, Facts};
use video_tests::{TestSystem, eventually};

async fn copy_into_the_bucket(system: &TestSystem, key: &str, file: Vec<u8>) {
    let put = system.s3().put_object().bucket(system.at.media_bucket).key(key).body(file.into());
    put.send().await.unwrap();
}

#[tokio::test]
async fn a_video_uploaded_again_is_transcoded_again_and_the_newer_result_wins() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with(|options| options.transcoder = kind).await;
        let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
        let first = system.settled(&key).await;
        assert_eq!(first["status"], "ready", "{first}");
        assert_eq!(system.upload("/presignedurl/p/0?mail=a@b", media::webm()).await, key);
        let second = eventually("the second upload is ready", async || {
            let video = system.settled(&key).await;
            (video["sequencer"] != first["sequencer"]).then_some(video)
        });
        let second = second.await;
        assert_eq!(second["status"], "ready", "{second}");
        assert_ne!(second["jobId"], first["jobId"]);
        assert_ne!(second["output"], first["output"]);
        assert_eq!(Facts::of(&system.play(&second).await).width, 1280);
        assert!(first["sequencer"].as_str() < second["sequencer"].as_str());
    }
}

#[tokio::test]
async fn an_upload_with_an_older_form_of_another_type_belongs_to_the_same_record() {
    let system = TestSystem::start().await;
    let webm = system.form("/presignedurl/p/0?mail=a@b").await;
    system.form("/presignedurl/p/0?mail=a@b&type=video/mp4").await;
    system.post(&webm, media::small_webm()).await;
    let video = system.settled(&webm.fields["key"]).await;
    assert_eq!(video["Mail"], "a@b");
    assert_eq!(video["status"], "ready", "{video}");
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn an_upload_that_nobody_asked_for_is_recorded_and_transcoded() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with(|options| options.transcoder = kind).await;
        for (key, project_step, mail) in [
            ("Alba/0/clip.webm", "Alba-0", "unknown/clip.webm"),
            ("Alba/0/c5e866594d810c0c3e1f.webm", "Alba-0", "unknown/c5e866594d810c0c3e1f.webm"),
            ("clip.WEBM", "unfiled-0", "unknown/clip.WEBM"),
        ] {
            copy_into_the_bucket(&system, key, media::small_webm()).await;
            let video = system.settled(key).await;
            assert_eq!(video["status"], "ready", "{video}");
            assert_eq!((video["ProjectStep"].as_str(), video["Mail"].as_str()), (Some(project_step), Some(mail)));
            system.play(&video).await;
        }
    }
}

#[tokio::test]
async fn objects_that_are_no_videos_are_left_alone() {
    let system = TestSystem::start().await;
    copy_into_the_bucket(&system, "Alba/0/notes.txt", b"text".to_vec()).await;
    copy_into_the_bucket(&system, "Alba/0/clip.webm", media::small_webm()).await;
    system.settled("Alba/0/clip.webm").await;
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn keys_of_every_kind_are_transcoded() {
    let long = format!("{}/{}.mp4", "long".repeat(100), "k".repeat(495));
    assert_eq!(long.len(), 900);
    let keys = ["a b/c d/e f.mp4", "1+1/2%2/100% +.mp4", "ünï/cödé/🎬 日本.mov", "a/b/quo\"te's&<x>.mkv", &long];
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with(|options| options.transcoder = kind).await;
        for key in keys {
            copy_into_the_bucket(&system, key, media::small_webm()).await;
        }
        for key in keys {
            let video = system.settled(key).await;
            assert_eq!(video["status"], "ready", "{video}");
            assert_eq!(Facts::of(&system.play(&video).await).width, 160);
        }
    }
}

#[tokio::test]
async fn names_that_would_share_a_record_or_a_result_are_kept_apart() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with(|options| options.transcoder = kind).await;
        let keys = ["a-b/c/x.mp4", "a/b-c/x.mp4", "a/b-c/x.webm"];
        for key in keys {
            copy_into_the_bucket(&system, key, media::small_webm()).await;
        }
        let mut outputs = Vec::new();
        for key in keys {
            let video = system.settled(key).await;
            assert_eq!(video["status"], "ready", "{video}");
            outputs.push(video["output"].as_str().unwrap().to_owned());
        }
        outputs.sort();
        outputs.dedup();
        assert_eq!(outputs.len(), keys.len(), "{outputs:?}");
        assert_eq!(system.videos("").await.len(), keys.len());
    }
}

#[tokio::test]
async fn a_restart_loses_nothing() {
    let system = TestSystem::start().await;
    let keys: Vec<String> = futures_keys(&system).await;
    let dir = system.stop().await;
    let system = TestSystem::start_in(dir, |_| ()).await;
    for key in keys {
        let video: Value = system.settled(&key).await;
        assert_eq!(video["status"], "ready", "{video}");
        system.play(&video).await;
    }
    assert!(system.dead_letters().is_empty());
}

async fn futures_keys(system: &TestSystem) -> Vec<String> {
    let mut keys = Vec::new();
    for step in 0..5 {
        keys.push(system.upload(&format!("/presignedurl/p/{step}?mail=a@b"), media::small_webm()).await);
    }
    keys
}
