//! Posters and progress: what the jobs of `video-core` ask for beside the video.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_mediaconvert::config::BehaviorVersion;
use aws_sdk_mediaconvert::types::StatusUpdateInterval;
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::json;
use video_core::TranscoderKind;
use video_core::ids::ObjectKey;
use video_core::job::Job;
use video_core::transcoder::{MediaConvertConfig, Transcoder, TranscoderConfig};

use super::media::{script, small_video, video};
use super::{Local, ROLE, settings};
use crate::eventually::eventually;
use crate::store::{MEDIA, OUTPUT, REGION};

const STEM: &str = "output/web/Alba/0/c5e866594d810c0c3e1f";

/// Submits the job of an upload as the events function does.
async fn submit(local: &Local, kind: TranscoderKind, sequencer: &str) -> String {
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{}", local.address))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("local", "secret", None, None, "test")))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let config = match kind {
        TranscoderKind::ElasticTranscoder => {
            TranscoderConfig::ElasticTranscoder { pipeline_id: local.pipeline.clone() }
        }
        TranscoderKind::MediaConvert => TranscoderConfig::MediaConvert(MediaConvertConfig {
            role_arn: ROLE.to_owned(),
            queue_arn: None,
            output_bucket: OUTPUT.to_owned(),
        }),
    };
    let job = Job {
        bucket: MEDIA.to_owned(),
        key: ObjectKey::from_decoded("Alba/0/c5e866594d810c0c3e1f.webm").unwrap(),
        sequencer: sequencer.parse().unwrap(),
        plain_name: true,
    };
    Transcoder::new(&config, None, &aws).submit(&job).await.unwrap()
}

/// Returns a picture's codec and size, and the media type of its object.
fn picture(local: &Local, key: &str) -> (String, Option<String>) {
    let object = local.store.find(OUTPUT, key).unwrap().unwrap_or_else(|| panic!("no {key}"));
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name,width,height", "-of", "csv=p=0"])
        .arg(&object.path)
        .output()
        .unwrap();
    (String::from_utf8(output.stdout).unwrap().trim().to_owned(), object.attributes.content_type)
}

fn four_seconds(local: &Local) -> PathBuf {
    video(local, "long.mp4", "-f lavfi -i testsrc=size=160x120:rate=10:duration=4 -c:v libx264 -preset ultrafast")
}

#[tokio::test]
async fn mediaconvert_captures_the_first_frame_and_the_one_at_three_seconds_and_names_the_last() {
    let local = Local::start().await;
    let sequencer = |order: &str| format!("{order:0<40}");
    let frame = |order: &str, number: u8| format!("{STEM}/{}-poster.{number:07}.jpg", sequencer(order));
    let jpeg = ("mjpeg,160,120".to_owned(), Some("image/jpeg".to_owned()));
    local.put(MEDIA, "Alba/0/c5e866594d810c0c3e1f.webm", &small_video(&local)).await;
    submit(&local, TranscoderKind::MediaConvert, "0A").await;
    local.work();
    let short = local.events(2).await[1]["detail"]["outputGroupDetails"].clone();
    assert_eq!(short[0]["outputDetails"][0]["outputFilePaths"], json!([format!("s3://output/{STEM}.mp4")]));
    let path = format!("s3://output/{}", frame("0A", 0));
    assert_eq!(short[1]["outputDetails"][0]["outputFilePaths"], json!([path]), "the only frame");
    assert_eq!(picture(&local, &frame("0A", 0)), jpeg);
    assert!(local.store.find(OUTPUT, &frame("0A", 1)).unwrap().is_none());

    local.put(MEDIA, "Alba/0/c5e866594d810c0c3e1f.webm", &four_seconds(&local)).await;
    submit(&local, TranscoderKind::MediaConvert, "0B").await;
    let long = local.events(4).await[3]["detail"]["outputGroupDetails"].clone();
    let path = format!("s3://output/{}", frame("0B", 1));
    assert_eq!(long[1]["outputDetails"][0]["outputFilePaths"], json!([path]), "the last frame");
    assert_eq!(long[1]["outputDetails"][0]["durationInMs"], 6000);
    assert!([0, 1].into_iter().all(|number| picture(&local, &frame("0B", number)) == jpeg));
}

#[tokio::test]
async fn elastic_transcoder_makes_the_first_thumbnail_as_large_as_the_preset_says() {
    let local = Local::start().await;
    local.put(MEDIA, "Alba/0/c5e866594d810c0c3e1f.webm", &four_seconds(&local)).await;
    submit(&local, TranscoderKind::ElasticTranscoder, "0A").await;
    local.work();
    let output = local.last_message(2).await["outputs"][0].clone();
    let pattern = format!("{}/{:0<40}-poster-{{count}}", STEM.strip_prefix("output/").unwrap(), "0A");
    assert_eq!(output["thumbnailPattern"], pattern);
    let key = format!("{STEM}/{:0<40}-poster-00001.png", "0A");
    assert_eq!(picture(&local, &key), ("png,144,108".to_owned(), Some("image/png".to_owned())));
}

#[tokio::test]
async fn a_video_whose_pictures_cannot_be_made_is_complete_without_them() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), "case \"$*\" in *image2pipe*) exit 1;; esac\nexec ffmpeg \"$@\"");
    let local = Local::start_in(dir, program).await;
    local.put(MEDIA, "Alba/0/c5e866594d810c0c3e1f.webm", &small_video(&local)).await;
    submit(&local, TranscoderKind::MediaConvert, "0A").await;
    local.work();
    let detail = local.events(2).await[1]["detail"].clone();
    assert_eq!(detail["status"], "COMPLETE");
    assert_eq!(detail["outputGroupDetails"][1]["outputDetails"][0].get("outputFilePaths"), None);
    assert_eq!(local.object_files(), 2);
}

#[tokio::test]
async fn mediaconvert_reports_the_percent_of_a_running_job_and_only_the_phase_where_the_input_has_no_duration() {
    for (input, percent) in [(small_video as fn(&Local) -> _, Some(50)), (super::media::recording, None)] {
        let dir = tempfile::tempdir().unwrap();
        let program = script(dir.path(), &reports_then_waits(dir.path()));
        let local = Local::start_in(dir, program).await;
        local.put(MEDIA, "x.mp4", &input(&local)).await;
        let request =
            local.mediaconvert().create_job().role(ROLE).settings(settings("s3://media/x.mp4", "s3://output/"));
        let request = request.status_update_interval(StatusUpdateInterval::from("SECONDS_1"));
        let job = request.send().await.unwrap().job.unwrap();
        assert_eq!(job.status_update_interval().map(StatusUpdateInterval::as_str), Some("SECONDS_1"));
        local.work();
        let updates = || local.events_now().into_iter().filter(|event| event["detail"]["status"] == "STATUS_UPDATE");
        eventually(|| updates().count() > 0).await;
        let progress = updates().next().unwrap()["detail"]["jobProgress"].clone();
        assert_eq!(progress["currentPhase"], "TRANSCODING");
        assert_eq!(progress.get("jobPercentComplete").map(|percent| percent.as_u64().unwrap()), percent);
        fs::write(local.path("go"), "").unwrap();
        eventually(|| local.events_now().last().unwrap()["detail"]["status"] == "COMPLETE").await;
    }
}

/// Returns a script that reports half a second, waits for `go` and then transcodes.
fn reports_then_waits(dir: &Path) -> String {
    let dir = dir.display();
    format!("cd '{dir}'\necho out_time_us=500000\nwhile ! [ -e go ]; do sleep 0.02; done\nexec ffmpeg \"$@\"")
}
