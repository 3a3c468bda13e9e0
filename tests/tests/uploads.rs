//! Repeated uploads, unsolicited uploads, unusual keys, and a restart during processing.

use serde_json::Value;
use video_core::TranscoderKind;
use video_tests::media::{self, Facts};
use video_tests::{TestSystem, eventually};

#[tokio::test]
async fn a_video_uploaded_again_is_transcoded_again_and_the_newer_result_wins() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
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
async fn an_upload_with_an_earlier_form_of_another_type_belongs_to_the_same_record() {
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
async fn an_unsolicited_upload_is_recorded_and_transcoded() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        for (key, project_step, mail) in [
            ("Alba/0/clip.webm", "Alba-0", "unknown/clip.webm"),
            ("Alba/0/c5e866594d810c0c3e1f.webm", "Alba-0", "unknown/c5e866594d810c0c3e1f.webm"),
            ("clip.WEBM", "unfiled-0", "unknown/clip.WEBM"),
        ] {
            system.put(key, media::small_webm()).await;
            let video = system.settled(key).await;
            assert_eq!(video["status"], "ready", "{video}");
            assert_eq!((video["ProjectStep"].as_str(), video["Mail"].as_str()), (Some(project_step), Some(mail)));
            system.play(&video).await;
        }
    }
}

#[tokio::test]
async fn objects_that_are_not_videos_are_ignored() {
    let system = TestSystem::start().await;
    system.put("Alba/0/notes.txt", b"text".to_vec()).await;
    system.put("Alba/0/clip.webm", media::small_webm()).await;
    system.settled("Alba/0/clip.webm").await;
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn videos_with_unusual_keys_are_transcoded() {
    let long = format!("{}/{}.mp4", "long".repeat(100), "k".repeat(495));
    assert_eq!(long.len(), 900);
    let keys = ["a b/c d/e f.mp4", "1+1/2%2/100% +.mp4", "ünï/cödé/🎬 日本.mov", "a/b/quo\"te's&<x>.mkv", &long];
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        for key in keys {
            system.put(key, media::small_webm()).await;
        }
        for key in keys {
            let video = system.settled(key).await;
            assert_eq!(video["status"], "ready", "{video}");
            assert_eq!(Facts::of(&system.play(&video).await).width, 160);
        }
    }
}

#[tokio::test]
async fn similar_keys_share_neither_a_record_nor_a_result() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        let keys = ["a-b/c/x.mp4", "a/b-c/x.mp4", "a/b-c/x.webm"];
        for key in keys {
            system.put(key, media::small_webm()).await;
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
    let mut keys = Vec::new();
    for step in 0..5 {
        keys.push(system.upload(&format!("/presignedurl/p/{step}?mail=a@b"), media::small_webm()).await);
    }
    let dir = system.stop().await;
    let system = TestSystem::start_in(dir, |_| ()).await;
    for key in keys {
        let video: Value = system.settled(&key).await;
        assert_eq!(video["status"], "ready", "{video}");
        system.play(&video).await;
    }
    assert!(system.dead_letters().is_empty());
}

/// Elastic Transcoder fails a job whose output exists, with error 3002.
#[tokio::test]
async fn an_output_whose_name_is_taken_gets_a_second_job_with_a_name_of_its_own() {
    let system = TestSystem::start().await;
    let form = system.form("/presignedurl/p/0?mail=a@b").await;
    let key = &form.fields["key"];
    let plain = format!("output/web/{key}");
    let put = system.s3().put_object().bucket(system.at.output_bucket).key(&plain);
    put.body(b"left behind".to_vec().into()).send().await.unwrap();
    system.post(&form, media::small_webm()).await;
    let video = system.settled(key).await;
    assert_eq!(video["status"], "ready", "{video}");
    let (output, sequencer) = (video["output"].as_str().unwrap(), video["sequencer"].as_str().unwrap());
    assert!(sequencer.ends_with(".0001") && output.ends_with("-0001.webm"), "{video}");
    assert!(Facts::of(&system.play(&video).await).video.starts_with("h264"));
    let left = system.s3().get_object().bucket(system.at.output_bucket).key(&plain).send().await.unwrap();
    assert_eq!(left.content_length(), Some(11), "what was there stays as it was");
}
