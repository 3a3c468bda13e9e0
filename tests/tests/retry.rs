//! What the admin and the sweep do for failed and stuck videos.

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::StatusCode;
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::records::RecordId;
use video_tests::{TestSystem, Variables, eventually, media, sweep};

async fn retry(system: &TestSystem, path_and_query: &str) -> (StatusCode, Value) {
    let admin = &system.at.admin;
    let request = system.http.post(format!("{}{path_and_query}", system.at.api));
    let response = request.basic_auth(&admin.username, Some(&admin.password)).send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

/// Changes a record as time or a fault would.
async fn change(system: &TestSystem, expression: &str, values: &[(&str, AttributeValue)]) {
    let mut update = system.dynamodb().update_item().table_name(system.at.table).update_expression(expression);
    update = update.key("ProjectStep", AttributeValue::S("p-0".into())).key("Mail", AttributeValue::S("a@b".into()));
    for (name, value) in values {
        update = update.expression_attribute_values(*name, value.clone());
    }
    if expression.contains("#status") {
        update = update.expression_attribute_names("#status", "status");
    }
    update.send().await.unwrap();
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

#[tokio::test]
async fn a_failed_video_is_retried_and_becomes_ready() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        let key = system.upload("/presignedurl/p/0?mail=a@b&type=video/quicktime", media::mov()).await;
        let first = system.settled(&key).await;
        // As a passing failure of a transcoder would leave it.
        change(&system, "SET #status = :failed", &[(":failed", text("failed"))]).await;
        let (status, record) = retry(&system, "/videos/p/0/retry?mail=a@b").await;
        assert_eq!((status, &record["status"]), (StatusCode::ACCEPTED, &json!("uploaded")));
        let again = system.settled(&key).await;
        assert_eq!(again["status"], "ready");
        assert_eq!(again["sequencer"], format!("{}.0001", first["sequencer"].as_str().unwrap()));
        assert_ne!(again["output"], first["output"], "a retry has a result of its own");
        system.play(&again).await;
    }
}

#[tokio::test]
async fn an_unsolicited_upload_can_be_retried() {
    let system = TestSystem::start().await;
    let key = "Alba/0/not a video.mp4";
    system.put(key, b"text".to_vec()).await;
    let first = system.settled(key).await;
    assert_eq!(first["status"], "failed");
    let (status, _) = retry(&system, "/videos/Alba/0/retry?mail=unknown/not%20a%20video.mp4").await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let retried = eventually("the retry has ended", async || {
        Some(system.settled(key).await).filter(|video| video["sequencer"] != first["sequencer"])
    });
    assert_eq!(retried.await["status"], "failed");
}

#[tokio::test]
async fn a_retry_clicked_twice_makes_one_job() {
    let system = TestSystem::start().await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", b"no video".to_vec()).await;
    system.settled(&key).await;
    let clicks = futures_util::future::join_all((0..4).map(|_| retry(&system, "/videos/p/0/retry?mail=a@b"))).await;
    let accepted = clicks.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED).count();
    assert_eq!(accepted, 1, "{clicks:?}");
    assert!(clicks.iter().all(|(status, _)| [StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(status)));
}

#[tokio::test]
async fn only_the_admin_retries_and_only_what_failed_or_is_stuck() {
    let system = TestSystem::start().await;
    let url = format!("{}/videos/p/0/retry?mail=a@b", system.at.api);
    assert_eq!(system.http.post(&url).send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(system.get_as_admin("/videos/p/0/retry?mail=a@b").await.status(), StatusCode::METHOD_NOT_ALLOWED);
    for (path, status, message) in [
        ("/videos/p/0/retry?mail=a@b", 404, "there is no such video"),
        ("/videos/p/0/retry", 404, "mail is empty"),
        ("/videos/p/0/retry?mail=nobody", 400, "mail must be"),
        ("/videos/-/0/retry?mail=a@b", 400, "project must be"),
    ] {
        let (answered, body) = retry(&system, path).await;
        assert_eq!(answered.as_u16(), status, "{path}");
        assert!(body["Message"].as_str().unwrap().contains(message), "{body}");
    }
    system.form("/presignedurl/p/0?mail=a@b").await;
    let (status, body) = retry(&system, "/videos/p/0/retry?mail=a@b").await;
    assert_eq!((status, &body["Code"]), (StatusCode::CONFLICT, &json!("ConflictError")));
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    system.settled(&key).await;
    assert_eq!(retry(&system, "/videos/p/0/retry?mail=a@b").await.1["Message"], "the video is ready");
}

#[tokio::test]
async fn a_retry_whose_upload_is_gone_says_so() {
    let system = TestSystem::start().await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", b"no video".to_vec()).await;
    system.settled(&key).await;
    system.s3().delete_object().bucket(system.at.media_bucket).key(&key).send().await.unwrap();
    let (status, body) = retry(&system, "/videos/p/0/retry?mail=a@b").await;
    assert_eq!((status, &body["Message"]), (StatusCode::CONFLICT, &json!("the upload is no longer in the bucket")));
}

/// What S3 tells of an object, for a system that is not fed by itself.
async fn s3_event(system: &TestSystem, key: &str) -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../crates/events/fixtures/s3_object_created.json")).unwrap();
    event["Records"][0]["eventTime"] = json!(video_core::time::rfc3339(std::time::SystemTime::now()));
    event["Records"][0]["s3"]["bucket"]["name"] = json!(system.at.media_bucket);
    event["Records"][0]["s3"]["object"]["key"] = json!(key);
    event
}

#[tokio::test]
async fn the_sweep_finishes_what_every_event_and_retry_left_behind() {
    for kind in TranscoderKind::ALL {
        // The transcoder cannot be reached, and Lambda's retries are used up: nothing listens on the discard port.
        let away = ["AWS_ENDPOINT_URL_ELASTIC_TRANSCODER", "AWS_ENDPOINT_URL_MEDIACONVERT"];
        let system = TestSystem::start_with(|options| {
            options.transcoder = kind;
            options.deliver_events = false;
            options.variables.extend(away.map(|name| (name.to_owned(), Variables::NOWHERE.to_owned())));
        });
        let system = system.await;
        let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
        system.invoke(s3_event(&system, &key).await).await.unwrap_err();
        assert_eq!(system.video(&key).await.unwrap()["status"], "uploaded");

        // The transcoder is back, and its results get lost.
        let dir = system.stop().await;
        let system = TestSystem::start_in(dir, |options| {
            options.transcoder = kind;
            options.deliver_events = false;
        });
        let system = system.await;
        system.invoke(sweep()).await.unwrap();
        assert_eq!(system.video(&key).await.unwrap()["status"], "uploaded", "a young upload is left alone");
        system.make_old(&RecordId { project_step: "p-0".to_owned(), mail: "a@b".to_owned() }).await;
        system.invoke(sweep()).await.unwrap();
        assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding");

        let ready = eventually("the sweep learns of the result", async || {
            system.invoke(sweep()).await.unwrap();
            system.video(&key).await.filter(|video| video["status"] == "ready")
        });
        system.play(&ready.await).await;
    }
}

#[tokio::test]
async fn the_sweep_ends_a_video_whose_job_is_gone() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with(|options| {
            options.transcoder = kind;
            options.deliver_events = false;
        });
        let system = system.await;
        let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
        system.invoke(s3_event(&system, &key).await).await.unwrap();
        let gone = [(":old", text("2026-01-01T00:00:00Z")), (":gone", text("1111111111111-abcde1"))];
        change(&system, "SET openSince = :old, jobId = :gone", &gone).await;
        system.invoke(sweep()).await.unwrap();
        let video = system.video(&key).await.unwrap();
        assert_eq!(video["status"], "failed");
        assert_eq!(video["error"], "the transcoder no longer knows the job");
    }
}

#[tokio::test]
async fn the_sweep_fails_an_old_video_whose_job_is_on_a_transcoder_that_is_no_longer_in_use() {
    let system = TestSystem::start_without_events(TranscoderKind::ElasticTranscoder).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    system.invoke(system.object_created(&key, "0A")).await.unwrap();
    let system = TestSystem::start_in(system.stop().await, |options| {
        options.transcoder = TranscoderKind::MediaConvert;
        options.deliver_events = false;
    })
    .await;
    change(&system, "SET openSince = :old", &[(":old", text("2026-01-01T00:00:00Z"))]).await;
    system.invoke(sweep()).await.unwrap();
    assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding", "its own event may still come");
    system.make_old(&RecordId { project_step: "p-0".to_owned(), mail: "a@b".to_owned() }).await;
    system.invoke(sweep()).await.unwrap();
    let video = system.video(&key).await.unwrap();
    assert_eq!(video["status"], "failed");
    assert_eq!(video["error"], "the job is on a transcoder that is no longer in use");
}
