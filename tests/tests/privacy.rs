//! A canary mail and a canary password go every way that there is, also the wrong ones: neither may turn up outside the table and the
//! admin's answer.
//!
//! Everything that is logged at DEBUG is caught, our own crates' at TRACE; a deployment logs at INFO. At TRACE the AWS SDK, dynoxide and
//! lambda_runtime write down whole requests, as SECURITY.md says.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing_subscriber::EnvFilter;
use video_core::TranscoderKind;
use video_core::records::RecordId;
use video_tests::program::{LocalSystem, Profile, program};
use video_tests::{Log, TestSystem, Variables, eventually, media, sweep};

const MAIL: &str = "canarymail7q3x9v+tag@privacy-canary.example";
const PASSWORD: &str = "canarypass5k2w8z";
const WRONG_PASSWORD: &str = "canarywrong4h6j1";

// ---- Looking for canaries ----

/// The parts of the canaries that no encoding of text changes, and their Base64 wherever they begin in what is encoded.
fn needles() -> Vec<String> {
    ["canarymail7q3x9v", "privacy-canary", PASSWORD, WRONG_PASSWORD].into_iter().flat_map(spellings).collect()
}

fn spellings(canary: &str) -> Vec<String> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut spellings = vec![canary.to_owned(), hex];
    for offset in 0..3 {
        let bytes = [&vec![0; offset][..], canary.as_bytes()].concat();
        let encoded = BASE64_STANDARD.encode(&bytes);
        // The characters at both ends also depend on what stands around the canary.
        let (first, last) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
        spellings.push(encoded[first..last].to_owned());
    }
    spellings
}

/// The spellings of canaries in a text; Base64 for URLs is read as plain Base64, and Base64 in Base64 is unpacked by the caller.
fn found_in(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text).replace('-', "+").replace('_', "/");
    let lower = text.to_ascii_lowercase();
    let is_in = |needle: &String| {
        let needle = needle.replace('-', "+").replace('_', "/");
        text.contains(&needle) || lower.contains(&needle)
    };
    needles().into_iter().filter(is_in).collect()
}

fn assert_clean(what: &str, text: impl AsRef<[u8]>) {
    let found = found_in(text.as_ref());
    assert!(found.is_empty(), "{what} holds {found:?}: {}", String::from_utf8_lossy(text.as_ref()));
}

#[test]
fn a_canary_is_found_however_it_is_spelled() {
    let encoded =
        |text: &str| percent_encoding::percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
    assert!(!found_in(MAIL.as_bytes()).is_empty());
    assert!(!found_in(MAIL.to_ascii_uppercase().as_bytes()).is_empty());
    assert!(!found_in(encoded(MAIL).as_bytes()).is_empty());
    for before in ["", "a", "ab", "abc", "{\"m\":\""] {
        for after in ["", "\"", "\"}", "??>"] {
            let text = format!("{before}{MAIL}{after}");
            for engine in [&base64::prelude::BASE64_STANDARD, &base64::prelude::BASE64_URL_SAFE_NO_PAD] {
                assert!(!found_in(engine.encode(&text).as_bytes()).is_empty(), "{text}");
            }
        }
    }
    assert!(found_in(b"c5e866594d810c0c3e1f").is_empty());
}

// ---- The log ----

/// Catches the log of the whole process from the first call on.
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let filter = EnvFilter::new(levels("debug"));
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(move || writer.clone()).init();
        log
    })
}

/// Our own crates at TRACE, everything else at `others`.
fn levels(others: &str) -> String {
    format!("{others},video_api=trace,video_core=trace,video_events=trace,video_local=trace")
}

fn assert_log_is_clean(log: &Log) {
    let log = log.text();
    for who in ["video_", "aws_smithy_runtime::", "hyper_util::"] {
        assert!(log.contains(who), "nothing was caught of {who}");
    }
    for line in log.lines() {
        assert_clean("the log", line);
    }
}

// ---- The ways ----

const FORM: &str = "/presignedurl/p/0?mail=canarymail7q3x9v%2Btag@privacy-canary.example";
const RETRY: &str = "/videos/p/0/retry?mail=canarymail7q3x9v%2Btag%40privacy-canary.example";
const LIST: &str = "/videos?mail=canarymail7q3x9v%2Btag%40privacy-canary.example";

async fn start(kind: TranscoderKind, change: impl FnOnce(&mut video_local::Options)) -> TestSystem {
    TestSystem::start_with(|options| {
        options.transcoder = kind;
        options.retry_delays = vec![Duration::from_millis(10)];
        options.variables.push(("ADMIN_PASSWORD".to_owned(), PASSWORD.to_owned()));
        change(options);
    })
    .await
}

/// Asks in every wrong way.
async fn ask_wrongly(system: &TestSystem) {
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
    let admin = &system.at.admin;
    let request = system.http.post(format!("{}{RETRY}", system.at.api));
    request.basic_auth(&admin.username, Some(&admin.password)).send().await.unwrap().status()
}

/// What left the system or stays in it, but for the table and the admin's answers.
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

/// Every file but those of the table: dead letters, the queue, jobs, objects.
fn assert_files_are_clean(dir: &Path) {
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
async fn nothing_shows_while_everything_works() {
    let log = log();
    for kind in TranscoderKind::ALL {
        let system = start(kind, |_| ()).await;
        ask_wrongly(&system).await;
        let key = system.upload(FORM, b"no video".to_vec()).await;
        assert_eq!(system.settled(&key).await["status"], "failed");
        assert_eq!(retry(&system).await, StatusCode::ACCEPTED);
        let key = system.upload(FORM, media::small_webm()).await;
        eventually("it is ready", async || system.video(&key).await.filter(|video| video["status"] == "ready")).await;
        assert_eq!(retry(&system).await, StatusCode::CONFLICT);
        // A second record, so that there is a page after the first one: its address is part of the admin's answer.
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

/// A transcoder that is there and takes no job: 400 where `refuses`, else it is away.
async fn transcoder(refuses: bool) -> String {
    if !refuses {
        return Variables::NOWHERE.to_owned();
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let refusal = async |request: String| {
        let headers = [("content-type", "application/json"), ("x-amzn-errortype", "BadRequestException")];
        (StatusCode::BAD_REQUEST, headers, json!({ "message": request }).to_string())
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(refusal)).await });
    endpoint
}

#[tokio::test]
async fn nothing_shows_while_the_transcoder_refuses_or_is_away() {
    let log = log();
    for refuses in [true, false] {
        let endpoint = transcoder(refuses).await;
        let system = start(TranscoderKind::MediaConvert, |options| {
            options.variables.push(("AWS_ENDPOINT_URL_MEDIACONVERT".to_owned(), endpoint));
        });
        let system = system.await;
        let key = system.upload(FORM, b"no video".to_vec()).await;
        if refuses {
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
async fn nothing_shows_while_dynamodb_or_s3_is_away() {
    let log = log();
    let system = start(TranscoderKind::MediaConvert, |_| ()).await;
    let key = system.upload(FORM, b"no video".to_vec()).await;
    assert_eq!(system.settled(&key).await["status"], "failed");
    for away in ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_S3"] {
        let variables = system.variables().with("AWS_ENDPOINT_URL_MEDIACONVERT", Variables::NOWHERE);
        let variables = variables.with(away, Variables::NOWHERE);
        let api = variables.api();
        let admin = format!("Basic {}", BASE64_STANDARD.encode(format!("admin:{PASSWORD}")));
        let mut statuses = Vec::new();
        for (method, path) in [("GET", FORM), ("GET", LIST), ("POST", RETRY)] {
            let request = Request::builder().method(method).uri(path).header("authorization", &admin);
            let answer = api.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            statuses.push(answer.status().as_u16());
        }
        assert_eq!(statuses, if away.ends_with("S3") { [200, 200, 503] } else { [503, 503, 503] });

        let events = variables.events();
        let mut event: Value =
            serde_json::from_str(include_str!("../../crates/events/fixtures/s3_object_created.json")).unwrap();
        event["Records"][0]["s3"]["bucket"]["name"] = json!(system.at.media_bucket);
        event["Records"][0]["s3"]["object"]["key"] = json!(key);
        // Without DynamoDB the event must come again; without S3 it is an older upload than the one that is known, or a job like any other.
        let outcome = video_events::handle(&events, event).await;
        assert!(outcome.is_err() || away.ends_with("S3"));
    }
    assert_system_is_clean(&system).await;
    assert_log_is_clean(log);
}

#[tokio::test]
async fn nothing_of_a_poison_event_shows() {
    let log = log();
    let system = start(TranscoderKind::MediaConvert, |_| ()).await;
    let s3: Value = serde_json::from_str(include_str!("../../crates/events/fixtures/s3_object_created.json")).unwrap();
    let job: Value =
        serde_json::from_str(include_str!("../../crates/events/fixtures/mediaconvert_complete.json")).unwrap();
    let text = format!("\"{MAIL}\" {MAIL}");
    for (event, places) in [
        (
            s3,
            &[
                "/Records/0/eventSource",
                "/Records/0/eventTime",
                "/Records/0/s3",
                "/Records/0/s3/object/size",
                "/Records/0/s3/object/sequencer",
                "/Records/0",
            ][..],
        ),
        (job, &["/detail", "/detail/jobId", "/detail/userMetadata", "/detail/outputGroupDetails", "/source"]),
    ] {
        for place in places {
            for value in [json!(text), json!([text]), json!({ MAIL: text })] {
                let mut event = event.clone();
                *event.pointer_mut(place).unwrap() = value;
                if place == &"/detail/jobId" && event["detail"]["jobId"].is_string() {
                    continue; // A job's id is logged: it is the transcoder's word.
                }
                system.invoke(event).await.unwrap();
            }
        }
    }
    for event in
        [json!(text), json!([text]), json!({ MAIL: text }), json!({ "Records": text }), json!({ "Records": [text] })]
    {
        system.invoke(event).await.unwrap();
    }
    assert_log_is_clean(log);
}

#[tokio::test]
async fn nothing_shows_in_debug_output() {
    let filter = video_core::records::Filter { mail: Some(MAIL.to_owned()), ..Default::default() };
    assert_clean("a filter", format!("{filter:?}"));
}

#[tokio::test]
async fn the_program_keeps_quiet_too() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("stderr");
    let program = program("video-local", Profile::Debug).await;
    let mut running = LocalSystem::start(&program, dir.path(), |command| {
        command.env("RUST_LOG", levels("info")).env("ADMIN_PASSWORD", PASSWORD);
        command.stderr(std::fs::File::create(&log).unwrap());
    });
    let ready = running.ready().await;
    let api = ready["api"].as_str().unwrap();
    let http = reqwest::Client::new();
    let form: Value = http.get(format!("{api}{FORM}")).send().await.unwrap().json().await.unwrap();
    let mut body = reqwest::multipart::Form::new();
    for (name, value) in form["fields"].as_object().unwrap() {
        body = body.text(name.clone(), value.as_str().unwrap().to_owned());
    }
    let body = body.part("file", reqwest::multipart::Part::bytes(b"no video".to_vec()).file_name("video"));
    assert_eq!(
        http.post(form["url"].as_str().unwrap()).multipart(body).send().await.unwrap().status(),
        StatusCode::CREATED
    );
    eventually("it has failed", async || {
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
    assert!(String::from_utf8_lossy(&log).contains("a video is tried again"));
    assert_clean("stderr", log);
    assert_files_are_clean(&dir.path().join("data"));
}
