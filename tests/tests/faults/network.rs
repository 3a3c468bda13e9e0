//! The network breaks at every call to AWS while the event is delivered more than once: no upload is lost, none gets
//! two jobs.

use std::time::{Duration, Instant};

use video_tests::faults::{Call, FakeResponse, Fate, Network, Reach};

use super::{MEDIUM_LEASE, Tally, TranscoderKind, Video, deliver_until_handled, each, idle_system, on_both};

/// The delay of a late request: shorter than [`MEDIUM_LEASE`], and long enough for others to act meanwhile.
const DELAY: Duration = Duration::from_millis(1500);

/// How the network breaks at one call; the handler runs on.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// The connection is reset before the request arrives.
    Reset,
    /// The request is processed, the response is lost.
    ResponseLost,
    /// The request arrives after the client has given up.
    ArrivesLate,
    /// The service fails and has done nothing.
    Failed,
    /// The service reports a failure, but has processed the request.
    FailedAfterProcessing,
    /// The service throttles.
    Throttled,
}

const BREAKS: [Break; 6] = [
    Break::Reset,
    Break::ResponseLost,
    Break::ArrivesLate,
    Break::Failed,
    Break::FailedAfterProcessing,
    Break::Throttled,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_at_any_call_loses_no_upload_and_duplicates_no_job() {
    on_both(|kind| break_every_call(kind, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn a_network_that_breaks_repeatedly_at_any_call_loses_no_upload_and_duplicates_no_job() {
    for kind in TranscoderKind::ALL {
        for times in [1, 2, 6] {
            break_every_call(kind, times).await;
        }
    }
}

/// Breaks `times` calls in a row, beginning at each call and in each way, and then delivers the event twice
/// concurrently.
async fn break_every_call(kind: TranscoderKind, times: usize) {
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let cases: Vec<(usize, Break)> = (1..=4).flat_map(|n| BREAKS.map(|way| (n, way))).collect();
    let all = cases.len();
    let uploads = each(cases, async |number, (n, way)| {
        let upload = Video::of("broken", number).requested(&system).await.upload("0A");
        let rule = move |call: &Call| {
            if !(n..n + times).contains(&call.number) {
                return Fate::Pass;
            }
            match way {
                Break::Reset => Fate::Reset(Reach::Never),
                Break::ResponseLost => Fate::Reset(Reach::Before),
                Break::ArrivesLate => Fate::Reset(Reach::After(DELAY)),
                Break::Failed => Fate::Respond(FakeResponse::error(500, "InternalServerError")),
                Break::FailedAfterProcessing => Fate::Replace(FakeResponse::error(503, "ServiceUnavailable")),
                Break::Throttled => Fate::Respond(call.throttled(&mut fastrand::Rng::with_seed(number as u64))),
            }
        };
        let network = Network::to(&system, rule).await;
        let (broken, direct) = (functions.behind(&network, MEDIUM_LEASE), functions.direct(MEDIUM_LEASE));
        let event = upload.event(&system);
        video_events::handle(&broken, event.clone()).await.ok();
        tokio::join!(deliver_until_handled(&direct, &event), deliver_until_handled(&direct, &event));
        upload
    })
    .await;
    // Every late request has arrived before anything is counted.
    tokio::time::sleep(DELAY).await;
    let tally = Tally::of(&system, &functions, &uploads, &[]).await;
    println!(
        "network: {kind:?}: {all} cases of {times} broken calls, {tally}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    tally.assert_perfect("network");
}
