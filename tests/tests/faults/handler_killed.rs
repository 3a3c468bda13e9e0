//! A handler is killed at every call to AWS: no upload is lost, none gets two jobs.

use std::time::Instant;

use video_core::records::Status;
use video_tests::Functions;
use video_tests::events::JobState;
use video_tests::faults::{Fate, Network};

use super::kill::{Kill, MOMENTS, Moment, killed_at, wait_for_the_lease};
use super::{
    LONG_LEASE, SHORT_LEASE, Tally, TestSystem, TranscoderKind, Upload, Video, deliver_until_handled, each,
    idle_system, job_event, on_both, records,
};

/// At least as many calls as a handler makes for one upload.
const MAX_CALLS: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_killed_at_any_call_loses_no_upload_and_duplicates_no_job() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let calls = calls_of_a_handler(&system, &functions, Origin::Requested).await;
        assert_eq!(calls, 4, "find, claim, create the job, record it");
        let once = (1..=calls).flat_map(|n| MOMENTS.map(|moment| vec![(n, moment)]));
        // The handler that takes over is killed too, after one that may or may not have created the job.
        let twice = (1..=MAX_CALLS / 2).flat_map(|n| {
            MOMENTS.into_iter().flat_map(move |moment| {
                [Moment::BeforeTheRequest, Moment::BeforeTheResponse].map(|first| vec![(calls - 1, first), (n, moment)])
            })
        });
        kill_handlers(&system, &functions, kind, Origin::Requested, once.chain(twice).collect()).await;

        let calls = calls_of_a_handler(&system, &functions, Origin::Unsolicited).await;
        assert_eq!(
            calls, 10,
            "find in the index by three media types and in the partition, adopt between two looks for a tombstone, \
             claim, create the job, record it"
        );
        let once = (1..=calls).flat_map(|n| MOMENTS.map(|moment| vec![(n, moment)]));
        kill_handlers(&system, &functions, kind, Origin::Unsolicited, once.collect()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn handlers_killed_at_any_two_calls_lose_no_upload_and_duplicate_no_job() {
    for kind in TranscoderKind::ALL {
        let (system, functions) = idle_system(kind).await;
        for origin in [Origin::Requested, Origin::Unsolicited] {
            let calls = calls_of_a_handler(&system, &functions, origin).await;
            let once: Vec<Kill> = (1..=calls).flat_map(|n| MOMENTS.map(|moment| (n, moment))).collect();
            let again: Vec<Kill> = (1..=calls + 3).flat_map(|n| MOMENTS.map(|moment| (n, moment))).collect();
            let twice = once.iter().flat_map(|first| again.iter().map(move |second| vec![*first, *second]));
            let singly = once.iter().map(|kill| vec![*kill]);
            kill_handlers(&system, &functions, kind, origin, singly.chain(twice).collect()).await;
        }
    }
}

async fn calls_of_a_handler(system: &TestSystem, functions: &Functions, origin: Origin) -> usize {
    let network = Network::to(system, |_| Fate::Pass).await;
    let upload = origin.video(system, "counted", 0).await.upload("0A");
    video_events::handle(&functions.behind(&network, SHORT_LEASE), upload.event(system)).await.unwrap();
    network.calls()
}

/// Whether a form was requested.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Requested,
    Unsolicited,
}

impl Origin {
    async fn video(self, system: &TestSystem, project: &str, number: usize) -> Video {
        match self {
            Self::Requested => Video::of(project, number).requested(system).await,
            Self::Unsolicited => Video::unsolicited_under_a_signed_key(&format!("{project}-unsolicited"), number),
        }
    }
}

async fn kill_handlers(
    system: &TestSystem,
    functions: &Functions,
    kind: TranscoderKind,
    origin: Origin,
    cases: Vec<Vec<Kill>>,
) {
    let started = Instant::now();
    let before = records(system).await;
    let all = cases.len();
    let killed = each(cases, async |number, kills: Vec<Kill>| {
        let upload = origin.video(system, "killed", number).await.upload("0A");
        let mut killed = 0;
        for kill in kills.iter().copied() {
            killed += usize::from(killed_at(system, functions, &upload.event(system), kill).await);
            wait_for_the_lease(system, &upload.video).await;
        }
        deliver_until_handled(&functions.direct(SHORT_LEASE), &upload.event(system)).await;
        (upload, killed, kills)
    })
    .await;
    let uploads: Vec<Upload> = killed.iter().map(|(upload, ..)| upload.clone()).collect();
    let kills: usize = killed.iter().map(|(_, killed, _)| killed).sum();
    let tally = Tally::of(system, functions, &uploads, &[]).await;
    println!(
        "killed: {kind:?}: {origin:?}: {all} cases, {kills} handlers killed, {tally}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    for (upload, _, kills) in &killed {
        assert!(!tally.wrong.contains(upload.video.key.as_str()), "{kind:?}, {origin:?}: {kills:?}: {tally}");
    }
    assert_eq!(records(system).await, before + all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_killed_while_it_records_a_result_loses_none() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let function = functions.direct(LONG_LEASE);
        let cases: Vec<Kill> = (1..=2).flat_map(|n| MOMENTS.map(|moment| (n, moment))).collect();
        let all = cases.len();
        let mut killed = 0;
        for (number, kill) in cases.into_iter().enumerate() {
            let upload = Video::of("results", number).requested(&system).await.upload("0A");
            deliver_until_handled(&function, &upload.event(&system)).await;
            let job_id = upload.video.record(&system).await.job_id.unwrap();
            let done = job_event(&functions, &upload, &system, &job_id, JobState::Complete);
            killed += usize::from(killed_at(&system, &functions, &done, kill).await);
            deliver_until_handled(&function, &done).await;
            assert_eq!(upload.video.record(&system).await.status, Some(Status::Ready), "{kill:?}");
        }
        println!("killed: {kind:?}: {all} results, {killed} handlers killed, all ready");
    })
    .await;
}
