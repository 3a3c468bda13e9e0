//! The release binaries as Lambda runs them: processes that ask a Runtime API for work, with events as AWS writes them.

use std::time::Duration;

use serde_json::{Value, json};
use video_tests::lambda::{Function, Outcome, failed_start};
use video_tests::{TestSystem, Variables, media};

fn fixture(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn http_api() -> Value {
    fixture(include_str!("../fixtures/http_api_v2.json"))
}

fn rest_api() -> Value {
    fixture(include_str!("../fixtures/rest_api_v1.json"))
}

fn function_url() -> Value {
    fixture(include_str!("../fixtures/function_url.json"))
}

/// Points a version 2 event at another path, as API Gateway writes it.
fn at_path(mut event: Value, path: &str, query: &str) -> Value {
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    event["rawQueryString"] = json!(query);
    event
}

fn signed_in(mut event: Value) -> Value {
    event["headers"]["authorization"] = json!("Basic YWRtaW46bG9jYWw=");
    event
}

/// Status and body of what API Gateway gets.
fn answer(outcome: Outcome) -> (u64, Value, Value) {
    let Outcome::Response(answer) = outcome else { panic!("{outcome:?}") };
    let body = answer["body"].as_str().map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
    let mut headers = answer["headers"].clone();
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        headers[name] = values[0].clone();
    }
    (answer["statusCode"].as_u64().unwrap(), headers, body)
}

#[tokio::test]
async fn the_api_answers_every_kind_of_gateway() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    for event in [http_api(), rest_api(), function_url()] {
        let (status, headers, form) = answer(api.invoke(&event).await);
        assert_eq!(status, 200, "{form}");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(form["fields"]["key"], "testProject/0/e78b913d3d3d5eb5162a.webm");
    }
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn a_stage_is_no_part_of_the_path_but_of_the_link() {
    let system = TestSystem::start().await;
    for step in 0..2 {
        system.form(&format!("/presignedurl/p/{step}?mail=a@b")).await;
    }
    let mut api = Function::start("video-api", &system.variables()).await;
    let mut v2 = at_path(signed_in(http_api()), "/prod/videos", "limit=1");
    v2["requestContext"]["stage"] = json!("prod");
    let (status, headers, videos) = answer(api.invoke(&v2).await);
    assert_eq!((status, videos.as_array().unwrap().len()), (200, 1));
    assert!(headers["link"].as_str().unwrap().starts_with("</prod/videos?limit=1&cursor="), "{headers}");

    let mut v1 = signed_in(rest_api());
    v1["multiValueHeaders"]["Authorization"] = json!(["Basic YWRtaW46bG9jYWw="]);
    v1["path"] = json!("/videos");
    v1["requestContext"]["path"] = json!("/api/videos");
    v1["queryStringParameters"] = json!({ "limit": "1" });
    v1["multiValueQueryStringParameters"] = json!({ "limit": ["1"] });
    let (status, headers, _) = answer(api.invoke(&v1).await);
    assert_eq!(status, 200);
    assert!(headers["link"].as_str().unwrap().starts_with("</api/videos?limit=1&cursor="), "{headers}");
}

#[tokio::test]
async fn a_rest_api_event_without_a_query_is_not_found() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    let mut event = rest_api();
    event["queryStringParameters"] = Value::Null;
    event["multiValueQueryStringParameters"] = Value::Null;
    let (status, _, body) = answer(api.invoke(&event).await);
    assert_eq!((status, &body["Message"]), (404, &json!("No parameter has been sent")));
}

#[tokio::test]
async fn the_api_survives_what_is_no_event() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    for payload in ["not JSON", "[]", "{}", r#"{"version":"2.0"}"#, "\"text\""] {
        let outcome = api.invoke_text(payload.to_owned()).await;
        assert!(matches!(&outcome, Outcome::Error(kind, _) if !kind.is_empty()), "{payload}: {outcome:?}");
        assert!(api.is_alive());
    }
    let (status, _, body) = answer(api.invoke(&at_path(http_api(), "/", "")).await);
    assert_eq!((status, body), (200, json!({ "hello": "world" })));
}

#[tokio::test]
async fn the_events_function_takes_an_upload_from_s3_to_a_result() {
    let system = quiet_system().await;
    let mut events = Function::start("video-events", &system.variables()).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    assert_eq!(events.invoke(&s3_event(&system, &key, "0A")).await, Outcome::Response(Value::Null));
    let video = system.video(&key).await.unwrap();
    assert_eq!((&video["status"], &video["transcoder"]), (&json!("transcoding"), &json!("mediaconvert")));

    assert_eq!(events.invoke(&mediaconvert_event(&video, "COMPLETE")).await, Outcome::Response(Value::Null));
    let video = system.video(&key).await.unwrap();
    assert_eq!((&video["status"], &video["output"]), (&json!("ready"), &json!("output/web/p/0/x.mp4")));

    // Elastic Transcoder's results come in through SNS, whatever transcoder is in use now.
    let other = system.upload("/presignedurl/p/1?mail=a@b", media::small_webm()).await;
    events.invoke(&s3_event(&system, &other, "0A")).await;
    let video = system.video(&other).await.unwrap();
    assert_eq!(events.invoke(&sns_event(&video)).await, Outcome::Response(Value::Null));
    assert_eq!(system.video(&other).await.unwrap()["status"], "failed");
}

#[tokio::test]
async fn the_events_function_survives_poison_and_does_the_good_records_beside_it() {
    let system = quiet_system().await;
    let mut events = Function::start("video-events", &system.variables()).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    for payload in ["null", "[]", "7", "{}", r#"{"Records":[{"eventSource":"aws:s3"}]}"#] {
        assert_eq!(events.invoke_text(payload.to_owned()).await, Outcome::Response(Value::Null), "{payload}");
    }
    assert!(matches!(events.invoke_text("not JSON".to_owned()).await, Outcome::Error(..)));
    let mut event = s3_event(&system, &key, "0A");
    let good = event["Records"][0].take();
    event["Records"] = json!([{ "eventSource": "aws:s3" }, good, null]);
    assert_eq!(events.invoke(&event).await, Outcome::Response(Value::Null));
    assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding");
}

#[tokio::test]
async fn the_events_function_reports_what_must_come_again() {
    let system = quiet_system().await;
    let variables = system.variables().with("AWS_ENDPOINT_URL_MEDIACONVERT", Variables::NOWHERE);
    let mut events = Function::start("video-events", &variables).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    let outcome = events.invoke(&s3_event(&system, &key, "0A")).await;
    assert!(
        matches!(&outcome, Outcome::Error(kind, message) if kind == "EventNotHandled" && message.starts_with("MediaConvert CreateJob")),
        "{outcome:?}"
    );
    assert_eq!(system.video(&key).await.unwrap()["leaseUntil"], 0);
}

#[tokio::test]
async fn a_killed_function_leaves_an_upload_that_the_next_one_takes_over() {
    let system = quiet_system().await;
    let variables = system.variables().with("UPLOAD_LEASE_SECONDS", "1");
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    let event = s3_event(&system, &key, "0A");

    // A transcoder that takes connections and never answers holds the function where a crash costs most.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let stuck = variables.clone().with("AWS_ENDPOINT_URL_MEDIACONVERT", endpoint);
    let mut first = Function::start("video-events", &stuck).await;
    let claimed = video_tests::eventually("the upload is claimed", async || {
        system.video(&key).await.filter(|video| video["status"] == "uploaded")
    });
    tokio::select! {
        outcome = first.invoke(&event) => panic!("{outcome:?}"),
        _ = claimed => {}
    }
    first.kill().await;

    let mut second = Function::start("video-events", &variables).await;
    let taken = video_tests::eventually("the lease is over", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (second.invoke(&event).await == Outcome::Response(Value::Null)).then_some(())
    });
    taken.await;
    assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding");
}

#[tokio::test]
async fn a_start_without_a_variable_says_which_one() {
    let system = TestSystem::start().await;
    for (name, variable) in [
        ("video-api", "RESPONSES_TABLE_NAME"),
        ("video-api", "MEDIA_BUCKET_NAME"),
        ("video-api", "AWS_REGION"),
        ("video-events", "MEDIACONVERT_ROLE_ARN"),
        ("video-events", "AWS_ACCESS_KEY_ID"),
    ] {
        let variables = system.variables().without(variable).with("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9");
        let output = failed_start(name, &variables).await;
        assert!(output.contains(&format!("Failed to find required {variable} environment variable")), "{output}");
        assert_eq!(output.lines().count(), 1, "{output}");
    }
    let outside = failed_start("video-api", &system.variables()).await;
    assert!(outside.contains("AWS_LAMBDA_RUNTIME_API"), "{outside}");
}

/// A system that leaves its events to the function under test.
async fn quiet_system() -> TestSystem {
    TestSystem::start_with(|options| options.deliver_events = false).await
}

fn s3_event(system: &TestSystem, key: &str, sequencer: &str) -> Value {
    let mut event = fixture(include_str!("../../crates/events/fixtures/s3_object_created.json"));
    event["Records"][0]["s3"]["bucket"]["name"] = json!(system.at.media_bucket);
    event["Records"][0]["s3"]["object"]["key"] = json!(key);
    event["Records"][0]["s3"]["object"]["sequencer"] = json!(sequencer);
    event
}

fn metadata(video: &Value) -> Value {
    json!({ "token": "t", "key": video["video"], "sequencer": video["sequencer"] })
}

fn mediaconvert_event(video: &Value, status: &str) -> Value {
    let mut event = fixture(include_str!("../../crates/events/fixtures/mediaconvert_complete.json"));
    event["detail"]["status"] = json!(status);
    event["detail"]["jobId"] = video["jobId"].clone();
    event["detail"]["userMetadata"] = metadata(video);
    event["detail"]["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"][0] =
        json!("s3://output/output/web/p/0/x.mp4");
    event
}

fn sns_event(video: &Value) -> Value {
    let mut event = fixture(include_str!("../../crates/events/fixtures/elastictranscoder_completed.json"));
    let mut message: Value = serde_json::from_str(event["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap();
    message["state"] = json!("ERROR");
    message["errorCode"] = json!(4000);
    message["jobId"] = video["jobId"].clone();
    message["userMetadata"] = metadata(video);
    event["Records"][0]["Sns"]["Message"] = json!(message.to_string());
    event
}
