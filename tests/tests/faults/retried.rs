//! A retry while the function is killed at every call, its event comes twice and the old job's error comes late:
//! exactly one job for each retry that was accepted.

use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use video_core::event_bus::EventType;
use video_core::records::Status;
use video_tests::Functions;
use video_tests::events::{JobState, requested};
use video_tests::faults::{Fate, Network};

use super::kill::{Kill, Rescue, killed_at, kills, sweep_until, wait_for_the_lease, with_a_rescue, with_both_rescues};
use super::{
    LONG_LEASE, MEDIUM_LEASE, SHORT_LEASE, TestSystem, TranscoderKind, Upload, Video, deliver_until_handled, each,
    idle_system, job_event, jobs_by_token, on_both,
};

/// Find the record, read it, claim, take over, search for a job, create it, record it.
const CALLS: usize = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_killed_at_any_call_is_one_job() {
    on_both(async |kind| {
        let undisturbed = std::iter::once(Vec::new());
        let killed = kills(CALLS).map(|kill| vec![kill]);
        kill_retries(kind, with_a_rescue(undisturbed.chain(killed))).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn a_retry_killed_at_any_two_calls_is_one_job() {
    for kind in TranscoderKind::ALL {
        let once = kills(CALLS).map(|kill| vec![kill]);
        let twice = kills(CALLS).flat_map(|first| kills(CALLS).map(move |second| vec![first, second]));
        kill_retries(kind, with_both_rescues(once.chain(twice))).await;
    }
}

/// A retry that was accepted.
struct Retry {
    failed: Upload,
    retried: Upload,
    event: Value,
    /// The error of the job that failed.
    late_error: Value,
}

impl Retry {
    /// Lets an upload fail and retries it twice at once, of which one is accepted.
    async fn of(system: &TestSystem, functions: &Functions, project: &str, number: usize) -> Self {
        let video = Video::of(project, number).requested(system).await;
        system.put(video.key.as_str(), b"no video".to_vec()).await;
        let failed = video.upload("0A");
        let function = functions.direct(LONG_LEASE);
        deliver_until_handled(&function, &failed.event(system)).await;
        let job_id = video.record(system).await.job_id.unwrap();
        let late_error = job_event(functions, &failed, system, &job_id, JobState::Error);
        deliver_until_handled(&function, &late_error).await;

        let path = format!("/videos/{}/{}/retry?mail={}", video.key.project(), video.key.step(), video.id.mail);
        let click = async || system.send_as_admin(Method::POST, &path).await.status();
        let clicks: [StatusCode; 2] = tokio::join!(click(), click()).into();
        let accepted = clicks.iter().filter(|status| **status == StatusCode::ACCEPTED).count();
        assert!(accepted == 1 && clicks.contains(&StatusCode::CONFLICT), "{clicks:?}");

        let retried = video.upload(&video.record(system).await.sequencer.unwrap());
        Self { failed, retried, event: requested(EventType::RetryRequested, &video.key), late_error }
    }
}

async fn kill_retries(kind: TranscoderKind, cases: Vec<(Vec<Kill>, Rescue)>) {
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let network = Network::to(&system, |_| Fate::Pass).await;
    let counted = Retry::of(&system, &functions, "counted", 0).await;
    video_events::handle(&functions.behind(&network, SHORT_LEASE), counted.event).await.unwrap();
    assert_eq!(network.calls(), CALLS);

    let all = cases.len();
    let retries = each(cases, async |number, (kills, rescue): (Vec<Kill>, Rescue)| {
        let retry = Retry::of(&system, &functions, "retried", number).await;
        let video = &retry.retried.video;
        let mut killed = 0;
        for kill in kills {
            killed += usize::from(killed_at(&system, &functions, &retry.event, kill).await);
            deliver_until_handled(&functions.direct(LONG_LEASE), &retry.late_error).await;
            wait_for_the_lease(&system, video).await;
        }
        rescue.prepare(&system, &functions, video, &retry.event).await;
        (retry, killed)
    })
    .await;
    let videos = retries.iter().map(|(retry, _)| retry.retried.video.clone()).collect();
    let has_a_job =
        |record: Option<&_>| record.is_some_and(|record: &video_core::records::Record| record.job_id.is_some());
    sweep_until(&system, &functions.direct(MEDIUM_LEASE), videos, has_a_job).await;

    let jobs = jobs_by_token(&functions).await;
    for (retry, _) in &retries {
        deliver_until_handled(&functions.direct(LONG_LEASE), &retry.late_error).await;
        let record = retry.retried.video.record(&system).await;
        let own = &jobs[&retry.retried.token(&system)];
        assert_eq!(own.len(), 1, "{record:?}");
        assert_eq!(jobs[&retry.failed.token(&system)].len(), 1, "{record:?}");
        assert_eq!(record.job_id.as_ref(), own.first());
        assert_eq!(record.sequencer.as_deref(), Some(retry.retried.sequencer.as_str()));
        // The sweep may have asked for the result, which is the error of a file that is no video.
        assert!(matches!(record.status, Some(Status::Transcoding | Status::Failed)), "{record:?}");
    }
    println!(
        "retried: {kind:?}: {all} retries, {} handlers killed, one job each, {:.1} s",
        retries.iter().map(|(_, killed)| killed).sum::<usize>(),
        started.elapsed().as_secs_f64()
    );
}
