//! The log and the files of `video-local` as a process.

use reqwest::StatusCode;
use serde_json::Value;
use video_tests::program::{LocalSystem, program};
use video_tests::{Form, eventually};

use super::canaries::assert_clean;
use super::log::levels;
use super::system::assert_files_are_clean;
use super::{FORM, LIST, MAIL, PASSWORD, RETRY, WRONG_PASSWORD};

#[tokio::test]
async fn video_local_logs_and_stores_no_canary() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("stderr");
    let program = program("video-local").await;
    let mut running = LocalSystem::start(&program, dir.path(), |command| {
        command.env("RUST_LOG", levels("info")).env("ADMIN_PASSWORD", PASSWORD);
        command.stderr(std::fs::File::create(&log).unwrap());
    });
    let ready = running.ready().await;
    let api = ready["api"].as_str().unwrap();
    let http = reqwest::Client::new();
    let form: Value = http.get(format!("{api}{FORM}")).send().await.unwrap().json().await.unwrap();
    let posted = Form::read(&form).unwrap().post(&http, b"no video".to_vec()).await.unwrap();
    assert_eq!(posted.status(), StatusCode::CREATED);
    eventually("the video has failed", async || {
        let list = http.get(format!("{api}{LIST}")).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
        (list.json::<Value>().await.unwrap()[0]["status"] == "failed").then_some(())
    })
    .await;
    let wrong = http.get(format!("{api}{LIST}")).basic_auth(MAIL, Some(WRONG_PASSWORD)).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED);
    let retry = http.post(format!("{api}{RETRY}")).basic_auth("admin", Some(PASSWORD)).send().await.unwrap();
    assert_eq!(retry.status(), StatusCode::ACCEPTED);
    running.kill().await;
    let log = std::fs::read(log).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("retry requested"));
    assert_clean("stderr", log);
    assert_files_are_clean(&dir.path().join("data"));
}
