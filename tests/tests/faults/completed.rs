//! Completing an upload in parts while calls to S3 break, the client asks again, and another part comes: the video is
//! there once, made of the parts that were named, or not at all.

use axum::body::Body;
use axum::http::Request;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tower::ServiceExt;
use video_core::TranscoderKind;
use video_tests::TestSystem;
use video_tests::faults::{Call, FakeResponse, Fate, Gate, Network, Reach};
use video_tests::multipart::{MIN_PART, MultipartUpload};

use super::{each, idle_system};

/// List the parts, complete.
const CALLS: usize = 2;
/// As often as the SDK tries one call.
const ATTEMPTS: usize = 5;

/// How a call breaks.
#[derive(Clone, Copy)]
enum Break {
    Reset,
    ResponseLost,
    Failed,
    FailedAfterProcessing,
}

impl Break {
    const ALL: [Self; 4] = [Self::Reset, Self::ResponseLost, Self::Failed, Self::FailedAfterProcessing];

    fn fate(self) -> Fate {
        match self {
            Self::Reset => Fate::Reset(Reach::Never),
            Self::ResponseLost => Fate::Reset(Reach::Before),
            Self::Failed => Fate::Respond(FakeResponse::error(500, "InternalError")),
            Self::FailedAfterProcessing => Fate::Replace(FakeResponse::error(503, "SlowDown")),
        }
    }
}

/// Completes an upload by an API behind this network.
async fn complete(system: &TestSystem, network: &Network, upload: &MultipartUpload<'_>, parts: &[Value]) -> StatusCode {
    let api = system.variables().with_aws_at(network.url()).api();
    let request = Request::post(format!("/s3/multipart/{}/complete?key={}", upload.id, upload.key));
    let request = request.header("content-type", "application/json");
    let body = Body::from(json!({ "parts": parts }).to_string());
    api.oneshot(request.body(body).unwrap()).await.unwrap().status()
}

async fn size(system: &TestSystem, key: &str) -> Option<i64> {
    let head = system.s3().head_object().bucket(system.at.media_bucket).key(key).send().await;
    head.ok().and_then(|object| object.content_length())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whichever_call_of_a_completion_breaks_the_next_one_finishes_it() {
    let (system, _) = idle_system(TranscoderKind::MediaConvert).await;
    let times = [1, ATTEMPTS];
    let cases = (1..=CALLS).flat_map(|call| times.map(|times| (call, times)));
    let cases: Vec<_> = cases.flat_map(|(call, times)| Break::ALL.map(|way| (call, times, way))).collect();
    each(cases, async |number, (first, times, way)| {
        let upload = MultipartUpload::begin(&system, "/s3", &format!("{number}@b")).await;
        let part = [upload.put(1, vec![1; 1000]).await];
        let rule = move |call: &Call| {
            if (first..first + times).contains(&call.number) { way.fate() } else { Fate::Pass }
        };
        let network = Network::to(&system, rule).await;
        let status = complete(&system, &network, &upload, &part).await;
        assert!([StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&status), "{status}");
        // Whoever got no answer, or lost it, asks again.
        for _ in 0..2 {
            assert_eq!(upload.complete(&part).await.status(), StatusCode::OK);
        }
        assert_eq!(size(&system, &upload.key).await, Some(1000));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_part_that_comes_while_the_upload_is_completed_does_not_get_past_the_sum() {
    let (system, _) = idle_system(TranscoderKind::MediaConvert).await;
    let upload = MultipartUpload::begin(&system, "/s3", "ana@b").await;
    let parts = [upload.put(1, vec![1; MIN_PART]).await, upload.put(2, vec![2; 10]).await];
    let gate = Gate::default();
    let held = gate.clone();
    let network = Network::to(&system, move |call| {
        if call.operation == "CompleteMultipartUpload" { Fate::Hold(held.clone()) } else { Fate::Pass }
    })
    .await;
    let swapped = async {
        gate.reached().await;
        upload.put(2, vec![3; 20]).await;
        gate.open();
    };
    let (status, ()) = tokio::join!(complete(&system, &network, &upload, &parts), swapped);
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(size(&system, &upload.key).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_completions_at_once_both_succeed() {
    let (system, _) = idle_system(TranscoderKind::MediaConvert).await;
    let uploads = (0..20).collect();
    each(uploads, async |_, number: usize| {
        let upload = MultipartUpload::begin(&system, "/s3", &format!("{number}@b")).await;
        let part = [upload.put(1, vec![1; 1000]).await];
        let (one, other) = tokio::join!(upload.complete(&part), upload.complete(&part));
        assert_eq!((one.status(), other.status()), (StatusCode::OK, StatusCode::OK));
        assert_eq!(size(&system, &upload.key).await, Some(1000));
    })
    .await;
}
