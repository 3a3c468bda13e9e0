//! The worker: restarts, replaced inputs, outputs that appear meanwhile, canceled jobs.

use std::fs;
use std::path::Path;
use std::process::Command;

use aws_sdk_mediaconvert::types::JobStatus;
use video_local::transcoder::Ffmpeg;

use super::media::{assert_is_the_web_preset, script, small_video};
use super::{Local, message};
use crate::eventually::eventually;

#[tokio::test]
async fn an_object_that_appears_while_a_job_runs_is_not_overwritten_either() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), &waits_then(dir.path(), "exec ffmpeg \"$@\""));
    let local = Local::start_in(dir, program).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    local.submit("x.mp4").await;
    local.work();
    eventually(|| local.path("started").exists()).await;
    local.put_bytes("output", "output/web/x.mp4", b"somebody else's").await;
    fs::write(local.path("go"), "").unwrap();
    assert_eq!(local.messages(2).await[1]["errorCode"], 3002);
    assert_eq!(fs::read(local.output("output/web/x.mp4")).unwrap(), b"somebody else's");
    assert_eq!(local.object_files(), 2);
}

/// Returns a script that creates `started` and waits for `go` before it continues.
fn waits_then(dir: &Path, rest: &str) -> String {
    let dir = dir.display();
    format!("cd '{dir}'\ntouch started\nwhile ! [ -e go ]; do sleep 0.02; done\n{rest}")
}

#[tokio::test]
async fn an_input_that_is_replaced_while_a_job_runs_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let once = "if ! [ -e failed ]; then touch failed; echo 'file: No such file or directory' >&2; exit 1; fi";
    let program = script(dir.path(), &waits_then(dir.path(), &format!("{once}\nexec ffmpeg \"$@\"")));
    let local = Local::start_in(dir, program).await;
    local.put_bytes("media", "x.mp4", b"the first upload").await;
    local.submit("x.mp4").await;
    local.work();
    eventually(|| local.path("started").exists()).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    fs::write(local.path("go"), "").unwrap();
    assert_eq!(local.messages(2).await[1]["state"], "COMPLETED");
}

#[tokio::test]
async fn an_interrupted_job_starts_again_and_its_start_is_notified_once() {
    let dir = tempfile::tempdir().unwrap();
    let hangs = script(dir.path(), &format!("echo $$ > '{}'; exec sleep 1000", dir.path().join("pid").display()));
    let local = Local::start_in(dir, hangs).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let job = local.submit("x.mp4").await;
    local.submit("y.mp4").await;
    let worker = local.work();
    eventually(|| fs::read_to_string(local.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))).await;
    assert_eq!(local.read(job.id().unwrap()).await.status(), Some("Progressing"));
    worker.stop().await;
    let pid = fs::read_to_string(local.path("pid")).unwrap();
    eventually(|| !Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status.success()).await;
    assert_eq!(local.object_files(), 1, "no half file is left");

    let Local { dir, .. } = local;
    let local = Local::start_in(dir, Ffmpeg::default()).await;
    local.work();
    let states: Vec<_> = local
        .messages(4)
        .await
        .iter()
        .map(|message| (message["jobId"] == job.id().unwrap(), message["state"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [(true, "PROGRESSING"), (true, "COMPLETED"), (false, "PROGRESSING"), (false, "ERROR")];
    assert_eq!(states, expected.map(|(first, state)| (first, state.to_owned())));
    assert_is_the_web_preset(&local.output("output/web/x.mp4"), 160, 120, false);
}

#[tokio::test]
async fn a_submitted_job_can_be_canceled_once() {
    let local = Local::start().await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let client = local.elastictranscoder();
    let canceled = local.submit("x.mp4").await;
    client.cancel_job().id(canceled.id().unwrap()).send().await.unwrap();
    let error = client.cancel_job().id(canceled.id().unwrap()).send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_in_use_exception());
    let convert = local.mediaconvert();
    let other = local.submit_to_mediaconvert("x.mp4", "s3://output/").await;
    convert.cancel_job().id(other.id().unwrap()).send().await.unwrap();
    let error = convert.cancel_job().id(other.id().unwrap()).send().await.unwrap_err();
    assert!(error.into_service_error().is_conflict_exception());

    let job = local.submit("x.mp4").await;
    local.work();
    let events = local.events(3).await;
    let detail = &events[0]["detail"];
    assert_eq!((&detail["status"], &detail["jobId"]), (&"CANCELED".into(), &other.id().unwrap().into()));
    assert!(events[1..].iter().map(message).all(|message| message["jobId"] == job.id().unwrap()));
    assert_eq!(local.read(canceled.id().unwrap()).await.status(), Some("Canceled"));
}

#[tokio::test]
async fn mediaconvert_cancels_a_job_that_runs_and_goes_on_with_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let hangs_once = "if ! [ -e pid ]; then echo $$ > pid; exec sleep 1000; fi\nexec ffmpeg \"$@\"";
    let program = script(dir.path(), &format!("cd '{}'\n{hangs_once}", dir.path().display()));
    let local = Local::start_in(dir, program).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let job = local.submit_to_mediaconvert("x.mp4", "s3://output/never").await;
    let next = local.submit_to_mediaconvert("x.mp4", "s3://output/next").await;
    local.work();
    eventually(|| fs::read_to_string(local.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))).await;
    let convert = local.mediaconvert();
    convert.cancel_job().id(job.id().unwrap()).send().await.unwrap();
    let events = local.events(4).await;
    let pid = fs::read_to_string(local.path("pid")).unwrap();
    eventually(|| !Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status.success()).await;
    let states = events.iter().map(|event| (event["detail"]["jobId"].as_str(), event["detail"]["status"].as_str()));
    let (first, second) = (job.id(), next.id());
    let expected = [
        (first, Some("PROGRESSING")),
        (first, Some("CANCELED")),
        (second, Some("PROGRESSING")),
        (second, Some("COMPLETE")),
    ];
    assert_eq!(states.collect::<Vec<_>>(), expected);
    let canceled = convert.get_job().id(job.id().unwrap()).send().await.unwrap().job.unwrap();
    assert_eq!(canceled.status(), Some(&JobStatus::Canceled));
    assert!(canceled.timing().unwrap().finish_time().is_some());
    assert!(local.store.find("output", "never.mp4").unwrap().is_none());
    assert_eq!(local.object_files(), 2, "no half file is left");
    let again = convert.cancel_job().id(job.id().unwrap()).send().await.unwrap_err();
    assert!(again.into_service_error().is_conflict_exception());
    let ended = convert.cancel_job().id(next.id().unwrap()).send().await.unwrap_err();
    assert!(ended.into_service_error().is_conflict_exception());
    let unknown = convert.cancel_job().id("x").send().await.unwrap_err();
    assert!(unknown.into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn elastic_transcoder_cancels_no_job_that_runs() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), &waits_then(dir.path(), "exec ffmpeg \"$@\""));
    let local = Local::start_in(dir, program).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let job = local.submit("x.mp4").await;
    local.work();
    eventually(|| local.path("started").exists()).await;
    let client = local.elastictranscoder();
    let error = client.cancel_job().id(job.id().unwrap()).send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 409);
    assert!(error.into_service_error().is_resource_in_use_exception());
    fs::write(local.path("go"), "").unwrap();
    assert_eq!(local.messages(2).await[1]["state"], "COMPLETED");
}
