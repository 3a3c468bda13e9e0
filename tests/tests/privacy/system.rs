//! A system in every state: while all works, while the transcoder rejects jobs, and while a service is unreachable.

use std::path::Path;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;
use video_core::TranscoderKind;
use video_core::records::RecordId;
use video_tests::multipart::MultipartUpload;
use video_tests::{TestSystem, Variables, eventually, media, sweep};

use super::canaries::assert_clean;
use super::log::{assert_log_is_clean, log};
use super::{FORM, LIST, MAIL, PASSWORD, RETRY, WRONG_PASSWORD};

/// Starts a system with a canary as the admin's password.
pub async fn start(kind: TranscoderKind, change: impl FnOnce(&mut video_local::Options)) -> TestSystem {
    TestSystem::start_with(|options| {
        options.transcoder = kind;
        options.retry_delays = vec![Duration::from_millis(10)];
        options.variables.push(("ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned()));
        change(options);
    })
    .await
}

/// Sends wrong credentials and malformed parameters.
async fn send_invalid_requests(system: &TestSystem) {
    let url = |path: &str| format!("{}{path}", system.at.api);
    for (username, password) in [("admin", WRONG_PASSWORD), (WRONG_PASSWORD, PASSWORD), (MAIL, "x")] {
        let answer = system.http.get(url(LIST)).basic_auth(username, Some(password)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    for header in [format!("Basic {MAIL}"), format!("Bearer {PASSWORD}"), PASSWORD.to_owned()] {
        let answer = system.http.get(url("/videos")).header("authorization", header).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    for path in [
        format!("{FORM}@twice"),
        format!("{FORM}%20"),
        format!("{FORM}&type={MAIL}"),
        format!("/presignedurl/{MAIL}/0?mail={MAIL}"),
        format!("/presignedurl/p/{MAIL}?mail=nobody"),
        format!("/{MAIL}"),
        format!("/videos/{MAIL}"),
    ] {
        let answer = system.get(&path).await;
        assert!(answer.status().is_client_error(), "{path}");
        assert_clean(&path, answer.text().await.unwrap());
    }
    for path in [
        format!("{LIST}&cursor={}", BASE64_STANDARD.encode(MAIL)),
        format!("{LIST}&limit={MAIL}"),
        format!("{LIST}&status={MAIL}"),
        format!("{LIST}&project={MAIL}"),
    ] {
        let answer = system.get_as_admin(&path).await;
        assert!(answer.status().is_client_error(), "{path}");
        assert_clean(&path, answer.text().await.unwrap());
    }
}

async fn retry(system: &TestSystem) -> StatusCode {
    system.send_as_admin(Method::POST, RETRY).await.status()
}

/// Asserts that nothing but the table and the admin's responses contains a canary.
async fn assert_system_is_clean(system: &TestSystem) {
    let s3 = system.s3();
    for bucket in [system.at.media_bucket, system.at.output_bucket] {
        let objects = s3.list_objects_v2().bucket(bucket).send().await.unwrap();
        for object in objects.contents() {
            assert_clean("an object's key", object.key().unwrap());
            let head = s3.head_object().bucket(bucket).key(object.key().unwrap()).send().await.unwrap();
            assert_clean("an object's metadata", format!("{head:?}"));
        }
    }
    let sdk = system.sdk_config(&system.at.transcoder);
    let elastic = aws_sdk_elastictranscoder::Client::new(&sdk);
    for pipeline in elastic.list_pipelines().send().await.unwrap().pipelines() {
        let jobs = elastic.list_jobs_by_pipeline().pipeline_id(pipeline.id().unwrap()).send().await.unwrap();
        assert_clean("Elastic Transcoder's jobs", format!("{jobs:?}"));
    }
    let jobs = aws_sdk_mediaconvert::Client::new(&sdk).list_jobs().send().await.unwrap();
    assert_clean("MediaConvert's jobs", format!("{jobs:?}"));
    for video in system.videos("").await {
        for link in ["playback", "original", "video", "output", "error"] {
            assert_clean(link, video[link].to_string());
        }
    }
    let form = system.form(FORM).await;
    for (name, value) in &form.fields {
        assert_clean(name, value);
        assert_clean(name, BASE64_STANDARD.decode(value).unwrap_or_default());
    }
    assert_clean("the form's URL", &form.url);
    assert_files_are_clean(system.dir.path());
}

/// Asserts that no file but those of the table contains a canary: dead letters, the queue, jobs, objects.
pub fn assert_files_are_clean(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "dynamodb" {
            assert_files_are_clean(&path);
        } else if path.is_file() {
            assert_clean(&name, std::fs::read(&path).unwrap());
        }
        assert_clean("a file's name", name);
    }
}

#[tokio::test]
async fn no_canary_shows_while_everything_works() {
    let log = log();
    for kind in TranscoderKind::ALL {
        let system = start(kind, |_| ()).await;
        send_invalid_requests(&system).await;
        let key = system.upload(FORM, b"no video".to_vec()).await;
        assert_eq!(system.settled(&key).await["status"], "failed");
        assert_eq!(retry(&system).await, StatusCode::ACCEPTED);
        let key = system.upload(FORM, media::small_webm()).await;
        eventually("the video is ready", async || system.video(&key).await.filter(|video| video["status"] == "ready"))
            .await;
        assert_eq!(retry(&system).await, StatusCode::CONFLICT);
        // With a second record there is a next page, whose link is in the admin's response.
        system.form(&FORM.replace("/0?", "/1?")).await;
        let page = system.get_as_admin(&format!("{LIST}&limit=1")).await;
        let link = page.headers()["link"].to_str().unwrap().to_owned();
        let next = link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned();
        assert_eq!(system.get_as_admin(&next).await.status(), StatusCode::OK);
        system.invoke(sweep()).await.unwrap();
        assert_system_is_clean(&system).await;
        system.stop().await;
    }
    assert_log_is_clean(log);
}

#[tokio::test]
async fn an_upload_link_shows_in_no_log_and_no_file() {
    let log = log();
    let system = start(TranscoderKind::MediaConvert, |_| ()).await;
    let request = json!({ "project": "p", "step": 0, "mails": [MAIL] });
    let links = system.http.post(format!("{}/links", system.at.api)).basic_auth("admin", Some(PASSWORD)).json(&request);
    let links: Value = links.send().await.unwrap().json().await.unwrap();
    let link = links[0]["url"].as_str().unwrap();
    let path = link.strip_prefix(&system.at.api).unwrap();
    assert_clean("the link", link);

    let upload = MultipartUpload::begin(&system, &format!("{path}/s3"), MAIL).await;
    let part = upload.put(1, media::small_webm()).await;
    assert_eq!(upload.complete(&[part]).await.status(), StatusCode::OK);
    assert_eq!(system.settled(&upload.key).await["status"], "ready");
    for route in ["", "/video", "/presignedurl", "/s3/params?type=video/webm", "/s3/multipart/x?key=y", "x/video"] {
        assert_clean(route, system.get(&format!("{path}{route}")).await.text().await.unwrap());
    }
    assert_system_is_clean(&system).await;
    let token = path.rsplit('.').next().unwrap();
    let ours: Vec<_> = log.text().lines().filter(|line| line.contains("video_")).map(str::to_owned).collect();
    assert!(!ours.is_empty() && !ours.iter().any(|line| line.contains(token)), "a log line of ours has the token");
    assert_log_is_clean(log);
}

/// Returns the address of a transcoder that rejects every job with a 400, or of none.
async fn transcoder(rejects: bool) -> String {
    if !rejects {
        return Variables::NOWHERE.to_owned();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let rejection = async |request: String| {
        let headers = [("content-type", "application/json"), ("x-amzn-errortype", "BadRequestException")];
        (StatusCode::BAD_REQUEST, headers, json!({ "message": request }).to_string())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(rejection)).await });
    endpoint
}

#[tokio::test]
async fn no_canary_shows_while_the_transcoder_rejects_jobs_or_is_unreachable() {
    let log = log();
    for rejects in [true, false] {
        let endpoint = transcoder(rejects).await;
        let system = start(TranscoderKind::MediaConvert, |options| {
            options.variables.push(("AWS_ENDPOINT_URL_MEDIACONVERT".to_owned(), endpoint));
        });
        let system = system.await;
        let key = system.upload(FORM, b"no video".to_vec()).await;
        if rejects {
            assert_eq!(system.settled(&key).await["status"], "failed");
        } else {
            eventually("the dead letter is written", async || system.dead_letters().pop()).await;
            system.make_old(&RecordId { project_step: "p-0".to_owned(), mail: MAIL.to_owned() }).await;
            system.invoke(sweep()).await.unwrap();
        }
        assert_system_is_clean(&system).await;
        system.stop().await;
    }
    assert_log_is_clean(log);
}

#[tokio::test]
async fn no_canary_shows_while_dynamodb_or_s3_is_unreachable() {
    let log = log();
    let system = start(TranscoderKind::MediaConvert, |_| ()).await;
    let key = system.upload(FORM, b"no video".to_vec()).await;
    assert_eq!(system.settled(&key).await["status"], "failed");
    for unreachable in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3"] {
        let variables = system.variables().with("AWS_ENDPOINT_URL_MEDIACONVERT", Variables::NOWHERE);
        let variables = variables.with(unreachable, Variables::NOWHERE);
        let api = variables.api();
        let admin = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{PASSWORD}")));
        let mut statuses = Vec::new();
        for (method, path) in [("GET", FORM), ("GET", LIST), ("POST", RETRY)] {
            let request = Request::builder().method(method).uri(path).header("authorization", &admin);
            let answer = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            statuses.push(answer.status().as_u16());
        }
        assert_eq!(statuses, if unreachable.ends_with("S3") { [200, 200, 503] } else { [503, 503, 503] });

        let events = variables.events();
        // Without DynamoDB the event is retried. Without S3 it is an older upload than the recorded one, or a new job.
        let outcome = video_events::handle(&events, system.object_created(&key, "0055AED6DCD90281E5")).await;
        assert!(outcome.is_err() || unreachable.ends_with("S3"));
    }
    assert_system_is_clean(&system).await;
    assert_log_is_clean(log);
}
