//! Jobs that fail, and the reasons that both services give.

use std::fs;
use std::time::Duration;

use serde_json::json;
use video_local::transcoder::Ffmpeg;

use super::Local;
use super::media::{script, small_video, video};

#[tokio::test]
async fn files_that_are_not_videos_fail_with_the_reason() {
    let local = Local::start().await;
    video(&local, "song.m4a", "-f lavfi -i sine=duration=1");
    video(&local, "cover.png", "-f lavfi -i testsrc=size=64x64 -frames:v 1");
    let song_and_cover = format!(
        "-i {} -i {} -map 0 -map 1 -c:a copy -c:v png -disposition:v:0 attached_pic",
        local.path("song.m4a").display(),
        local.path("cover.png").display(),
    );
    video(&local, "covered.m4a", &song_and_cover);
    let good = fs::read(small_video(&local)).unwrap();
    let secret = video(&local, "secret.mkv", "-f lavfi -i testsrc=size=64x64:duration=1");
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", secret.display());
    let list = format!("ffconcat version 1.0\nfile '{}'\n", secret.display());
    let noise: Vec<u8> = (0..1250_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let unknown = "The file is not in a video format that is supported (webm, mp4, mov, m4v, mkv, avi)";
    let undecodable = "The file is not a video that can be decoded: Invalid data found when processing input";
    let cases: [(&str, Vec<u8>, u32, u32, &str); 8] = [
        ("empty.webm", Vec::new(), 4000, 1010, "The file is empty"),
        ("noise.webm", noise, 4000, 1010, undecodable),
        ("cut.mp4", good[..good.len() / 3].to_vec(), 4000, 1010, undecodable),
        ("song.mp4", fs::read(local.path("song.m4a")).unwrap(), 4008, 1020, "The file has no video in it"),
        ("covered.mp4", fs::read(local.path("covered.m4a")).unwrap(), 4008, 1020, "The file has no video in it"),
        ("picture.mp4", fs::read(local.path("cover.png")).unwrap(), 4000, 1030, unknown),
        ("playlist.mp4", playlist.into_bytes(), 4000, 1030, unknown),
        ("list.webm", list.into_bytes(), 4000, 1030, unknown),
    ];
    let mut expected = 0;
    local.work();
    for (name, content, ets_code, mc_code, reason) in cases {
        local.put_bytes("media", name, &content).await;
        let job = local.submit(name).await;
        expected += 2;
        let message = local.last_message(expected).await;
        let detail = message["messageDetails"].as_str().unwrap();
        assert_eq!((&message["state"], &message["errorCode"]), (&json!("ERROR"), &json!(ets_code)), "{name}");
        assert!(detail.starts_with(&format!("{ets_code} ")), "{detail}");
        assert!(detail.ends_with(&format!("{reason}.")), "{name}: {detail}");
        assert_eq!(message["outputs"][0]["statusDetail"], detail);
        assert_eq!(message["outputs"][0]["status"], "Error");
        assert_eq!(message["outputs"][0]["errorCode"], ets_code);
        let job = local.read(job.id().unwrap()).await;
        assert_eq!(job.status(), Some("Error"));
        assert_eq!(job.outputs()[0].status_detail(), Some(detail));

        let job = local.submit_to_mediaconvert(name, "s3://output/").await;
        expected += 2;
        let event = local.events(expected).await.pop().unwrap();
        let detail = &event["detail"];
        assert_eq!((&detail["status"], &detail["errorCode"]), (&json!("ERROR"), &json!(mc_code)), "{name}");
        assert_eq!(detail["errorMessage"], reason, "{name}");
        assert_eq!(detail["userMetadata"], json!({ "token": "0123abcd" }));
        let job = local.mediaconvert().get_job().id(job.id().unwrap()).send().await.unwrap().job.unwrap();
        assert_eq!((job.error_code(), job.error_message()), (i32::try_from(mc_code).ok(), Some(reason)));
        assert_eq!(local.store.find("output", &format!("output/web/{name}")).unwrap(), None);
    }
}

#[tokio::test]
async fn a_job_fails_with_the_reason_when_ffmpeg_is_missing_too_slow_or_killed() {
    let missing = Ffmpeg { ffmpeg: "/no/such/ffmpeg".into(), ..Ffmpeg::default() };
    let advice = "ffmpeg is not installed; install it with `apt-get install ffmpeg` or `brew install ffmpeg`";
    assert_eq!(missing.check_installed().unwrap_err().to_string(), advice);
    Ffmpeg::default().check_installed().unwrap();

    let dir = tempfile::tempdir().unwrap();
    let hangs = script(dir.path(), "exec sleep 1000");
    let slow = Ffmpeg { time_limit: Duration::from_millis(50), ..hangs };
    let other_dir = tempfile::tempdir().unwrap();
    let killed = script(other_dir.path(), "kill -9 $$");
    let cases = [
        (missing, advice),
        (slow, "Transcoding took longer than 50ms and was stopped"),
        (killed, "ffmpeg was killed by the operating system, possibly because memory ran out"),
    ];
    for (ffmpeg, reason) in cases {
        let local = Local::start_with(ffmpeg).await;
        local.put_bytes("media", "x.mp4", b"anything").await;
        local.submit("x.mp4").await;
        local.work();
        let message = local.last_message(2).await;
        assert_eq!(message["errorCode"], 9000);
        let details = message["messageDetails"].as_str().unwrap();
        assert!(details.ends_with(&format!(": {reason}.")), "{details}");
        assert_eq!(local.object_files(), 1);
    }
}
