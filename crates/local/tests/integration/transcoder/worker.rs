//! The worker: restarts, replaced inputs, outputs that appear meanwhile, canceled jobs.

use std::fs;
use std::path::Path;
use std::process::Command;

use video_local::transcoder::Ffmpeg;

use super::Local;
use super::media::{assert_is_the_web_preset, script, small_video};
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
    let messages = local.messages(2).await;
    assert!(messages.iter().all(|message| message["jobId"] == job.id().unwrap()));
    assert_eq!(local.read(canceled.id().unwrap()).await.status(), Some("Canceled"));
}
