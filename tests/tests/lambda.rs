//! The functions' programs as Lambda runs them: processes that poll the Runtime API, with events as AWS sends them.

use std::time::Duration;

use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_tests::events::{JobState, job_state_change};
use video_tests::gateway::{at_path, function_url, http_api, rest_api};
use video_tests::lambda::{Function, Outcome, failed_start};
use video_tests::{TestSystem, Variables, media};

fn signed_in(mut event: Value) -> Value {
    event["headers"]["authorization"] = json!("Basic YWRtaW46bG9jYWw=");
    event
}

/// Returns the status, the headers and the body of the response to API Gateway.
fn received(outcome: Outcome) -> (u64, Value, Value) {
    let Outcome::Response(response) = outcome else { panic!("{outcome:?}") };
    let body = response["body"].as_str().map_or(Value::Null, |body| serde_json::from_str(body).unwrap());
    let mut headers = response["headers"].clone();
    for (name, values) in response["multiValueHeaders"].as_object().into_iter().flatten() {
        headers[name] = values[0].clone();
    }
    (response["statusCode"].as_u64().unwrap(), headers, body)
}

#[tokio::test]
async fn the_api_responds_to_every_kind_of_gateway() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    for event in [http_api(), rest_api(), function_url()] {
        let (status, headers, form) = received(api.invoke(&event).await);
        assert_eq!(status, 200, "{form}");
        assert_eq!(headers["content-type"], "application/json");
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(form["fields"]["key"], "testProject/0/e78b913d3d3d5eb5162a.webm");
    }
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn a_stage_is_not_part_of_the_route_but_of_the_link() {
    let system = TestSystem::start().await;
    for step in 0..2 {
        system.form(&format!("/presignedurl/p/{step}?mail=a@b")).await;
    }
    let mut api = Function::start("video-api", &system.variables()).await;
    let mut v2 = at_path(signed_in(http_api()), "/prod/videos", "limit=1");
    v2["requestContext"]["stage"] = json!("prod");
    let (status, headers, videos) = received(api.invoke(&v2).await);
    assert_eq!((status, videos.as_array().unwrap().len()), (200, 1));
    assert!(headers["link"].as_str().unwrap().starts_with("</prod/videos?limit=1&cursor="), "{headers}");

    let mut v1 = at_path(signed_in(rest_api()), "/videos", "limit=1");
    v1["multiValueHeaders"]["Authorization"] = json!(["Basic YWRtaW46bG9jYWw="]);
    let (status, headers, _) = received(api.invoke(&v1).await);
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
    let (status, _, body) = received(api.invoke(&event).await);
    assert_eq!((status, &body["Message"]), (404, &json!("No parameter has been sent")));
}

#[tokio::test]
async fn the_api_survives_malformed_events() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    for payload in ["not JSON", "[]", "{}", r#"{"version":"2.0"}"#, "\"text\""] {
        let outcome = api.invoke_text(payload.to_owned()).await;
        assert!(matches!(&outcome, Outcome::Error(kind, _) if !kind.is_empty()), "{payload}: {outcome:?}");
        assert!(api.is_alive());
    }
    let (status, _, body) = received(api.invoke(&at_path(http_api(), "/", "")).await);
    assert_eq!((status, body), (200, json!({ "hello": "world" })));
}

#[tokio::test]
async fn the_events_function_processes_an_upload_from_s3_to_its_result() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    let mut events = Function::start("video-events", &system.variables()).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    assert_eq!(events.invoke(&system.object_created(&key, "0A")).await, Outcome::Response(Value::Null));
    let video = system.video(&key).await.unwrap();
    assert_eq!((&video["status"], &video["transcoder"]), (&json!("transcoding"), &json!("mediaconvert")));

    assert_eq!(
        events.invoke(&job_event(TranscoderKind::MediaConvert, &video, JobState::Complete)).await,
        Outcome::Response(Value::Null)
    );
    let video = system.video(&key).await.unwrap();
    assert_eq!(
        (&video["status"], &video["output"]),
        (&json!("ready"), &json!("output/web/Alba/0/c5e866594d810c0c3e1f.mp4"))
    );

    // Results of Elastic Transcoder come through SNS, whichever transcoder is configured.
    let other = system.upload("/presignedurl/p/1?mail=a@b", media::small_webm()).await;
    events.invoke(&system.object_created(&other, "0A")).await;
    let video = system.video(&other).await.unwrap();
    assert_eq!(
        events.invoke(&job_event(TranscoderKind::ElasticTranscoder, &video, JobState::Error)).await,
        Outcome::Response(Value::Null)
    );
    assert_eq!(system.video(&other).await.unwrap()["status"], "failed");
}

#[tokio::test]
async fn the_events_function_drops_malformed_events_and_processes_good_records_beside_malformed_ones() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    let mut events = Function::start("video-events", &system.variables()).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    for payload in ["null", "[]", "7", "{}", r#"{"Records":[{"eventSource":"aws:s3"}]}"#] {
        assert_eq!(events.invoke_text(payload.to_owned()).await, Outcome::Response(Value::Null), "{payload}");
    }
    assert!(matches!(events.invoke_text("not JSON".to_owned()).await, Outcome::Error(..)));
    let mut event = system.object_created(&key, "0A");
    let good = event["Records"][0].take();
    event["Records"] = json!([{ "eventSource": "aws:s3" }, good, null]);
    assert_eq!(events.invoke(&event).await, Outcome::Response(Value::Null));
    assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding");
}

#[tokio::test]
async fn the_events_function_reports_an_error_so_that_lambda_retries() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    let variables = system.variables().with("AWS_ENDPOINT_URL_MEDIACONVERT", Variables::NOWHERE);
    let mut events = Function::start("video-events", &variables).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    let outcome = events.invoke(&system.object_created(&key, "0A")).await;
    let Outcome::Error(kind, message) = outcome else { panic!("{outcome:?}") };
    assert!(kind == "EventNotHandled" && message.starts_with("MediaConvert CreateJob"), "{kind}: {message}");
    assert_eq!(system.video(&key).await.unwrap()["leaseUntil"], 0);
}

#[tokio::test]
async fn a_killed_function_leaves_an_upload_that_the_next_one_takes_over() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    let variables = system.variables().with("UPLOAD_LEASE_SECONDS", "1");
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    let event = system.object_created(&key, "0A");

    // A transcoder that accepts connections and never responds holds the function where a crash is most harmful.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let hanging = variables.clone().with("AWS_ENDPOINT_URL_MEDIACONVERT", endpoint);
    let mut first = Function::start("video-events", &hanging).await;
    let claimed = video_tests::eventually("the upload is claimed", async || {
        system.video(&key).await.filter(|video| video["status"] == "uploaded")
    });
    tokio::select! {
        outcome = first.invoke(&event) => panic!("{outcome:?}"),
        _ = claimed => {}
    }
    first.kill().await;

    let mut second = Function::start("video-events", &variables).await;
    let handled = video_tests::eventually("the lease has expired", async || {
        tokio::time::sleep(Duration::from_millis(200)).await;
        (second.invoke(&event).await == Outcome::Response(Value::Null)).then_some(())
    });
    handled.await;
    assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding");
}

#[tokio::test]
async fn a_start_without_a_required_variable_names_it() {
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

/// Returns the event with which a transcoder reports the state of a video's job.
fn job_event(kind: TranscoderKind, video: &Value, state: JobState) -> Value {
    let metadata = json!({ "token": "t", "key": video["video"], "sequencer": video["sequencer"] });
    job_state_change(kind, video["jobId"].as_str().unwrap(), &metadata, state)
}
